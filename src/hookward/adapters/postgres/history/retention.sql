-- Retention: whole days are dropped, the rest is deleted in chunks.

-- fragment: open
-- The numbers themselves: no plan for parameters uses the index of the deliveries that were not delivered.
status IN ({status.pending}, {status.retrying})

-- name: lock
-- scope: store
-- why: Let one process at a time drop or delete.
SELECT pg_try_advisory_xact_lock($1)

-- name: limit_wait
-- scope: store
-- why: Give up when a table is in use for longer than this: waiting for its lock would make all others wait, too.
SET LOCAL lock_timeout = {?milliseconds}

-- name: horizon
-- scope: store
-- why: Find the first day that some account keeps: all days before it are over.
SELECT floor((extract(epoch FROM now()) - greatest($1::float8, 86400.0 * max(retention_days))) / 86400)::bigint
FROM account

-- name: days
-- scope: store
-- why: List the days that have a partition.
SELECT DISTINCT substring(pg_class.relname FROM '_(\d+)$')::bigint AS day FROM pg_inherits
JOIN pg_class ON pg_class.oid = pg_inherits.inhrelid WHERE pg_inherits.inhparent = 'event'::regclass
OR pg_inherits.inhparent = 'delivery'::regclass OR pg_inherits.inhparent = 'attempt'::regclass ORDER BY day

-- name: any_unmatched
-- scope: expired
-- why: Tell whether events before an id are still to be matched.
SELECT EXISTS (SELECT 1 FROM outbox, unnest(outbox.events) unmatched(id) WHERE unmatched.id < $1)

-- name: any_unmatched_of_account
-- scope: account
-- why: Tell whether events of an account before an id are still to be matched.
SELECT EXISTS (
  SELECT 1 FROM outbox, unnest(outbox.events) unmatched(id) WHERE outbox.account_id = $2 AND unmatched.id < $1)

-- name: count_open
-- scope: expired
-- why: Count the deliveries of a day that are open, up to a bound.
SELECT count(*) FROM (SELECT 1 FROM delivery WHERE {open} AND id >= $1 AND id < $2 LIMIT $3) open_delivery

-- name: accounts
-- scope: store
-- why: Find for each account the first day that it keeps.
SELECT id,
  floor((extract(epoch FROM now()) - coalesce(86400.0 * retention_days, $1::float8)) / 86400)::bigint AS horizon
FROM account ORDER BY id

-- name: ended_deliveries
-- scope: account
-- why: Lock the next deliveries of an account that are over and have ended.
SELECT id FROM delivery WHERE account_id = $1 AND id > $2 AND id < $3 AND status >= {status.delivered}
ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED

-- name: ended_events
-- scope: account
-- why: Lock the next events of an account that are over and have no open delivery.
-- Deliveries carry the millisecond of their event, but for replays with ids of their own.
SELECT id FROM event WHERE account_id = $1 AND id > $2 AND id < $3
AND NOT EXISTS (
  SELECT 1 FROM delivery
  WHERE delivery.id BETWEEN (left(event.id::text, 13) || '-0000-0000-000000000000')::uuid
    AND (left(event.id::text, 13) || '-ffff-ffff-ffffffffffff')::uuid
    AND delivery.event_id = event.id AND delivery.status < {status.delivered} OFFSET 0)
AND NOT EXISTS (
  SELECT 1 FROM delivery WHERE delivery.event_id = event.id AND delivery.replay_of IS NOT NULL
    AND delivery.status < {status.delivered} OFFSET 0)
ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED

-- name: delete_attempts
-- scope: found_ids
-- why: Delete the attempts of deliveries.
DELETE FROM attempt WHERE delivery_id = ANY($1::uuid[])

-- name: delete_deliveries
-- scope: found_ids
-- why: Delete deliveries.
DELETE FROM delivery WHERE id = ANY($1::uuid[])

-- name: delete_events
-- scope: found_ids
-- why: Delete events.
DELETE FROM event WHERE id = ANY($1::uuid[])

-- name: has_table
-- scope: store
-- why: Tell whether a partition is there.
SELECT to_regclass($1) IS NOT NULL

-- name: detach
-- scope: store
-- why: Take a day out of its table.
ALTER TABLE {?table} DETACH PARTITION {?table}_{?day}

-- name: put_back_attempts
-- scope: expired
-- why: Put back the attempts of open deliveries of a day that is dropped; they go to the default partition.
INSERT INTO attempt SELECT * FROM attempt_{?day} WHERE delivery_id IN (SELECT id FROM delivery_{?day} WHERE {open})

-- name: put_back_deliveries
-- scope: expired
-- why: Put back the open deliveries of a day that is dropped.
INSERT INTO delivery SELECT * FROM delivery_{?day} WHERE {open}

-- name: put_back_events
-- scope: expired
-- why: Put back the events of open deliveries, replays with ids of their own among them, of a day that is dropped.
INSERT INTO event SELECT * FROM event_{?day} WHERE id IN (
  SELECT event_id FROM delivery WHERE {open} AND id >= '{?start}' AND id < '{?end}'
  UNION ALL SELECT event_id FROM delivery WHERE replay_of IS NOT NULL AND status < {status.delivered}
    AND event_id >= '{?start}' AND event_id < '{?end}')

-- name: drop
-- scope: store
-- why: Drop a day that was taken out of its table.
DROP TABLE {?table}_{?day}
