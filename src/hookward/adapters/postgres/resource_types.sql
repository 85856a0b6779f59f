-- Resource types of accounts: a row for each version, and the current one of each name.

-- fragment: columns
account_id, name, type_version, body, collection, definition, version, created, updated, item

-- name: find
-- scope: account
-- why: Find the current version of a type.
SELECT {columns} FROM resource_type WHERE account_id = $1 AND name = $2 AND current

-- name: insert
-- scope: account
-- why: Store a new version of a type; the versions of a type that was deleted go on.
INSERT INTO resource_type (account_id, name, type_version, body, collection, definition, version, created, item)
VALUES ($1, $2, coalesce((SELECT max(type_version) FROM resource_type WHERE account_id = $1 AND name = $2), 0) + 1,
  $3, $4, $5, $6, coalesce($7, now()), $8) RETURNING {columns}

-- name: retire
-- scope: account
-- why: Mark the current version of a type as replaced or deleted.
UPDATE resource_type SET current = false WHERE account_id = $1 AND name = $2 AND current

-- name: count_watches
-- scope: account
-- why: Count the watches of a type.
SELECT count(*) FROM watch WHERE account_id = $1 AND resource_type = $2 AND deleted IS NULL

-- name: outlines
-- scope: account
-- why: Read the names and paths of an account's types.
SELECT name, collection, item FROM resource_type WHERE account_id = $1 AND current ORDER BY name

-- name: find_many
-- scope: account
-- why: Find the current versions of types of several accounts.
SELECT {columns} FROM resource_type JOIN unnest($1::int[], $2::text[]) AS wanted(account_id, name)
USING (account_id, name) WHERE current

-- name: list
-- scope: account
-- why: List an account's types by name.
SELECT {columns} FROM resource_type WHERE account_id = $1 AND name > $2 AND current ORDER BY name LIMIT $3

-- name: has_current
-- scope: account
-- why: Tell whether a type is there, in the version $3 if that is given; null for a built-in type, which has no rows.
SELECT bool_or(current AND ($3::int IS NULL OR type_version = $3)) FROM resource_type
WHERE account_id = $1 AND name = $2

-- name: shapes_since
-- scope: replica
-- why: Read how the documents of types are laid out that changed after a version.
SELECT account_id, name, type_version, body FROM resource_type WHERE version > $1
