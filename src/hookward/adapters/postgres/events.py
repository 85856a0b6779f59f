"""Accept events: with their outbox rows in one commit (G1), once per idempotency key (G7).

Count the backlog of an account, up to a bound.
"""

from __future__ import annotations

from collections.abc import Sequence

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.events.publisher import Accepted, NewEvent, StaleType
from hookward.domain.ids import AccountId, EventId
from hookward.domain.json import encode_exact

KEEP_KEYS = "24 hours"
SQL = read_statements(__name__, keep_keys=KEEP_KEYS)

_OUTBOX_ROW_EVENTS = 64
_OUTBOX_ROW_BYTES = 4 << 20


class PostgresEvents:
    """The ``EventStore`` port on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def accept(self, events: Sequence[NewEvent]) -> dict[EventId, Accepted | StaleType]:
        """Commit a group of events.

        Returns, by id, those that were not stored: those whose type has changed (StaleType), and those whose
        idempotency key was used before, with the event that used it.
        """
        known: dict[EventId, Accepted | StaleType] = {}
        left = {event.id: event for event in events}
        async with self._pool.connection() as connection:
            while left:
                rows = await connection.fetch(SQL["accept"], *_columns(list(left.values())))
                not_stored = [left[row["id"]] for row in rows]
                if not_stored:
                    known |= {EventId(row["id"]): StaleType() for row in rows if row["is_stale"]}
                    known |= await _find_keys(connection, not_stored)
                # A key that expired and was deleted in between is free again.
                left = {event.id: event for event in not_stored if event.id not in known}
        return known

    async def find(self, account: AccountId, key: bytes) -> EventId | None:
        """Return the event that has used an idempotency key."""
        async with self._pool.connection() as connection:
            found = await connection.fetchval(SQL["find_by_key"], account, key)
        return None if found is None else EventId(found)


async def _find_keys(connection: Acquired, events: Sequence[NewEvent]) -> dict[EventId, Accepted]:
    ids, accounts = [event.id for event in events], [event.account for event in events]
    rows = await connection.fetch(SQL["find_keys"], ids, accounts, [event.key for event in events])
    return {EventId(row["id"]): Accepted(id=EventId(row["event_id"]), digest=row["digest"]) for row in rows}


def _columns(events: Sequence[NewEvent]) -> tuple[list[object], ...]:
    """Return the columns of ``given``; one that no event of the group has stays empty, and ``unnest`` fills in NULL."""
    changes = [event.change for event in events]
    return (
        [change.id for change in changes],
        [change.account for change in changes],
        [change.resource_type for change in changes],
        [change.type_version for change in changes],
        [change.kind for change in changes],
        [encode_exact(change.scope) for change in changes],
        [change.resource_id.encode() for change in changes],
        [change.body for change in changes],
        _unless_empty([change.previous for change in changes]),
        _unless_empty([change.extra for change in changes]),
        _unless_empty([change.zone for change in changes]),
        _unless_empty([event.occurred for event in events]),
        _unless_empty([event.key for event in events]),
        _unless_empty([event.digest for event in events]),
        _unless_empty(_outbox_rows(events)),
        _unless_empty([event.own_type for event in events]),
    )


def _unless_empty(column: Sequence[object]) -> list[object]:
    """Return a column, or an empty one where no event has a value: asyncpg encodes each value that it is given."""
    return list(column) if any(column) else []


def _outbox_rows(events: Sequence[NewEvent]) -> list[int]:
    """Return to which outbox row of the group each event goes, by number; a row is small enough for one claim."""
    rows: list[int] = []
    row = count = size = 0
    for event in events:
        count += 1
        size += event.size
        if count > _OUTBOX_ROW_EVENTS or size > _OUTBOX_ROW_BYTES:
            row, count, size = row + 1, 1, event.size
        rows.append(row)
    return rows


class PostgresBacklog:
    """The ``BacklogStore`` port on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def backlog(self, account: AccountId, *, limit: int) -> int:
        """Count what no worker holds, up to ``limit``: events that are not matched yet, and waiting deliveries."""
        async with self._pool.connection() as connection:
            return int(await connection.fetchval(SQL["count_backlog"], account, limit))
