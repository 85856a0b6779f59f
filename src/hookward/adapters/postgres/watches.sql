-- Watches, and what a process must know of the definitions.

-- fragment: columns
id, account_id AS account, resource_type, status, status_reason, definition, secrets, lane_id AS lane, active_since,
  version, created, updated, deleted IS NOT NULL AS deleted, owner, credential_id AS credential

-- name: changed_since
-- scope: replica
-- why: Read the version of the definitions and the watches that changed after a version, in one snapshot.
SELECT definition_version.version AS known, changed.* FROM definition_version
LEFT JOIN (SELECT {columns} FROM watch WHERE version > $1) changed ON true

-- name: insert
-- scope: account
-- why: Store a new watch.
INSERT INTO watch (id, account_id, resource_type, status, status_reason, definition, secrets, lane_id, active_since,
  version, owner, credential_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11) RETURNING {columns}

-- name: find
-- scope: account
-- why: Find a watch that is not deleted.
SELECT {columns} FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND ($3::text IS NULL OR owner = $3)

-- name: list
-- scope: account
-- why: List watches, oldest first.
-- What names and addresses contain is decided with the decoded definition; $6 leaves out most of the others cheaply.
SELECT {columns} FROM watch WHERE account_id = $1 AND id > $2 AND deleted IS NULL
AND ($3::text IS NULL OR owner = $3) AND ($4::text IS NULL OR resource_type = $4)
AND ($5::smallint IS NULL OR status = $5) AND ($6::bytea IS NULL OR position($6 IN definition) > 0)
ORDER BY id LIMIT $7

-- name: raise_version_for
-- scope: account
-- why: Raise the version of the definitions if a watch still has the version $3.
{next_version}
WHERE EXISTS (SELECT 1 FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND version = $3)
RETURNING version

-- name: find_version
-- scope: account
-- why: Read what a change of a watch depends on, if the watch still has the version $3.
SELECT status, lane_id, credential_id FROM watch
WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND version = $3

-- name: change
-- scope: found_ids
-- why: Store a changed watch; $8 tells that it begins to match events, with the version $7.
UPDATE watch SET status = $2, status_reason = $3, definition = $4, secrets = $5, lane_id = $6, version = $7,
  active_since = CASE WHEN $8 THEN $7 ELSE active_since END, updated = now(), credential_id = $9
WHERE id = $1 RETURNING {columns}

-- name: delete
-- scope: account
-- why: Mark a watch as deleted, and raise the version only if there is one: no worker need look for changes then.
WITH raised AS (
  {next_version}
  WHERE EXISTS (SELECT 1 FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL
    AND ($3::text IS NULL OR owner = $3) AND ($4::bigint IS NULL OR version = $4)) RETURNING version)
UPDATE watch SET deleted = now(), updated = now(), version = raised.version, secrets = NULL FROM raised
WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND ($3::text IS NULL OR owner = $3)
  AND ($4::bigint IS NULL OR watch.version = $4) RETURNING lane_id, credential_id

-- name: open_lane
-- scope: account
-- why: Make a lane for a watch.
INSERT INTO lane (account_id, watch_id, slots, paused) VALUES ($1, $2, $3, $4) RETURNING id

-- name: close_lane
-- scope: found_ids
-- why: Let what waits in a lane be cancelled; a lane that is closing already keeps its reason.
UPDATE lane SET closing = $2, paused = false, wake_at = now() WHERE id = $1 AND closing IS NULL

-- name: set_lane
-- scope: found_ids
-- why: Store how many slots a lane has, and whether it is paused.
UPDATE lane SET slots = $2, paused = $3, wake_at = CASE WHEN $3 THEN NULL ELSE now() END
WHERE id = $1 AND closing IS NULL AND (slots IS DISTINCT FROM $2 OR paused <> $3)

-- name: find_credential
-- scope: account
-- why: Read the credential of a watch.
SELECT id, state, generation FROM credential WHERE account_id = $1 AND id = $2
