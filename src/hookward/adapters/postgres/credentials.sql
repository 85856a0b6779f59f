-- Credentials: which process requests a token just now, and the refresh token to request it with (ADR 13).

-- name: acquire
-- scope: account
-- why: Lock a credential for a holder, one at a time by PostgreSQL's clock, and read it.
-- A holder that has the lock already keeps it: its last answer may have been lost. The row is read as it is under the
-- lock, or without it as it was when the statement began.
WITH locked AS (
  UPDATE credential SET holder = $3, held_until = now() + $4 * interval '1 second'
  WHERE id = $2 AND account_id = $1 AND (holder IS NULL OR holder = $3 OR held_until <= now())
  RETURNING state, generation, refused)
SELECT state, generation, refused, true AS acquired FROM locked
UNION ALL
SELECT state, generation, refused, false FROM credential
WHERE id = $2 AND account_id = $1 AND NOT EXISTS (SELECT 1 FROM locked)

-- name: release
-- scope: account
-- why: Let another holder lock a credential.
UPDATE credential SET holder = NULL, held_until = NULL WHERE id = $2 AND account_id = $1 AND holder = $3

-- name: write
-- scope: account
-- why: Store a new state of a credential whose holder and generation are still the same.
UPDATE credential SET state = $6, generation = $5, refused = NULL, updated = now()
WHERE id = $2 AND account_id = $1 AND holder = $3 AND generation = $4 RETURNING true

-- name: refuse
-- scope: account
-- why: Mark a credential as refused, and unlock it, if its holder and generation are still the same.
UPDATE credential SET refused = $5, holder = NULL, held_until = NULL, updated = now()
WHERE id = $2 AND account_id = $1 AND holder = $3 AND generation = $4 RETURNING true
