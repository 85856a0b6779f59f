-- Daily partitions of `event`, `delivery` and `attempt`, expired idempotency keys, PostgreSQL's clock.

-- name: lock_partitions
-- scope: store
-- why: Let one process at a time change partitions.
SELECT pg_advisory_xact_lock($1)

-- name: limit_wait
-- scope: store
-- why: Give up when a table is in use for longer than this: waiting for its lock would make all others wait, too.
SET LOCAL lock_timeout = {?milliseconds}

-- name: today
-- scope: store
-- why: Return today's number (days since 1970), by PostgreSQL's clock.
SELECT floor(extract(epoch FROM now()) / 86400)::bigint

-- name: partitions
-- scope: store
-- why: List the partitions there are.
SELECT inhrelid::regclass::text AS name FROM pg_inherits

-- name: lock_table
-- scope: store
-- why: Keep all others from a table while its rows move.
LOCK TABLE {?table} IN ACCESS EXCLUSIVE MODE

-- name: has_early_rows
-- scope: store
-- why: Tell whether the default partition has rows of a day.
SELECT EXISTS (SELECT 1 FROM {?table}_rest WHERE {?column} >= '{?start}' AND {?column} < '{?end}')

-- name: create_partition
-- scope: store
-- why: Create an empty partition.
CREATE TABLE {?name} PARTITION OF {?table} FOR VALUES FROM ('{?start}') TO ('{?end}')

-- name: create_detached
-- scope: store
-- why: Create a table that is to become a partition.
CREATE TABLE {?name} (LIKE {?table} INCLUDING ALL)

-- name: move_early_rows
-- scope: store
-- why: Move the rows of a day from the default partition to their own.
WITH early AS (DELETE FROM {?table}_rest WHERE {?column} >= '{?start}' AND {?column} < '{?end}' RETURNING *)
INSERT INTO {?name} SELECT * FROM early

-- name: attach_partition
-- scope: store
-- why: Make a table a partition.
ALTER TABLE {?table} ATTACH PARTITION {?name} FOR VALUES FROM ('{?start}') TO ('{?end}')

-- name: delete_expired_keys
-- scope: expired
-- why: Delete idempotency keys that have expired, up to 10,000 at a time.
DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM idempotency WHERE until <= now() ORDER BY until LIMIT 10000 FOR UPDATE SKIP LOCKED))

-- name: ping
-- scope: store
-- why: Tell whether PostgreSQL takes statements.
SELECT true

-- name: has_schema
-- scope: store
-- why: Tell whether the database has the schema of this version.
SELECT to_regclass('sealing_check') IS NOT NULL

-- name: clock
-- scope: store
-- why: Return PostgreSQL's time, in microseconds since 1970.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
