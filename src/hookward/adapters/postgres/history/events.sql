-- The event log: rows of a page, one event, and what became of each. Which ids a page has is found by paging.py.

-- fragment: summary
id, resource_type, kind, scope, resource_id, zone, occurred, body = ''::bytea AS erased

-- fragment: is_owners
-- A delivery to a watch of the owner $6, if there is one.
($6::text IS NULL OR EXISTS (
    SELECT 1 FROM watch WHERE watch.id = delivery.watch_id AND watch.account_id = $5 AND watch.owner = $6))

-- name: of_deliveries
-- scope: account
-- why: Find the events that deliveries of a page stand for.
SELECT event_id FROM delivery WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 AND account_id = $4

-- name: select_rows
-- scope: account
-- why: Read events without their bodies, newest first.
SELECT {summary} FROM event WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 AND account_id = $4 ORDER BY id DESC

-- name: find
-- scope: account
-- why: Read one event with its bodies.
SELECT {summary}, body, previous, extra FROM event WHERE id = $1 AND account_id = $2

-- name: find_unmatched
-- scope: account
-- why: Find those of some events that an outbox row holds, which are not matched yet.
-- Of a long backlog only its front is read. An event that is not found there waits behind it, unless it is older.
WITH free AS MATERIALIZED (
  SELECT seq, events FROM outbox WHERE token IS NULL AND account_id = $1 ORDER BY seq LIMIT {most_outbox_rows}),
claimed AS (SELECT events FROM outbox WHERE token IS NOT NULL AND account_id = $1),
oldest AS (SELECT events[1] AS id FROM free ORDER BY seq LIMIT 1)
SELECT wanted.id FROM unnest($2::uuid[]) wanted(id) WHERE wanted.id IN (SELECT unnest(events) FROM free)
OR wanted.id IN (SELECT unnest(events) FROM claimed)
OR ((SELECT count(*) FROM free) = {most_outbox_rows} AND wanted.id > (SELECT id FROM oldest))

-- name: count_deliveries
-- scope: account
-- why: Count the deliveries of events by status, up to a bound; with an owner only those to that owner's watches.
-- A millisecond may hold many events of a batch: it is read once for all of them.
SELECT counted.event_id, counted.status, count(*) AS deliveries FROM unnest($2::uuid[], $3::uuid[]) ms(least, greatest)
CROSS JOIN LATERAL (
  SELECT event_id, status FROM delivery
  WHERE delivery.id BETWEEN ms.least AND ms.greatest AND delivery.event_id = ANY($1::uuid[])
  AND delivery.replay_of IS NULL AND delivery.account_id = $5 AND {is_owners} LIMIT $4) counted
GROUP BY 1, 2
UNION ALL
SELECT wanted.id, counted.status, count(*) FROM unnest($1::uuid[]) wanted(id)
CROSS JOIN LATERAL (
  SELECT status FROM delivery
  WHERE delivery.event_id = wanted.id AND delivery.replay_of IS NOT NULL AND delivery.account_id = $5
  AND {is_owners} LIMIT $4) counted
GROUP BY 1, 2

-- name: find_by_key
-- scope: account
-- why: Find the event that has used an idempotency key which has not expired.
SELECT event_id FROM idempotency WHERE account_id = $1 AND key = $2 AND until > now()
