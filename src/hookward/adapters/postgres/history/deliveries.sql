-- The delivery log: rows of a page, one delivery with its attempts. Which ids a page has is found by paging.py.

-- name: select_rows
-- scope: account
-- why: Read deliveries, newest first, with what tells their next attempt.
-- While a watch is paused, its deliveries wait for the reason that the watch has, whatever their own was.
SELECT delivery.id, delivery.event_id AS event, delivery.watch_id AS watch, delivery.resource_type, delivery.kind,
  delivery.resource_id, delivery.status,
  CASE WHEN delivery.status < {status.delivered} AND watch.status = {watch_status.paused}
    THEN coalesce(watch.status_reason, delivery.reason) ELSE delivery.reason END AS reason,
  delivery.attempts, delivery.last_code, delivery.last_error, delivery.finished,
  greatest(waiting.due_at, lane.held_until) AS next_attempt, delivery.replay_of, watch.definition AS watch_definition
FROM delivery LEFT JOIN waiting ON waiting.delivery_id = delivery.id LEFT JOIN lane ON lane.id = waiting.lane_id
LEFT JOIN watch ON watch.id = delivery.watch_id
WHERE delivery.id = ANY($1::uuid[]) AND delivery.id BETWEEN $2 AND $3 AND delivery.account_id = $4
AND ($5::text IS NULL OR watch.owner = $5)
ORDER BY delivery.id DESC

-- name: attempts
-- scope: found_ids
-- why: Read the attempts of a delivery without the bodies of their requests.
SELECT number, sent, duration_us, code, error, message, request, response, response_body, truncated, remote
FROM attempt WHERE delivery_id = $1 ORDER BY number DESC

-- name: body_sizes
-- scope: found_ids
-- why: Read how large the request bodies of a delivery are; an attempt without one sent that of the attempt before.
SELECT number, octet_length(request_body) AS size FROM attempt WHERE delivery_id = $1 AND request_body IS NOT NULL
ORDER BY number DESC

-- name: bodies
-- scope: found_ids
-- why: Read the request bodies of some attempts.
SELECT number, request_body FROM attempt WHERE delivery_id = $1 AND number = ANY($2::smallint[])
