-- Erasures: what is stored of one resource is removed, chunk by chunk.

-- fragment: shown
id, events, deliveries, created, finished

-- name: add
-- scope: account
-- why: Store an erasure of events up to now, by PostgreSQL's clock, which ids follow.
INSERT INTO erasure (id, account_id, resource_type, resource_id, through)
SELECT $1, $2, $3, $4, (lpad(to_hex(ms), 12, '0') || repeat('f', 20))::uuid
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms) now_ms
RETURNING {shown}

-- name: find
-- scope: account
-- why: Find an erasure.
SELECT {shown} FROM erasure WHERE id = $1 AND account_id = $2

-- name: take
-- scope: erasure
-- why: Lock the oldest erasures that are in one of the phases $1.
SELECT id, account_id, resource_type, resource_id, phase, through, cursor, flying FROM erasure
WHERE finished IS NULL AND phase = ANY($1::smallint[]) ORDER BY created LIMIT $2 FOR UPDATE SKIP LOCKED

-- name: any_in_deliveries
-- scope: erasure
-- why: Tell whether an erasure has deliveries to go through.
SELECT true FROM erasure WHERE finished IS NULL AND phase = {phase.deliveries} LIMIT 1

-- name: blank_events
-- scope: account
-- why: Blank the next chunk of an account's events, as far as they are of the resource.
WITH seen AS MATERIALIZED (
  SELECT id, resource_type, resource_id FROM event
  WHERE account_id = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT {?chunk}),
matching AS MATERIALIZED (SELECT id FROM seen WHERE resource_type = $4 AND resource_id = $5),
blanked AS (
  UPDATE event SET body = ''::bytea, previous = NULL, extra = NULL, scope = '{}'::bytea, resource_id = ''::bytea
  WHERE id = ANY(ARRAY(SELECT id FROM matching)) RETURNING id)
SELECT (SELECT count(*) FROM seen) AS seen, (SELECT id FROM seen ORDER BY id DESC LIMIT 1) AS last,
  (SELECT count(*) FROM blanked) AS blanked

-- name: note_events
-- scope: erasure
-- why: Note how far an erasure has come with the events.
UPDATE erasure SET cursor = coalesce($2, cursor), events = events + $3, phase = $4 WHERE id = $1

-- name: note_claimed
-- scope: account
-- why: Note the outbox rows, with their leases, whose events are in the memory of workers.
UPDATE erasure SET held = claimed.seqs, tokens = claimed.tokens, phase = {phase.claimed} FROM (
  SELECT coalesce(array_agg(seq), '{}') AS seqs, coalesce(array_agg(token), '{}') AS tokens FROM outbox
  WHERE token IS NOT NULL AND account_id = $2) claimed
WHERE erasure.id = $1

-- name: leave_claimed
-- scope: erasure
-- why: Go on to the deliveries once none of the noted outbox rows is held any more.
UPDATE erasure SET phase = {phase.deliveries}, held = '{}', tokens = '{}',
  cursor = '00000000-0000-0000-0000-000000000000'
WHERE erasure.id = $1 AND NOT EXISTS (
  SELECT 1 FROM unnest(erasure.held, erasure.tokens) claimed(seq, token)
  JOIN outbox ON outbox.seq = claimed.seq AND outbox.token = claimed.token)

-- name: find_deliveries
-- scope: account
-- why: Find the deliveries of the resource in the next chunk of an account's deliveries.
WITH seen AS MATERIALIZED (
  SELECT id, event_id, resource_type, resource_id FROM delivery
  WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT {?chunk})
SELECT (SELECT count(*) FROM seen) AS seen, (SELECT id FROM seen ORDER BY id DESC LIMIT 1) AS last,
  ARRAY(SELECT id FROM seen WHERE event_id <= $3 AND resource_type = $4 AND resource_id = $5) AS matching

-- name: note_deliveries
-- scope: erasure
-- why: Note how far an erasure has come with the deliveries, and those whose attempt is in flight.
UPDATE erasure SET cursor = coalesce($2, cursor), deliveries = deliveries + $3, flying = $4, phase = $5 WHERE id = $1

-- name: note_in_flight
-- scope: erasure
-- why: Note which deliveries are still in flight; without any the erasure is done, and what names the resource goes.
UPDATE erasure SET flying = $2, deliveries = deliveries + $3,
  phase = CASE WHEN $4 THEN {phase.done} ELSE {phase.in_flight} END,
  resource_id = CASE WHEN $4 THEN ''::bytea ELSE resource_id END, finished = CASE WHEN $4 THEN now() END
WHERE id = $1

-- name: find_waiting
-- scope: found_ids
-- why: Find those of some deliveries that wait.
SELECT delivery_id FROM waiting WHERE delivery_id = ANY($1::uuid[])

-- name: lock_free
-- scope: found_ids
-- why: Lock those of some waiting deliveries that no worker holds.
SELECT delivery_id FROM waiting WHERE delivery_id = ANY($1::uuid[]) AND token IS NULL FOR UPDATE SKIP LOCKED

-- name: end_waiting
-- scope: found_ids
-- why: End the waiting of deliveries.
DELETE FROM waiting WHERE delivery_id = ANY($1::uuid[])

-- name: delete_payloads
-- scope: found_ids
-- why: Delete what deliveries were sent as.
DELETE FROM payload WHERE delivery_id = ANY($1::uuid[])

-- name: cancel
-- scope: found_ids
-- why: Cancel deliveries that waited.
UPDATE delivery SET status = {status.cancelled}, reason = 'erased', finished = now()
WHERE id = ANY($1::uuid[]) AND status < {status.delivered}

-- name: blank_deliveries
-- scope: found_ids
-- why: Remove the resource's id from deliveries.
UPDATE delivery SET resource_id = ''::bytea WHERE id = ANY($1::uuid[])

-- name: blank_attempts
-- scope: found_ids
-- why: Remove what attempts sent and received.
UPDATE attempt SET request = '{"method":"","address":"","headers":{}}'::bytea, request_body = NULL,
  response = CASE WHEN response IS NULL THEN NULL ELSE '{}'::bytea END, response_body = NULL,
  message = CASE WHEN message IS NULL THEN NULL ELSE 'erased' END
WHERE delivery_id = ANY($1::uuid[])
