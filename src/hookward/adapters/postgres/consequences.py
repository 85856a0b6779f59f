"""What attempts mean for whole watches: a hold until the endpoint wants to hear of us again, or the end of the watch.

Both belong to the transaction that records the attempt, and to no other path: most records have none.
"""

from __future__ import annotations

from collections.abc import Sequence

from hookward.adapters.postgres.pool import Acquired
from hookward.domain.delivery import Entry

# The version is bumped first, as every change of a definition does: its row lock puts them in order. A watch that was
# changed since the attempt began stays as it is, and so does one that this was sent for before.
_DISABLE = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
r AS MATERIALIZED (SELECT * FROM unnest($2::uuid[], $3::text[], $4::bigint[]) AS r(id, reason, version)),
bump AS (UPDATE definition_version SET version = definition_version.version + 1
  WHERE EXISTS (SELECT 1 FROM watch w, r, me
    WHERE w.id = r.id AND w.version = r.version AND w.status <> 3 AND w.deleted IS NULL)
  RETURNING version)
UPDATE watch w SET status = 3, status_reason = r.reason, version = bump.version, updated = now() FROM r, bump
WHERE w.id = r.id AND w.id = ANY($2::uuid[]) AND w.version = r.version AND w.status <> 3 AND w.deleted IS NULL
RETURNING w.lane_id, w.status_reason"""

_CLOSE = """
UPDATE lane SET closing = r.reason, wake_at = now() FROM unnest($1::bigint[], $2::text[]) AS r(id, reason)
WHERE lane.id = r.id AND lane.id = ANY($1::bigint[])"""

# Never shorter than it was. A lane without a wake-up has nothing to do, or is woken by a release, which minds the hold.
_HOLD = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
h AS (SELECT id, now() + max(seconds) * interval '1 second' AS until
  FROM unnest($2::bigint[], $3::float8[]) AS r(id, seconds) GROUP BY 1)
UPDATE lane SET held_until = greatest(lane.held_until, h.until),
  wake_at = CASE WHEN lane.wake_at IS NULL THEN NULL ELSE greatest(lane.wake_at, lane.held_until, h.until) END
FROM h, me WHERE lane.id = h.id AND lane.id = ANY($2::bigint[]) AND lane.closing IS NULL"""


async def disable_watches(connection: Acquired, token: int, entries: Sequence[Entry]) -> dict[int, str]:
    """Disable the watches that their endpoints ended; answers the reasons by lane. Before any lane is locked."""
    felt = [(entry.watch, entry.consequence) for entry in entries if entry.consequence is not None]
    felt.sort(key=lambda each: each[1].version)
    ends = {watch: (each.disable, each.version) for watch, each in felt if each.disable is not None}
    if not ends:
        return {}
    reasons, versions = zip(*ends.values(), strict=True)
    rows = await connection.fetch(_DISABLE, token, list(ends), reasons, versions)
    return {row[0]: row[1] for row in rows}


async def close_lanes(connection: Acquired, reasons: dict[int, str]) -> None:
    """Let what waits in these lanes be cancelled."""
    if reasons:
        await connection.execute(_CLOSE, list(reasons), list(reasons.values()))


async def hold_lanes(connection: Acquired, token: int, entries: Sequence[Entry]) -> None:
    """Hold the lanes whose endpoints asked for it."""
    holds = [(entry.lane, entry.consequence.hold) for entry in entries if entry.consequence and entry.consequence.hold]
    if holds:
        await connection.execute(_HOLD, token, [lane for lane, _ in holds], [seconds for _, seconds in holds])
