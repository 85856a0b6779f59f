"""Hold, pause or disable a watch with the result of an attempt.

All of it is part of the transaction that records the attempt; most records have no such effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hookward.adapters.postgres.pool import Acquired
from hookward.adapters.postgres.statements import read_statements
from hookward.domain.delivery.model import DeliveryUpdate
from hookward.domain.watches.model import WatchStatus

SQL = read_statements(__name__)


class ChangedLanes(NamedTuple):
    """Lanes of watches that were changed: those to close, with the reason, and those to pause."""

    closed: dict[int, str]
    paused: set[int]


async def change_watches(connection: Acquired, token: int, updates: Sequence[DeliveryUpdate]) -> ChangedLanes:
    """Disable or pause the watches of these results. To be called before any lane is locked."""
    changes = [
        (each.version, status, update.watch, reason)
        for update in updates
        if (each := update.watch_effect) is not None
        for status, reason in ((WatchStatus.PAUSED, each.pause), (WatchStatus.DISABLED, each.disable))
        if reason is not None
    ]
    if not changes:
        return ChangedLanes({}, set())
    # Of several changes of one watch the one for its newest version counts, and of those the one that disables it.
    last = {watch: (status, reason, version) for version, status, watch, reason in sorted(changes)}
    statuses, reasons, versions = zip(*last.values(), strict=True)
    rows = await connection.fetch(SQL["change_watches"], token, list(last), statuses, reasons, versions)
    return ChangedLanes(
        {row["lane_id"]: row["status_reason"] for row in rows if row["status"] == WatchStatus.DISABLED},
        {row["lane_id"] for row in rows if row["status"] == WatchStatus.PAUSED},
    )


async def stop_lanes(connection: Acquired, changed: ChangedLanes) -> None:
    """Close or pause the lanes of watches that were changed."""
    if changed.closed:
        await connection.execute(SQL["close_lanes"], list(changed.closed), list(changed.closed.values()))
    if changed.paused:
        await connection.execute(SQL["pause_lanes"], list(changed.paused))


async def hold_lanes(connection: Acquired, token: int, updates: Sequence[DeliveryUpdate]) -> None:
    """Hold the lanes whose endpoints asked for it (``Retry-After``)."""
    holds = [
        (update.lane, update.watch_effect.hold)
        for update in updates
        if update.watch_effect and update.watch_effect.hold
    ]
    if holds:
        await connection.execute(
            SQL["hold_lanes"], token, [lane for lane, _ in holds], [seconds for _, seconds in holds]
        )
