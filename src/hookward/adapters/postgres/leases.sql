-- Leases: which workers may send and record, by PostgreSQL's clock only.

-- fragment: grace_over
-- While PostgreSQL was away no worker could renew its lease: for a while after its start no lease is taken over, except
-- that of a worker that was seen dead, whose lease ends at -infinity.
now() - pg_postmaster_start_time() > interval '10 seconds'

-- name: begin
-- scope: store
-- why: Begin a lease of $2 seconds for a worker process.
INSERT INTO lease (until, worker) VALUES (now() + $2 * interval '1 second', $1) RETURNING token

-- name: is_held
-- scope: store
-- why: Tell whether a lease has not ended.
SELECT true FROM lease WHERE token = $1 AND until > now()

-- name: hold
-- scope: store
-- why: Tell whether a lease has not ended, and keep it from being taken over until the transaction ends.
SELECT true FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE

-- name: renew
-- scope: store
-- why: Prolong a lease that has not ended, or that ended while PostgreSQL was away.
UPDATE lease SET until = now() + $2 * interval '1 second'
WHERE token = $1 AND (until > now() OR until <> '-infinity' AND NOT {grace_over}) RETURNING token

-- name: end
-- scope: store
-- why: Delete the lease of a worker that has stopped.
DELETE FROM lease WHERE token = $1

-- name: abandon
-- scope: store
-- why: Let the next take-over free what is held under a lease.
UPDATE lease SET until = '-infinity' WHERE token = $1

-- name: expire
-- scope: store
-- why: End the leases of a worker that is known to be dead.
UPDATE lease SET until = '-infinity' WHERE worker = $1 AND until > '-infinity' RETURNING token

-- name: expire_all
-- scope: store
-- why: End all leases when no worker can reach the database any more.
UPDATE lease SET until = '-infinity' WHERE until > '-infinity' RETURNING token

-- name: lock_take_over
-- scope: store
-- why: Let one process at a time take over; the others have nothing to do then.
SELECT pg_try_advisory_xact_lock($1)

-- name: any_ended
-- scope: store
-- why: Tell whether any lease has ended.
SELECT true FROM lease WHERE until < now() LIMIT 1

-- name: delete_ended
-- scope: store
-- why: Delete the leases that have ended.
-- A claim or record locks its lease FOR KEY SHARE, so this waits for it. What it committed only a later statement sees:
-- freeing what was held must not be part of this one.
DELETE FROM lease WHERE until < now() AND (until = '-infinity' OR {grace_over}) RETURNING token

-- name: release_held
-- scope: worker
-- why: Free the outbox rows, deliveries and slots that are held under leases that are over.
-- $2 is 1 for the leases of dead workers, else 0: it is added to the crashes of what they held, and to `alone` where it
-- is known what the worker died of: the only thing that it held, or the only one that others had died with before.
WITH held_row AS (
  SELECT token, crashes FROM outbox WHERE token = ANY($1::bigint[])
  UNION ALL SELECT token, crashes FROM waiting WHERE token = ANY($1::bigint[])),
held AS MATERIALIZED (
  SELECT token, count(*) AS things, count(*) FILTER (WHERE crashes >= {poison_crashes}) AS suspects
  FROM held_row GROUP BY 1),
freed_outbox AS (
  UPDATE outbox SET token = NULL, crashes = outbox.crashes + $2,
    alone = outbox.alone + $2 * (held.things = 1 OR held.suspects = 1 AND outbox.crashes >= {poison_crashes})::int
  FROM held WHERE outbox.token = held.token AND outbox.token = ANY($1::bigint[]) RETURNING 1),
freed_waiting AS (
  UPDATE waiting SET token = NULL, crashes = waiting.crashes + $2,
    alone = waiting.alone + $2 * (held.things = 1 OR held.suspects = 1 AND waiting.crashes >= {poison_crashes})::int
  FROM held WHERE waiting.token = held.token AND waiting.token = ANY($1::bigint[]) RETURNING waiting.lane_id),
freed_grant AS (DELETE FROM lane_grant WHERE token = ANY($1::bigint[]) RETURNING lane_id, n),
touched AS MATERIALIZED (
  SELECT lane_id, sum(slots)::int AS slots, bool_or(waits) AS waits
  FROM (
    SELECT lane_id, n AS slots, false AS waits FROM freed_grant
    UNION ALL SELECT lane_id, 0, true FROM freed_waiting) freed
  GROUP BY 1),
locked AS MATERIALIZED (
  SELECT id FROM lane WHERE id = ANY(ARRAY(SELECT lane_id FROM touched)) ORDER BY id FOR NO KEY UPDATE),
woken AS (
  UPDATE lane SET in_use = greatest(0, lane.in_use - touched.slots), behind = lane.behind OR touched.waits,
    wake_at = CASE WHEN lane.closing IS NOT NULL THEN now() WHEN lane.paused THEN NULL
      WHEN lane.behind OR touched.waits THEN now() ELSE lane.wake_at END
  FROM locked JOIN touched ON touched.lane_id = locked.id
  WHERE lane.id = locked.id AND lane.id = ANY(ARRAY(SELECT lane_id FROM touched)))
SELECT (SELECT count(*) FROM freed_outbox)::int AS outbox_rows,
  (SELECT count(*) FROM freed_waiting)::int AS waiting_rows
