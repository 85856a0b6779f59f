-- What attempts mean for whole watches: their lanes are held, paused or closed.

-- name: change_watches
-- scope: worker
-- why: Pause or disable watches that are still as they were when the attempt began.
-- The version is raised first, as by every change of a definition: its row lock puts changes in order. A watch that was
-- changed since stays as it is, and so does one for which this was sent before.
WITH {lease_fence},
given AS MATERIALIZED (
  SELECT * FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::bigint[]) AS given(id, status, reason, version)),
raised AS (
  {next_version}
  WHERE EXISTS (SELECT 1 FROM watch, given, lease_fence WHERE watch.id = given.id
    AND watch.version = given.version AND watch.status < given.status AND watch.deleted IS NULL)
  RETURNING version)
UPDATE watch SET status = given.status, status_reason = given.reason, version = raised.version, updated = now()
FROM given, raised
WHERE watch.id = given.id AND watch.id = ANY($2::uuid[]) AND watch.version = given.version
  AND watch.status < given.status AND watch.deleted IS NULL
RETURNING watch.lane_id, watch.status, watch.status_reason

-- name: close_lanes
-- scope: worker
-- why: Let what waits in the lanes of disabled watches be cancelled.
UPDATE lane SET closing = given.reason, wake_at = now() FROM unnest($1::bigint[], $2::text[]) AS given(id, reason)
WHERE lane.id = given.id AND lane.id = ANY($1::bigint[])

-- name: pause_lanes
-- scope: worker
-- why: Let what is in the lanes of paused watches wait.
UPDATE lane SET paused = true, wake_at = NULL WHERE id = ANY($1::bigint[]) AND closing IS NULL

-- name: hold_lanes
-- scope: worker
-- why: Hold lanes for as long as their endpoints asked for.
-- Never shorter than before. A lane without a wake-up has nothing to do, or is woken by a release, which respects the
-- hold.
WITH {lease_fence},
held AS (
  SELECT id, now() + max(seconds) * interval '1 second' AS until
  FROM unnest($2::bigint[], $3::float8[]) AS given(id, seconds) GROUP BY 1)
UPDATE lane SET held_until = greatest(lane.held_until, held.until),
  wake_at = CASE WHEN lane.wake_at IS NULL THEN NULL ELSE greatest(lane.wake_at, lane.held_until, held.until) END
FROM held, lease_fence WHERE lane.id = held.id AND lane.id = ANY($2::bigint[]) AND lane.closing IS NULL
