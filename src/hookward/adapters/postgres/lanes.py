"""Lanes: slots in use, and the waiting deliveries that are due. Lanes are woken, never their rows one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hookward.adapters.postgres.leases import is_held
from hookward.adapters.postgres.outbox import read_event
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.delivery.poller import DueDelivery
from hookward.domain.delivery.model import Payload
from hookward.domain.errors import LeaseLost
from hookward.domain.events.model import ChangeEvent

SQL = read_statements(__name__, most_bytes=8 << 20)

_PAYLOAD_COLUMNS = 4  # those of `load_pulled` before the columns of the event


class PostgresLanes:
    """The ``SlotStore`` and ``WaitingStore`` ports on PostgreSQL."""

    def __init__(self, pool: ConnectionPool, *, default_slots: int) -> None:
        self._pool = pool
        self._default_slots = default_slots

    async def acquire(self, token: int, wanted: Mapping[int, int]) -> dict[int, int]:
        """Take slots, by lane; return how many of each were granted (0 where the lane has a backlog).

        Raises LeaseLost when the lease has ended.
        """
        values = (list(wanted), list(wanted.values()), self._default_slots)
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SQL["acquire"], token, *values)
            if not rows and not await is_held(connection, token):
                raise LeaseLost
        return {row["id"]: row["slots"] for row in rows}

    async def release(self, token: int, slots: Mapping[int, int]) -> None:
        """Return slots, by lane."""
        async with self._pool.connection() as connection:
            await release(connection, token, slots)

    async def stopped(self, lanes: Sequence[int]) -> dict[int, bool]:
        """Return the lanes with a backlog, by id: True where nothing may be sent, False where there is only a backlog.

        Lanes that are free are absent.
        """
        async with self._pool.connection() as connection:
            return {row["id"]: row["stopped"] for row in await connection.fetch(SQL["stopped"], lanes)}

    async def pull(self, token: int, *, lanes: int) -> list[DueDelivery]:
        """Take due deliveries of up to ``lanes`` lanes, as many as they have slots and memory holds, oldest first."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SQL["pull"], token, lanes, self._default_slots)
            if not rows:
                return []
            deliveries, events = [row["delivery_id"] for row in rows], [row["event_id"] for row in rows]
            loaded = await connection.fetch(SQL["load_pulled"], deliveries, events)
        found = {row["delivery_id"]: (_payload(row), read_event(row[_PAYLOAD_COLUMNS:])) for row in loaded}
        return [_due_delivery(row, found.get(row["delivery_id"])) for row in rows]

    async def next_wake(self) -> float | None:
        """Return in how many seconds the next lane is due (negative: overdue); ``None`` when nothing waits."""
        async with self._pool.connection() as connection:
            seconds = await connection.fetchval(SQL["next_wake"])
        return None if seconds is None else float(seconds)

    async def cancel_some(self, *, limit: int) -> int:
        """Cancel up to ``limit`` waiting deliveries of one lane that is being closed; return how many."""
        async with self._pool.transaction() as connection:
            lane = await connection.fetchrow(SQL["lock_closing"])
            if lane is None:
                return 0
            count = int(await connection.fetchval(SQL["cancel"], lane["id"], lane["closing"], limit))
            if count < limit:
                await connection.execute(SQL["let_sleep"], lane["id"])
        return count


async def release(connection: Acquired, token: int, slots: Mapping[int, int]) -> None:
    """Return slots on a connection that may be inside a transaction."""
    await connection.execute(SQL["release"], token, list(slots), list(slots.values()))


def _payload(row: Any) -> Payload | None:
    """Return what an earlier attempt sent, if it is kept."""
    if row["method"] is None:
        return None
    return Payload(method=row["method"], address=row["address"].decode(), body=row["sent_body"])


def _due_delivery(row: Any, loaded: tuple[Payload | None, ChangeEvent] | None) -> DueDelivery:
    payload, event = loaded or (None, None)
    return DueDelivery(
        id=row["delivery_id"],
        lane=row["lane_id"],
        event_id=row["event_id"],
        number=row["number"],
        crashes=row["crashes"],
        alone=row["alone"],
        watch=row["watch_id"],
        event=event,
        payload=payload,
        base=row["base"],
        replay_of=row["replay_of"],
    )
