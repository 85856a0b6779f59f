"""What attempts mean for whole watches: a hold until the endpoint wants to hear of us again, a pause, or the end.

All of it belongs to the transaction that records the attempt, and to no other path: most records have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hookward.adapters.postgres.pool import Acquired
from hookward.domain.delivery.model import DeliveryUpdate
from hookward.domain.watches.model import WatchStatus

# The version is bumped first, as every change of a definition does: its row lock puts them in order. A watch that was
# changed since the attempt began stays as it is, and so does one that this was sent for before.
_CHANGE = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
r AS MATERIALIZED (
  SELECT * FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::bigint[]) AS r(id, status, reason, version)),
bump AS (UPDATE definition_version SET version = definition_version.version + 1
  WHERE EXISTS (SELECT 1 FROM watch w, r, me
    WHERE w.id = r.id AND w.version = r.version AND w.status < r.status AND w.deleted IS NULL)
  RETURNING version)
UPDATE watch w SET status = r.status, status_reason = r.reason, version = bump.version, updated = now() FROM r, bump
WHERE w.id = r.id AND w.id = ANY($2::uuid[]) AND w.version = r.version AND w.status < r.status AND w.deleted IS NULL
RETURNING w.lane_id, w.status, w.status_reason"""

_CLOSE = """
UPDATE lane SET closing = r.reason, wake_at = now() FROM unnest($1::bigint[], $2::text[]) AS r(id, reason)
WHERE lane.id = r.id AND lane.id = ANY($1::bigint[])"""

_PAUSE = """
UPDATE lane SET paused = true, wake_at = NULL WHERE id = ANY($1::bigint[]) AND closing IS NULL"""

# Never shorter than it was. A lane without a wake-up has nothing to do, or is woken by a release, which minds the hold.
_HOLD = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
h AS (SELECT id, now() + max(seconds) * interval '1 second' AS until
  FROM unnest($2::bigint[], $3::float8[]) AS r(id, seconds) GROUP BY 1)
UPDATE lane SET held_until = greatest(lane.held_until, h.until),
  wake_at = CASE WHEN lane.wake_at IS NULL THEN NULL ELSE greatest(lane.wake_at, lane.held_until, h.until) END
FROM h, me WHERE lane.id = h.id AND lane.id = ANY($2::bigint[]) AND lane.closing IS NULL"""


class Changed(NamedTuple):
    """Lanes of watches that were changed: the reasons for which some are to be closed, and those that are paused."""

    closed: dict[int, str]
    paused: set[int]


async def change_watches(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate]) -> Changed:
    """Disable or pause the watches that attempts ended or stopped. Before any lane is locked."""
    changes = [
        (each.version, status, entry.watch, reason)
        for entry in entries
        if (each := entry.watch_effect) is not None
        for status, reason in ((WatchStatus.PAUSED, each.pause), (WatchStatus.DISABLED, each.disable))
        if reason is not None
    ]
    if not changes:
        return Changed({}, set())
    # Of several about one watch that of the newest version counts, and of those the end.
    last = {watch: (status, reason, version) for version, status, watch, reason in sorted(changes)}
    statuses, reasons, versions = zip(*last.values(), strict=True)
    rows = await connection.fetch(_CHANGE, token, list(last), statuses, reasons, versions)
    return Changed(
        {row[0]: row[2] for row in rows if row[1] == WatchStatus.DISABLED},
        {row[0] for row in rows if row[1] == WatchStatus.PAUSED},
    )


async def stop_lanes(connection: Acquired, changed: Changed) -> None:
    """Let what waits in the lanes of these watches be cancelled, or wait."""
    if changed.closed:
        await connection.execute(_CLOSE, list(changed.closed), list(changed.closed.values()))
    if changed.paused:
        await connection.execute(_PAUSE, list(changed.paused))


async def hold_lanes(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate]) -> None:
    """Hold the lanes whose endpoints asked for it."""
    holds = [
        (entry.lane, entry.watch_effect.hold) for entry in entries if entry.watch_effect and entry.watch_effect.hold
    ]
    if holds:
        await connection.execute(_HOLD, token, [lane for lane, _ in holds], [seconds for _, seconds in holds])
