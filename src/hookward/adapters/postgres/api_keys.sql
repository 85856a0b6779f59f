-- API keys: digests with what they allow. A revocation raises the version of the definitions, and so is told once.

-- fragment: columns
id, account_id AS account, name, scopes, digest, owner, created, last_used

-- name: insert
-- scope: account
-- why: Store a key.
INSERT INTO api_key (id, account_id, owner, name, scopes, digest) VALUES ($1, $2, $3, $4, $5, $6) RETURNING {columns}

-- name: list
-- scope: account
-- why: List the keys of an account that were not revoked, oldest first.
SELECT {columns} FROM api_key WHERE account_id = $1 AND id > $2 AND revoked IS NULL
AND ($3::text IS NULL OR owner = $3) ORDER BY id LIMIT $4

-- name: find
-- scope: account
-- why: Find a key that was not revoked.
SELECT {columns} FROM api_key WHERE account_id = $1 AND id = $2 AND revoked IS NULL

-- name: find_by_digest
-- scope: key_digest
-- why: Find the keys of callers, and the version of the definitions at that moment, in one snapshot.
SELECT definition_version.version, found.* FROM definition_version
LEFT JOIN (SELECT {columns} FROM api_key WHERE digest = ANY($1::bytea[]) AND revoked IS NULL) found ON true

-- name: revoked_since
-- scope: replica
-- why: Find the digests of keys that were revoked after a version; without a version only the version.
SELECT definition_version.version, api_key.digest FROM definition_version
LEFT JOIN api_key ON api_key.revoked IS NOT NULL AND api_key.version > $1

-- name: revoke
-- scope: account
-- why: Revoke a key, and raise the version only if there is one.
WITH raised AS (
  {next_version}
  WHERE EXISTS (SELECT 1 FROM api_key WHERE account_id = $1 AND id = $2 AND revoked IS NULL) RETURNING version)
UPDATE api_key SET revoked = now(), version = raised.version FROM raised
WHERE account_id = $1 AND id = $2 AND revoked IS NULL RETURNING id

-- name: note_used
-- scope: key_digest
-- why: Note that keys were used just now.
-- Several processes note the same keys: once is enough, and none waits for another.
UPDATE api_key SET last_used = now() WHERE id IN (
  SELECT id FROM api_key WHERE id = ANY($1::uuid[]) AND (last_used IS NULL OR last_used < now() - interval '30 seconds')
  FOR UPDATE SKIP LOCKED)
