"""Erasures: what is stored of one resource is removed, chunk by chunk, and does not come back with what is in flight.

First the events are blanked: a worker that loads one from then on learns that it is gone. Events that workers had
loaded before belong to outbox rows that they hold; once those rows are done, all that came of them is in the log or
waits, and is removed there. A delivery whose attempt is in flight is visited again when the attempt has ended.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.history.erasures import Erasure
from hookward.domain.ids import AccountId


class ErasurePhase(IntEnum):
    """How far an erasure is; the number is what the store keeps."""

    EVENTS = 1
    """Events are blanked."""
    LOOK_FOR_CLAIMED = 2
    """The outbox rows that workers hold are to be noted."""
    CLAIMED = 3
    """The noted outbox rows are not all done."""
    DELIVERIES = 4
    """Deliveries are blanked."""
    IN_FLIGHT = 5
    """Attempts of some deliveries are in flight."""
    DONE = 6


CHUNK = 5000
SQL = read_statements(__name__, phase=ErasurePhase)

_SWEEPING = [ErasurePhase.EVENTS, ErasurePhase.LOOK_FOR_CLAIMED, ErasurePhase.DELIVERIES]
_WAITING = [ErasurePhase.CLAIMED, ErasurePhase.IN_FLIGHT]
_WAITING_ROWS = 100


class PostgresErasures:
    """The ``ErasureStore`` port on PostgreSQL; a step looks at ``chunk`` rows."""

    def __init__(self, pool: ConnectionPool, *, chunk: int = CHUNK) -> None:
        self._pool = pool
        self._chunk = chunk

    async def add(self, account: AccountId, id_: bytes, resource_type: str, resource_id: str) -> Erasure:
        """Store an erasure that is to be done."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["add"], id_, account, resource_type, resource_id.encode())
        assert row is not None
        return Erasure(**row)

    async def get(self, account: AccountId, id_: bytes) -> Erasure | None:
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["find"], id_, account)
        return None if row is None else Erasure(**row)

    async def step(self) -> bool:
        """Do a chunk of the oldest erasure that can go on, or look after those that wait for what is in flight.

        Returns whether there is more to do at once.
        """
        async with self._pool.transaction() as connection:
            rows = await connection.fetch(SQL["take"], _SWEEPING, 1)
            if rows:
                await _sweep(connection, rows[0], self._chunk)
                return True
            for row in await connection.fetch(SQL["take"], _WAITING, _WAITING_ROWS):
                await _look_again(connection, row)
            return bool(await connection.fetchval(SQL["any_in_deliveries"]))


async def _sweep(connection: Acquired, erasure: Any, chunk: int) -> None:
    if erasure["phase"] == ErasurePhase.EVENTS:
        await _blank_events(connection, erasure, chunk)
    elif erasure["phase"] == ErasurePhase.LOOK_FOR_CLAIMED:
        # Not with the last chunk: a claim that came in between would have read what was not blank yet.
        await connection.execute(SQL["note_claimed"], erasure["id"], erasure["account_id"])
    else:
        await _blank_deliveries(connection, erasure, chunk)


def _range(erasure: Any) -> tuple[object, ...]:
    """Return what the next chunk is read by."""
    return tuple([erasure[name] for name in ("account_id", "cursor", "through", "resource_type", "resource_id")])


async def _blank_events(connection: Acquired, erasure: Any, chunk: int) -> None:
    found = await connection.fetchrow(SQL.filled("blank_events", chunk=chunk), *_range(erasure))
    assert found is not None
    phase = ErasurePhase.EVENTS if found["seen"] == chunk else ErasurePhase.LOOK_FOR_CLAIMED
    await connection.execute(SQL["note_events"], erasure["id"], found["last"], found["blanked"], phase)


async def _blank_deliveries(connection: Acquired, erasure: Any, chunk: int) -> None:
    found = await connection.fetchrow(SQL.filled("find_deliveries", chunk=chunk), *_range(erasure))
    assert found is not None
    in_flight = await _blank(connection, found["matching"])
    phase = ErasurePhase.DELIVERIES if found["seen"] == chunk else ErasurePhase.IN_FLIGHT
    count = len(found["matching"]) - len(in_flight)
    all_in_flight = [*erasure["flying"], *in_flight]
    await connection.execute(SQL["note_deliveries"], erasure["id"], found["last"], count, all_in_flight, phase)


async def _look_again(connection: Acquired, erasure: Any) -> None:
    if erasure["phase"] == ErasurePhase.CLAIMED:
        await connection.execute(SQL["leave_claimed"], erasure["id"])
        return
    in_flight = await _blank(connection, erasure["flying"])
    count = len(erasure["flying"]) - len(in_flight)
    await connection.execute(SQL["note_in_flight"], erasure["id"], in_flight, count, not in_flight)


async def _blank(connection: Acquired, ids: list[bytes]) -> list[bytes]:
    """Blank deliveries and cancel those that wait; return those whose attempt is in flight, which stay as they are."""
    if not ids:
        return []
    waiting = {row["delivery_id"] for row in await connection.fetch(SQL["find_waiting"], ids)}
    free = {row["delivery_id"] for row in await connection.fetch(SQL["lock_free"], list(waiting))}
    in_flight = waiting - free
    others = [id_ for id_ in ids if id_ not in in_flight]
    await connection.execute(SQL["end_waiting"], list(free))
    await connection.execute(SQL["delete_payloads"], others)
    await connection.execute(SQL["cancel"], list(free))
    await connection.execute(SQL["blank_deliveries"], others)
    await connection.execute(SQL["blank_attempts"], others)
    return list(in_flight)
