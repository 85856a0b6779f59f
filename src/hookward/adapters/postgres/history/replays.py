"""Replays: a delivery that has ended waits again, and one that waits waits no longer, in one transaction."""

from __future__ import annotations

from typing import Any

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.history.replays import MAX_ATTEMPTS, Replayed
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, DeliveryId
from hookward.domain.watches.model import WatchStatus

# Locked in the order of the ledger: the delivery, what waits, the lane.
_DELIVERY = "SELECT status, event_id, watch_id, attempts FROM delivery WHERE id = $1 AND account_id = $2 FOR UPDATE"
_WATCH = """
SELECT lane_id, status, deleted IS NOT NULL FROM watch
WHERE id = $1 AND account_id = $2 AND ($3::text IS NULL OR owner = $3)"""
# Shared: an erasure that comes now waits for us, and then finds what we made.
_EVENT = "SELECT 1 FROM event WHERE id = $1 AND body <> ''::bytea FOR SHARE"

_AGAIN = "UPDATE delivery SET status = 1, reason = NULL, finished = NULL WHERE id = $1"
_ANOTHER = """
INSERT INTO delivery (id, account_id, event_id, watch_id, resource_type, kind, resource_id, status, attempts, replay_of)
SELECT $2, account_id, event_id, watch_id, resource_type, kind, resource_id, 1, 0, id FROM delivery WHERE id = $1"""
_WAIT = """
INSERT INTO waiting (delivery_id, lane_id, event_id, due_at, number, base, replay, replay_of)
VALUES ($1, $2, $3, now(), $4 + 1, $4, true, $5)"""
# Whoever has it locked takes it, sends it or ends it just now.
_SOONER = """
WITH free AS MATERIALIZED (
  SELECT delivery_id FROM waiting WHERE delivery_id = $1 AND token IS NULL FOR UPDATE SKIP LOCKED)
UPDATE waiting w SET due_at = now(), base = w.number - 1, replay = true FROM free WHERE w.delivery_id = free.delivery_id
RETURNING w.lane_id"""
_WAKE = """
UPDATE lane SET behind = true, wake_at = CASE WHEN closing IS NOT NULL THEN now() WHEN paused THEN NULL
  ELSE least(coalesce(wake_at, 'infinity'), now()) END
WHERE id = $1"""


class PostgresReplays:
    """The ``ReplayStore`` port on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def replay(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None, new_id: DeliveryId | None
    ) -> Replayed:
        """Make a delivery wait again, or one like it with ``new_id``; what it was sent as before is not used again."""
        async with self._database.transaction() as connection:
            delivery = await connection.fetchrow(_DELIVERY, id_, account)
            if delivery is None:
                return Replayed.UNKNOWN
            status, event, watch, attempts = delivery
            lane = await connection.fetchrow(_WATCH, watch, account, owner)
            refusal = await _refusal(connection, event, lane, owned=owner is not None)
            if refusal is not None or lane is None:
                return refusal or Replayed.WATCH_DELETED
            if new_id is None and attempts >= MAX_ATTEMPTS:
                return Replayed.SENT_OFTEN
            woken = lane[0]
            if new_id is not None:
                await connection.execute(_ANOTHER, id_, new_id)
                await connection.execute(_WAIT, new_id, woken, event, 0, id_)
            elif DeliveryStatus(status).open:
                woken = await connection.fetchval(_SOONER, id_)
                if woken is None:
                    return Replayed.IN_FLIGHT
                await _forget(connection, id_)
            else:
                await _forget(connection, id_)
                await connection.execute(_WAIT, id_, woken, event, attempts, None)
            await connection.execute(_WAKE, woken)
        return Replayed.YES


async def _forget(connection: Acquired, id_: DeliveryId) -> None:
    """Forget how a delivery ended, and what it was sent as: it is rendered anew."""
    await connection.execute(_AGAIN, id_)
    await connection.execute("DELETE FROM payload WHERE delivery_id = $1", id_)


async def _refusal(connection: Acquired, event: bytes, lane: Any, *, owned: bool) -> Replayed | None:
    if lane is None:
        return Replayed.UNKNOWN if owned else Replayed.WATCH_DELETED
    _, watch_status, deleted = lane
    if deleted:
        return Replayed.WATCH_DELETED
    if watch_status == WatchStatus.DISABLED:
        return Replayed.WATCH_DISABLED
    return None if await connection.fetchval(_EVENT, event) else Replayed.EVENT_GONE
