-- What became of deliveries: written in groups, under the lease that they were sent under.

-- name: record_new
-- scope: account
-- why: Store deliveries that come straight from the outbox, and attempts; delete the outbox rows that are done.
-- ON CONFLICT: a group whose commit was not confirmed is sent again. Attempts of waiting deliveries are stored here,
-- too: only their rows of `delivery` exist already.
WITH {lease_fence},
done AS (
  DELETE FROM outbox USING lease_fence WHERE outbox.seq = ANY($2::bigint[]) AND outbox.token = lease_fence.token),
new_delivery AS (
  INSERT INTO delivery (id, account_id, event_id, watch_id, resource_type, kind, resource_id,
    status, reason, attempts, last_code, last_error, finished)
  SELECT given.*, CASE WHEN given.status >= {status.delivered} THEN now() END
  FROM unnest($3::uuid[], $4::int[], $5::uuid[], $6::uuid[], $7::text[], $8::smallint[], $9::bytea[],
    $10::smallint[], $11::text[], $12::smallint[], $13::smallint[], $14::text[])
    AS given(id, account_id, event_id, watch_id, resource_type, kind, resource_id, status, reason, attempts, code,
      error),
    lease_fence
  ON CONFLICT DO NOTHING),
new_attempt AS (
  INSERT INTO attempt (delivery_id, number, sent, duration_us, code, error, message, request, request_body,
    response, response_body, truncated, remote)
  SELECT given.id, given.number, to_timestamp(given.sent_us / 1e6), given.duration_us, given.code, given.error,
    given.message, given.request, given.request_body, given.response, given.response_body, given.truncated, given.remote
  FROM unnest($15::uuid[], $16::smallint[], $17::bigint[], $18::int[], $19::smallint[], $20::text[], $21::text[],
    $22::bytea[], $23::bytea[], $24::bytea[], $25::bytea[], $26::bool[], $27::text[])
    AS given(id, number, sent_us, duration_us, code, error, message, request, request_body, response, response_body,
      truncated, remote), lease_fence
  ON CONFLICT DO NOTHING)
SELECT token FROM lease_fence

-- name: begin_waiting
-- scope: worker
-- why: Let deliveries wait: until they are due, or in flight under this lease (`held`).
WITH {lease_fence},
new_waiting AS (
  INSERT INTO waiting (delivery_id, lane_id, event_id, due_at, number, token, crashes)
  SELECT given.id, given.lane_id, given.event_id, now() + given.seconds * interval '1 second', given.number,
    CASE WHEN given.held THEN lease_fence.token END, given.crashes
  FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::float8[], $6::smallint[], $7::bool[], $8::smallint[])
    AS given(id, lane_id, event_id, seconds, number, held, crashes), lease_fence
  WHERE EXISTS (SELECT 1 FROM delivery WHERE delivery.id = given.id AND delivery.status < {status.delivered})
  ON CONFLICT DO NOTHING)
SELECT token FROM lease_fence

-- name: keep_payload
-- scope: worker
-- why: Keep what was sent for the retries of waiting deliveries.
-- Not for a delivery that has ended since this was first sent: nothing would ever remove its payload.
WITH {lease_fence}
INSERT INTO payload (delivery_id, method, address, body)
SELECT given.id, given.method, given.address, given.body
FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::bytea[]) AS given(id, method, address, body), lease_fence
WHERE EXISTS (SELECT 1 FROM waiting WHERE waiting.delivery_id = given.id)
ON CONFLICT DO NOTHING

-- name: lock_lanes
-- scope: worker
-- why: Lock lanes in id order for the whole transaction: each of its statements locks only some of them.
SELECT 1 FROM lane WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE

-- name: wake_lanes
-- scope: worker
-- why: Wake the lanes of deliveries that begin or go on waiting; without this their wake-up would be lost.
-- What comes to a closing lane is cancelled at once.
WITH {lease_fence},
begun AS MATERIALIZED (
  SELECT lane_id, now() + min(seconds) * interval '1 second' AS due_at, bool_or(seconds <= 0) AS is_due
  FROM unnest($2::bigint[], $3::float8[]) AS given(lane_id, seconds) GROUP BY 1),
locked AS MATERIALIZED (SELECT id FROM lane WHERE id = ANY($2::bigint[]) ORDER BY id FOR NO KEY UPDATE)
UPDATE lane SET behind = lane.behind OR begun.is_due,
  wake_at = CASE WHEN lane.closing IS NOT NULL THEN now() WHEN lane.paused THEN NULL
    ELSE least(coalesce(lane.wake_at, 'infinity'), greatest(begun.due_at, lane.held_until)) END
FROM locked JOIN begun ON begun.lane_id = locked.id, lease_fence
WHERE lane.id = locked.id AND lane.id = ANY($2::bigint[])

-- name: go_on_waiting
-- scope: worker
-- why: Let waiting deliveries wait for their next attempt.
-- An attempt that came to its end clears the delivery of the crashes of its earlier holders.
WITH {lease_fence}
UPDATE waiting SET token = NULL, due_at = now() + given.seconds * interval '1 second', number = given.number,
  crashes = CASE WHEN given.tried THEN 0 ELSE waiting.crashes END,
  alone = CASE WHEN given.tried THEN 0 ELSE waiting.alone END
FROM unnest($2::uuid[], $3::float8[], $4::smallint[], $5::bool[]) AS given(id, seconds, number, tried), lease_fence
WHERE waiting.delivery_id = given.id AND waiting.delivery_id = ANY($2::uuid[]) AND waiting.token = lease_fence.token

-- name: end_waiting
-- scope: worker
-- why: Delete the waiting rows and payloads of deliveries that have ended.
WITH {lease_fence},
ended AS (
  DELETE FROM waiting USING lease_fence
  WHERE waiting.delivery_id = ANY($2::uuid[]) AND waiting.token = lease_fence.token)
DELETE FROM payload USING lease_fence WHERE delivery_id = ANY($2::uuid[])

-- name: update_delivery
-- scope: worker
-- why: Store the new status of deliveries that waited.
-- Never back to an earlier attempt: another worker may have made the next one before this was sent again.
WITH {lease_fence}
UPDATE delivery SET status = given.status, reason = given.reason, attempts = given.attempts,
  last_code = CASE WHEN given.tried THEN given.code ELSE delivery.last_code END,
  last_error = CASE WHEN given.tried THEN given.error ELSE delivery.last_error END,
  finished = CASE WHEN given.status >= {status.delivered} THEN now() END
FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::smallint[], $6::smallint[], $7::text[], $8::bool[])
  AS given(id, status, reason, attempts, code, error, tried), lease_fence
WHERE delivery.id = given.id AND delivery.id = ANY($2::uuid[]) AND delivery.id BETWEEN $9 AND $10
  AND delivery.status < {status.delivered} AND delivery.attempts <= given.attempts
