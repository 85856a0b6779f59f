-- Lanes: the slots of a watch's deliveries, and the deliveries that wait in them. Lanes are woken, never their rows one
-- by one. Lanes are locked in id order.

-- fragment: is_stopped
(paused OR closing IS NOT NULL OR held_until > now())

-- name: acquire
-- scope: worker
-- why: Take slots of lanes for new deliveries, none where deliveries wait in the lane.
-- $2 and $3 are the lanes and how many slots of each are wanted, $4 is how many slots a lane has by default.
WITH {lease_fence},
locked AS MATERIALIZED (
  SELECT id, CASE WHEN paused OR behind OR closing IS NOT NULL OR held_until > now() THEN 0
    ELSE greatest(0, coalesce(slots, $4) - in_use) END AS free
  FROM lane WHERE id = ANY($2::bigint[]) ORDER BY id FOR NO KEY UPDATE),
granted AS MATERIALIZED (
  SELECT locked.id, least(wanted.slots, locked.free) AS slots
  FROM locked JOIN unnest($2::bigint[], $3::int[]) AS wanted(id, slots) USING (id), lease_fence),
counted AS (
  UPDATE lane SET in_use = lane.in_use + granted.slots FROM granted
  WHERE lane.id = granted.id AND granted.slots > 0 AND lane.id = ANY($2::bigint[])),
noted AS (
  INSERT INTO lane_grant (lane_id, token, n)
  SELECT granted.id, lease_fence.token, granted.slots FROM granted, lease_fence WHERE granted.slots > 0
  ON CONFLICT (lane_id, token) DO UPDATE SET n = lane_grant.n + excluded.n)
SELECT id, slots FROM granted

-- name: release
-- scope: worker
-- why: Return slots of lanes, and wake lanes in which deliveries wait.
-- What is taken off the grant is taken off the lane: a release that is sent twice cannot free another worker's slots,
-- not even at the same time, as grants are read locked.
WITH returned AS MATERIALIZED (
  SELECT lane.id, least(given.slots, lane_grant.n) AS slots
  FROM lane JOIN unnest($2::bigint[], $3::int[]) AS given(id, slots) USING (id)
  JOIN lane_grant ON lane_grant.lane_id = lane.id AND lane_grant.token = $1
  WHERE lane.id = ANY($2::bigint[]) ORDER BY lane.id FOR NO KEY UPDATE OF lane, lane_grant),
noted AS (
  UPDATE lane_grant SET n = lane_grant.n - returned.slots FROM returned
  WHERE lane_id = returned.id AND token = $1 AND lane_id = ANY($2::bigint[]) RETURNING lane_id)
UPDATE lane SET in_use = greatest(0, lane.in_use - returned.slots),
  wake_at = CASE WHEN lane.behind AND NOT lane.paused
    THEN least(coalesce(lane.wake_at, 'infinity'), greatest(now(), lane.held_until)) ELSE lane.wake_at END
FROM returned WHERE lane.id = returned.id AND lane.id = ANY($2::bigint[])

-- name: pull
-- scope: worker
-- why: Take the waiting deliveries that are due from up to $2 lanes, with one slot for each.
-- Lanes are read locked and fresh, what waits in them as of the start of the statement. Where a lane has another ctid
-- than it had then (`changed`), a delivery may have begun to wait since: such a lane keeps its wake-up. Of all that is
-- picked as much is taken as fits in memory at once: each lane's oldest first, in the order in which lanes were due;
-- a lane that gets none of it keeps its turn. $3 is how many slots a lane has by default.
WITH {lease_fence},
due AS MATERIALIZED (
  SELECT id, ctid AS fresh, watch_id, wake_at, held_until, greatest(0, coalesce(slots, $3) - in_use) AS free
  FROM lane WHERE wake_at <= now() AND NOT paused AND closing IS NULL
  ORDER BY wake_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
changed AS MATERIALIZED (
  SELECT due.id FROM due JOIN lane ON lane.id = due.id AND lane.ctid <> due.fresh
  WHERE lane.id = ANY(ARRAY(SELECT id FROM due))),
picked AS MATERIALIZED (
  SELECT oldest.*, due.id AS lane_id, due.wake_at FROM due CROSS JOIN LATERAL (
    SELECT delivery_id, event_id, due_at FROM waiting
    WHERE waiting.token IS NULL AND waiting.lane_id = due.id AND waiting.due_at <= now() AND due.held_until <= now()
    ORDER BY waiting.due_at, waiting.delivery_id LIMIT due.free FOR UPDATE SKIP LOCKED) oldest),
numbered AS (
  SELECT picked.*, row_number() OVER (PARTITION BY lane_id ORDER BY due_at, delivery_id) AS turn,
    coalesce(
      (SELECT coalesce(length(body), 0) FROM payload WHERE payload.delivery_id = picked.delivery_id),
      (SELECT length(body) + coalesce(length(previous), 0) + coalesce(length(extra), 0) FROM event
        WHERE event.id = picked.event_id),
      0) AS bytes
  FROM picked),
fitting AS MATERIALIZED (
  SELECT delivery_id, lane_id FROM (
    SELECT numbered.*, sum(bytes) OVER (ORDER BY turn, wake_at, lane_id) - bytes < {most_bytes} AS fits
    FROM numbered) sized
  WHERE fits),
taken AS (
  UPDATE waiting SET token = lease_fence.token FROM lease_fence
  WHERE waiting.delivery_id = ANY(ARRAY(SELECT delivery_id FROM fitting))
  RETURNING waiting.delivery_id, waiting.lane_id, waiting.event_id, waiting.number, waiting.crashes, waiting.alone,
    waiting.base, waiting.replay_of),
served AS MATERIALIZED (
  SELECT due.id, due.free, due.held_until,
    (SELECT count(*) FROM fitting WHERE fitting.lane_id = due.id)::int AS slots,
    EXISTS (SELECT FROM picked WHERE picked.lane_id = due.id) AS had_due
  FROM due),
next_due AS MATERIALIZED (
  SELECT served.*, (
    SELECT min(first_left.due_at) FROM (
      SELECT waiting.due_at FROM waiting WHERE waiting.token IS NULL AND waiting.lane_id = served.id
      ORDER BY waiting.due_at, waiting.delivery_id OFFSET served.slots LIMIT 1) first_left) AS due_at
  FROM served),
noted AS (
  INSERT INTO lane_grant (lane_id, token, n)
  SELECT next_due.id, lease_fence.token, slots FROM next_due, lease_fence WHERE slots > 0
  ON CONFLICT (lane_id, token) DO UPDATE SET n = lane_grant.n + excluded.n),
woken AS (
  UPDATE lane SET in_use = lane.in_use + next_due.slots,
    behind = next_due.due_at <= now() IS TRUE OR lane.behind AND lane.id = ANY(ARRAY(SELECT id FROM changed)),
    wake_at = CASE WHEN lane.id = ANY(ARRAY(SELECT id FROM changed)) THEN lane.wake_at
      WHEN next_due.due_at IS NULL THEN NULL
      WHEN next_due.held_until > now() THEN greatest(next_due.due_at, next_due.held_until)
      WHEN next_due.due_at > now() THEN next_due.due_at
      WHEN next_due.slots >= next_due.free THEN NULL  -- all slots taken: the next release wakes the lane
      WHEN next_due.slots = 0 AND next_due.had_due THEN lane.wake_at
      ELSE now() END
  FROM next_due, lease_fence WHERE lane.id = next_due.id AND lane.id = ANY(ARRAY(SELECT id FROM due)))
SELECT taken.delivery_id, taken.lane_id, taken.event_id, taken.number, taken.crashes, taken.alone, due.watch_id,
  taken.base, taken.replay_of
FROM taken JOIN due ON due.id = taken.lane_id

-- name: load_pulled
-- scope: worker
-- why: Load the events of deliveries that were pulled, and what an earlier attempt of each sent.
-- A body that is sent again makes the event's own bodies needless. An erased event has no body.
SELECT pulled.delivery_id, payload.method, payload.address, payload.body AS sent_body, event.id, event.account_id,
  event.resource_type, event.type_version, event.kind, event.version, event.scope, event.resource_id,
  CASE WHEN payload.delivery_id IS NULL THEN event.body ELSE ''::bytea END,
  CASE WHEN payload.delivery_id IS NULL THEN event.previous END,
  CASE WHEN payload.delivery_id IS NULL THEN event.extra END, event.zone
FROM unnest($1::uuid[], $2::uuid[]) AS pulled(delivery_id, event_id)
JOIN event ON event.id = pulled.event_id AND event.body <> ''::bytea
LEFT JOIN payload ON payload.delivery_id = pulled.delivery_id

-- name: next_wake
-- scope: worker
-- why: Find out in how many seconds the next lane has deliveries that are due.
SELECT extract(epoch FROM wake_at - now())::float8 FROM lane
WHERE wake_at IS NOT NULL AND NOT paused ORDER BY wake_at LIMIT 1

-- name: stopped
-- scope: worker
-- why: Find the lanes whose new deliveries must wait: `stopped` where nothing may be sent, else for those before them.
SELECT id, {is_stopped} AS stopped FROM lane WHERE id = ANY($1::bigint[]) AND (behind OR {is_stopped})

-- name: lock_closing
-- scope: worker
-- why: Lock a lane whose waiting deliveries are to be cancelled.
SELECT id, closing FROM lane WHERE wake_at <= now() AND closing IS NOT NULL
ORDER BY wake_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED

-- name: cancel
-- scope: worker
-- why: Cancel up to $3 deliveries that wait in a lane.
WITH picked AS MATERIALIZED (
  SELECT delivery_id FROM waiting WHERE lane_id = $1 AND token IS NULL ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED),
ended AS (DELETE FROM waiting WHERE delivery_id = ANY(ARRAY(SELECT delivery_id FROM picked)) RETURNING delivery_id),
deleted_payload AS (DELETE FROM payload WHERE delivery_id = ANY(ARRAY(SELECT delivery_id FROM picked))),
cancelled AS (
  UPDATE delivery SET status = {status.cancelled}, reason = $2, finished = now()
  WHERE id = ANY(ARRAY(SELECT delivery_id FROM picked)) AND status < {status.delivered})
SELECT count(*)::int FROM ended

-- name: let_sleep
-- scope: worker
-- why: Let a lane in which nothing waits any more cost nothing.
UPDATE lane SET wake_at = NULL, behind = false WHERE id = $1
