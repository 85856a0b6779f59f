-- The watches that the filters of a list mean.

-- fragment: begins_with_http
-- A definition is JSON that begins with the address: no document has to be decoded to compare its start. Schemes and
-- hosts are the same in upper and lower case (RFC 3986, section 6.2.2.1), paths are not. $4 is the path.
(lower(encode(substring(definition from 1 for length($2::bytea)), 'escape')) = encode($2, 'escape')
  AND substring(definition from 1 + length($2) for length($4::bytea)) = $4)

-- fragment: begins_with_https
(lower(encode(substring(definition from 1 for length($3::bytea)), 'escape')) = encode($3, 'escape')
  AND substring(definition from 1 + length($3) for length($4::bytea)) = $4)

-- name: by_host
-- scope: account
-- why: Find the watches, deleted ones too, whose host begins as given.
SELECT id FROM watch WHERE account_id = $1 AND ({begins_with_http} OR {begins_with_https}) ORDER BY id DESC LIMIT $5

-- name: by_id_prefix
-- scope: account
-- why: Find the watches, deleted ones too, whose id begins as given.
SELECT id FROM watch WHERE id BETWEEN $1 AND $2 AND account_id = $3 LIMIT {most_named}

-- name: of_owner
-- scope: account
-- why: Find the watches of an owner, deleted ones too; one more than a page looks at one by one.
SELECT id FROM watch WHERE account_id = $1 AND owner = $2 ORDER BY id LIMIT {most_owned}

-- name: visible
-- scope: account
-- why: Find those of some watches that are the account's, and the owner's if there is one.
SELECT id FROM watch WHERE id = ANY($1::uuid[]) AND account_id = $2 AND ($3::text IS NULL OR owner = $3)
