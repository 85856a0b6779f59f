-- Accepted events that wait to be matched: claimed row by row, under a lease.

-- name: claim
-- scope: worker
-- why: Claim the oldest free rows, round-robin over accounts.
-- `walked` finds the accounts that have a free row with one index probe each, starting behind the account $2, which was
-- served last. Each account gives its oldest row in its turn: by age alone, a few accounts with old backlogs would take
-- every claim. `resume` says behind which account the next claim starts: where this one was cut short. Rows that
-- several workers died with (`suspect`) are claimed one at a time, so that it is known which one caused the next crash.
-- $3 is the number of events to claim.
WITH RECURSIVE {lease_fence},
walked AS (
  (SELECT account_id FROM outbox WHERE token IS NULL AND account_id > $2 ORDER BY account_id LIMIT 1)
  UNION ALL
  SELECT (SELECT outbox.account_id FROM outbox WHERE outbox.token IS NULL AND outbox.account_id > walked.account_id
    ORDER BY 1 LIMIT 1) FROM walked WHERE walked.account_id IS NOT NULL),
served AS MATERIALIZED (SELECT account_id FROM walked WHERE account_id IS NOT NULL LIMIT {most_accounts}),
candidate AS MATERIALIZED (
  SELECT oldest.* FROM served CROSS JOIN LATERAL (
    SELECT account_id, seq, cardinality(events) AS event_count, bytes FROM outbox
    WHERE outbox.token IS NULL AND outbox.account_id = served.account_id AND outbox.crashes < {poison_crashes}
    ORDER BY seq LIMIT greatest(1, $3 / (SELECT count(*) FROM served)) FOR UPDATE SKIP LOCKED) oldest),
suspect AS MATERIALIZED (
  SELECT seq FROM outbox WHERE token IS NULL AND crashes >= {poison_crashes}
  ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED),
numbered AS (SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY seq) AS turn FROM candidate),
sized AS MATERIALIZED (
  SELECT seq, account_id, turn,
    sum(event_count) OVER so_far - event_count < $3 AND sum(bytes) OVER so_far - bytes < {most_bytes} AS fits
  FROM numbered WINDOW so_far AS (ORDER BY turn, account_id)),
resume AS (
  SELECT CASE WHEN bool_or(NOT fits AND turn = 1) THEN max(account_id) FILTER (WHERE fits AND turn = 1)
    WHEN (SELECT count(*) FROM served) = {most_accounts} THEN (SELECT max(account_id) FROM served)
    ELSE 0 END AS account_id
  FROM sized)
UPDATE outbox SET token = lease_fence.token, claims = outbox.claims + 1 FROM lease_fence
WHERE outbox.seq = ANY(ARRAY(SELECT seq FROM sized WHERE fits UNION ALL SELECT seq FROM suspect))
RETURNING outbox.seq, outbox.events, outbox.claims, outbox.crashes, outbox.alone, outbox.fanned,
  (SELECT coalesce(account_id, 0) FROM resume) AS resume_behind

-- name: events
-- scope: worker
-- why: Load the events of claimed rows; an event that was erased has no body and is left out.
SELECT id, account_id, resource_type, type_version, kind, version, scope, resource_id, body, previous, extra, zone
FROM event WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 AND body <> ''::bytea

-- name: recorded
-- scope: worker
-- why: Find the deliveries that an earlier holder of a claimed row has recorded.
-- A delivery carries the millisecond of its event: the primary key finds an event's deliveries without an index of
-- their own.
SELECT recorded.id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS claimed(event_id, least, greatest)
CROSS JOIN LATERAL (
  SELECT id FROM delivery
  WHERE id BETWEEN claimed.least AND claimed.greatest AND id BETWEEN $4 AND $5 AND event_id = claimed.event_id
  OFFSET 0) recorded

-- name: split
-- scope: account
-- why: Replace a claimed row by one free row for each of its events, so that the event that crashes workers is alone.
WITH {lease_fence},
claimed AS (
  DELETE FROM outbox USING lease_fence WHERE outbox.seq = $2 AND outbox.token = lease_fence.token
  RETURNING outbox.account_id, outbox.version, outbox.claims, outbox.crashes),
split AS (
  INSERT INTO outbox (account_id, version, events, bytes, claims, crashes)
  SELECT claimed.account_id, claimed.version, ARRAY[single.id],
    coalesce(length(event.body) + coalesce(length(event.previous), 0) + coalesce(length(event.extra), 0), 0),
    claimed.claims, claimed.crashes
  FROM claimed, unnest($3::uuid[]) WITH ORDINALITY AS single(id, position)
  LEFT JOIN event ON event.id = single.id ORDER BY single.position
  RETURNING seq)
SELECT count(*) FROM split

-- name: note_fan_out
-- scope: worker
-- why: Note the last watch for which a fan-out has written its delivery.
WITH {lease_fence}
UPDATE outbox SET fanned = $3 FROM lease_fence WHERE outbox.seq = $2 AND outbox.token = lease_fence.token
RETURNING outbox.seq
