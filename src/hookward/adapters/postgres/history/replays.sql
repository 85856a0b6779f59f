-- Replays: a delivery that has ended waits again, and one that waits is due at once.
-- Rows are locked in the order of results.sql: the delivery, what waits, the lane.

-- name: lock_delivery
-- scope: account
-- why: Read a delivery, and lock it.
SELECT status, event_id, watch_id, attempts FROM delivery WHERE id = $1 AND account_id = $2 FOR UPDATE

-- name: find_watch
-- scope: account
-- why: Read the watch of the delivery; with an owner ($3) only if it is that owner's.
SELECT lane_id, status, deleted IS NOT NULL AS deleted FROM watch
WHERE id = $1 AND account_id = $2 AND ($3::text IS NULL OR owner = $3)

-- name: lock_event
-- scope: found_ids
-- why: Tell whether the event is there and not erased; an erasure that begins now waits, and then finds what was made.
SELECT true FROM event WHERE id = $1 AND body <> ''::bytea FOR SHARE

-- name: reopen
-- scope: found_ids
-- why: Forget how a delivery ended.
UPDATE delivery SET status = {status.pending}, reason = NULL, finished = NULL WHERE id = $1

-- name: delete_payload
-- scope: found_ids
-- why: Forget what a delivery was sent as, so that it is rendered again.
DELETE FROM payload WHERE delivery_id = $1

-- name: copy
-- scope: account
-- why: Make a delivery with the id $2 that sends another one again.
INSERT INTO delivery (id, account_id, event_id, watch_id, resource_type, kind, resource_id, status, attempts, replay_of)
SELECT $2, account_id, event_id, watch_id, resource_type, kind, resource_id, {status.pending}, 0, id
FROM delivery WHERE id = $1

-- name: begin_waiting
-- scope: found_ids
-- why: Let a delivery wait, due now; $4 is how many attempts came before.
INSERT INTO waiting (delivery_id, lane_id, event_id, due_at, number, base, replay, replay_of)
VALUES ($1, $2, $3, now(), $4 + 1, $4, true, $5)

-- name: make_due
-- scope: found_ids
-- why: Make a delivery that waits due now, unless a worker has it locked, which takes, sends or ends it just then.
WITH free AS MATERIALIZED (
  SELECT delivery_id FROM waiting WHERE delivery_id = $1 AND token IS NULL FOR UPDATE SKIP LOCKED)
UPDATE waiting SET due_at = now(), base = waiting.number - 1, replay = true
FROM free WHERE waiting.delivery_id = free.delivery_id RETURNING waiting.lane_id

-- name: wake_lane
-- scope: found_ids
-- why: Wake the lane of a delivery that is due now.
UPDATE lane SET behind = true, wake_at = CASE WHEN closing IS NOT NULL THEN now() WHEN paused THEN NULL
  ELSE least(coalesce(wake_at, 'infinity'), now()) END
WHERE id = $1
