"""Replays: a delivery that has ended waits again, and one that waits is due at once, in one transaction."""

from __future__ import annotations

from typing import Any

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.history.replays import MAX_ATTEMPTS, Replayed
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, DeliveryId
from hookward.domain.watches.model import WatchStatus

SQL = read_statements(__name__)


class PostgresReplays:
    """The ``ReplayStore`` port on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def replay(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None, new_id: DeliveryId | None
    ) -> Replayed:
        """Let a delivery wait again, or a copy of it with ``new_id``; it is rendered again, not sent as it was."""
        async with self._pool.transaction() as connection:
            delivery = await connection.fetchrow(SQL["lock_delivery"], id_, account)
            if delivery is None:
                return Replayed.UNKNOWN
            watch = await connection.fetchrow(SQL["find_watch"], delivery["watch_id"], account, owner)
            refusal = await _refusal(connection, delivery["event_id"], watch, owned=owner is not None)
            if refusal is not None or watch is None:
                return refusal or Replayed.WATCH_DELETED
            if new_id is None and delivery["attempts"] >= MAX_ATTEMPTS:
                return Replayed.SENT_OFTEN
            lane = await _begin_again(connection, id_, delivery, watch["lane_id"], new_id)
            if lane is None:
                return Replayed.IN_FLIGHT
            await connection.execute(SQL["wake_lane"], lane)
        return Replayed.YES


async def _begin_again(
    connection: Acquired, id_: DeliveryId, delivery: Any, lane: int, new_id: DeliveryId | None
) -> int | None:
    """Let the delivery, or its copy, wait; return the lane that it waits in, ``None`` where an attempt is in flight."""
    event, attempts = delivery["event_id"], delivery["attempts"]
    if new_id is not None:
        await connection.execute(SQL["copy"], id_, new_id)
        await connection.execute(SQL["begin_waiting"], new_id, lane, event, 0, id_)
        return lane
    if DeliveryStatus(delivery["status"]).open:
        waits_in: int | None = await connection.fetchval(SQL["make_due"], id_)
        if waits_in is not None:
            await _reset(connection, id_)
        return waits_in
    await _reset(connection, id_)
    await connection.execute(SQL["begin_waiting"], id_, lane, event, attempts, None)
    return lane


async def _reset(connection: Acquired, id_: DeliveryId) -> None:
    """Forget how a delivery ended, and what it was sent as: it is rendered again."""
    await connection.execute(SQL["reopen"], id_)
    await connection.execute(SQL["delete_payload"], id_)


async def _refusal(connection: Acquired, event: bytes, watch: Any, *, owned: bool) -> Replayed | None:
    """Return why the watch or the event do not allow a replay, if they do not."""
    if watch is None:
        return Replayed.UNKNOWN if owned else Replayed.WATCH_DELETED
    if watch["deleted"]:
        return Replayed.WATCH_DELETED
    if watch["status"] == WatchStatus.DISABLED:
        return Replayed.WATCH_DISABLED
    return None if await connection.fetchval(SQL["lock_event"], event) else Replayed.EVENT_GONE
