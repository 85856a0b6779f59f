-- Crypto keys: stored with the secrets that still sign, changed under the version that workers go by (G5).

-- fragment: columns
id, account_id, definition, secret, version, created, owner, previous, previous_until, rotated,
  retired IS NOT NULL AS retired, public, previous_public, generation

-- name: insert
-- scope: account
-- why: Store a new key.
INSERT INTO crypto_key (id, account_id, definition, secret, version, owner, public)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {columns}

-- name: find
-- scope: account
-- why: Find a key that is not retired.
SELECT {columns} FROM crypto_key
WHERE account_id = $1 AND id = $2 AND ($3::text IS NULL OR owner = $3) AND retired IS NULL

-- name: find_all
-- scope: account
-- why: Find those of some keys that are not retired.
SELECT {columns} FROM crypto_key
WHERE account_id = $1 AND id = ANY($2::uuid[]) AND retired IS NULL AND ($3::text IS NULL OR owner = $3)

-- name: count_known
-- scope: account
-- why: Count those of a watch's keys that are not retired: one may have been since the watch was validated.
SELECT count(*) FROM crypto_key WHERE account_id = $1 AND id = ANY($2::uuid[]) AND retired IS NULL

-- name: list
-- scope: account
-- why: List keys, oldest first; the name is what a definition begins with.
SELECT {columns} FROM crypto_key
WHERE account_id = $1 AND id > $2 AND ($3::text IS NULL OR owner = $3) AND retired IS NULL
AND ($4::bytea IS NULL OR position($4 IN definition) = 2) ORDER BY id LIMIT $5

-- name: changed_since
-- scope: replica
-- why: Read the keys that changed after a version.
SELECT {columns} FROM crypto_key WHERE version > $1

-- name: change
-- scope: found_ids
-- why: Store the new secrets of a key.
UPDATE crypto_key SET secret = $2, previous = $3, previous_until = $4, rotated = $5, version = $6, public = $7,
  previous_public = $8, generation = $9 WHERE id = $1
RETURNING {columns}

-- name: retire
-- scope: found_ids
-- why: Retire a key: its row stays, so that caches learn of it, and nothing of its secrets does.
UPDATE crypto_key SET retired = now(), secret = '', previous = '{}', previous_until = '{}', public = NULL,
  previous_public = '{}', version = $2
WHERE id = $1

-- name: count_public
-- scope: account
-- why: Count the asymmetric keys of an account.
SELECT count(*) FROM crypto_key WHERE account_id = $1 AND public IS NOT NULL

-- name: published
-- scope: public_key
-- why: Read public keys, newest first, or one of them; their ids say nothing about whose they are.
SELECT id, definition, generation, public, previous_public, previous_until FROM crypto_key
WHERE public IS NOT NULL AND ($1::uuid IS NULL OR id = $1) ORDER BY id DESC LIMIT $2

-- name: last_version
-- scope: public_key
-- why: Find the version of the last change of any key.
SELECT coalesce(max(version), 0) FROM crypto_key

-- name: naming_watches
-- scope: account
-- why: Find the watches whose definition contains the id of a key; the caller sorts out those that do not sign with it.
SELECT id, account_id AS account, resource_type, status, definition, NULL AS secrets, version, owner FROM watch
WHERE account_id = $1 AND deleted IS NULL AND position($2::bytea IN definition) > 0 ORDER BY id

-- name: other_ids
-- scope: account
-- why: Find the other keys of an account.
SELECT id FROM crypto_key WHERE account_id = $1 AND id <> $2 AND retired IS NULL

-- name: rewrite_watches
-- scope: found_ids
-- why: Store the definitions of watches that no longer sign with a key.
UPDATE watch SET definition = given.definition, version = $3, updated = now()
FROM unnest($1::uuid[], $2::bytea[]) AS given(id, definition) WHERE watch.id = given.id
