-- Accept events: with their outbox rows in one commit (G1), once per idempotency key (G7).

-- name: accept
-- scope: account
-- why: Store a group of events and their outbox rows; return the events that were not stored.
-- An event whose key is known changes nothing; nor does one (`stale`) whose type is the account's own and has changed,
-- or was deleted, since the event was validated with it: a change that was confirmed before this statement began is
-- seen by it (G5). An event that is stored already is not stale: its commit was not confirmed, and it is sent again.
-- `outbox_row` numbers the outbox rows of a group. Keys are inserted in sorted order, so that two groups that share
-- some cannot deadlock.
WITH given AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::smallint[], $6::bytea[], $7::bytea[],
    $8::bytea[], $9::bytea[], $10::bytea[], $11::text[], $12::timestamptz[], $13::bytea[], $14::bytea[], $15::int[],
    $16::boolean[])
  WITH ORDINALITY AS given(id, account_id, resource_type, type_version, kind, scope, resource_id,
    body, previous, extra, zone, occurred, key, digest, outbox_row, own_type, position)),
stale AS MATERIALIZED (
  SELECT given.id FROM given
  WHERE given.own_type
    AND NOT EXISTS (SELECT 1 FROM resource_type WHERE resource_type.account_id = given.account_id
      AND resource_type.name = given.resource_type AND resource_type.type_version = given.type_version
      AND resource_type.current)
    AND NOT EXISTS (SELECT 1 FROM event WHERE event.id = given.id)),
known AS (SELECT version FROM definition_version),
new_key AS (
  INSERT INTO idempotency (account_id, key, event_id, digest, until)
  SELECT account_id, key, id, digest, now() + interval '{keep_keys}' FROM given
  WHERE key IS NOT NULL AND id NOT IN (SELECT id FROM stale) ORDER BY 1, 2
  ON CONFLICT (account_id, key) DO UPDATE
    SET event_id = excluded.event_id, digest = excluded.digest, until = excluded.until
    WHERE idempotency.until <= now()
  RETURNING idempotency.account_id, idempotency.key),
accepted AS MATERIALIZED (
  SELECT given.* FROM given
  WHERE given.id NOT IN (SELECT id FROM stale)
    AND (given.key IS NULL OR (given.account_id, given.key) IN (SELECT account_id, key FROM new_key))),
new_event AS (
  INSERT INTO event (id, account_id, resource_type, type_version, kind, version, scope, resource_id,
    body, previous, extra, zone, occurred)
  SELECT accepted.id, accepted.account_id, accepted.resource_type, accepted.type_version, accepted.kind,
    known.version, accepted.scope, accepted.resource_id, accepted.body, accepted.previous, accepted.extra,
    accepted.zone, accepted.occurred
  FROM accepted, known
  ON CONFLICT DO NOTHING RETURNING id),
new_outbox AS (
  INSERT INTO outbox (account_id, version, events, bytes)
  SELECT accepted.account_id, known.version, array_agg(accepted.id ORDER BY accepted.position),
    sum(length(accepted.body) + coalesce(length(accepted.previous), 0) + coalesce(length(accepted.extra), 0))
  FROM accepted JOIN new_event USING (id), known
  GROUP BY accepted.account_id, accepted.outbox_row, known.version ORDER BY min(accepted.position)
  RETURNING seq)
SELECT given.id, EXISTS (SELECT 1 FROM stale WHERE stale.id = given.id) AS is_stale FROM given
WHERE (given.key IS NOT NULL OR given.own_type)
  AND NOT EXISTS (SELECT 1 FROM accepted WHERE accepted.id = given.id)

-- name: find_keys
-- scope: account
-- why: Find the events that have used idempotency keys.
SELECT repeated.id, idempotency.event_id, idempotency.digest
FROM unnest($1::uuid[], $2::int[], $3::bytea[]) AS repeated(id, account_id, key)
JOIN idempotency ON idempotency.account_id = repeated.account_id AND idempotency.key = repeated.key

-- name: find_by_key
-- scope: account
-- why: Find the event that has used an idempotency key.
SELECT event_id FROM idempotency WHERE account_id = $1 AND key = $2

-- name: count_backlog
-- scope: account
-- why: Count what no worker holds, up to a bound: events to be matched, and deliveries that wait.
SELECT count(*)::int FROM (
  SELECT 1 FROM lane CROSS JOIN LATERAL (
    SELECT FROM waiting WHERE waiting.lane_id = lane.id AND token IS NULL ORDER BY due_at LIMIT $2) in_lane
  WHERE lane.account_id = $1
  UNION ALL SELECT 1 FROM (
    SELECT events FROM outbox WHERE account_id = $1 AND token IS NULL ORDER BY seq LIMIT $2) unmatched,
    unnest(unmatched.events)
  LIMIT $2) backlog
