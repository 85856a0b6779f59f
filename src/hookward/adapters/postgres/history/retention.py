"""Retention: whole days are dropped once they are over for every account, the rest is deleted in chunks.

Open deliveries are moved to the default partition first, with their events and attempts (G3). A day with more of them
than can be moved while all others wait for the tables is kept, and only what has ended is deleted from it.
"""

from __future__ import annotations

from hookward.adapters.postgres.history.paging import LEAST
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.adapters.postgres.upkeep import PARTITIONED, PARTITIONS_LOCK, day_bounds

MAX_MOVED = 5000
CHUNK = 1000
SQL = read_statements(__name__)

_PATIENCE_MS = 200
_LOCK = 0x72657461696E  # "retain"


class PostgresRetention:
    """The ``RetentionStore`` port on PostgreSQL.

    ``most_moved`` is how many open deliveries a day may have to be dropped, ``chunk`` how many rows go at a time.
    """

    def __init__(self, pool: ConnectionPool, *, most_moved: int = MAX_MOVED, chunk: int = CHUNK) -> None:
        self._pool = pool
        self._most_moved = most_moved
        self._chunk_size = chunk
        self._behind: dict[tuple[str, int], bytes] = {}

    async def drop_day(self, seconds: float) -> str | None:
        """Drop the oldest day that is over; return its number.

        Raises StoreUnavailable when a statement reads it for longer than 200 ms.
        """
        async with self._pool.transaction() as connection:
            if not await connection.fetchval(SQL["lock"], PARTITIONS_LOCK):
                return None
            await connection.execute(SQL.filled("limit_wait", milliseconds=_PATIENCE_MS))
            horizon = await connection.fetchval(SQL["horizon"], seconds)
            for row in await connection.fetch(SQL["days"]):
                day = row["day"]
                if day is not None and day < horizon and await self._may_go(connection, day):
                    await _drop(connection, day)
                    return str(day)
        return None

    async def delete_some(self, seconds: float) -> int:
        """Delete a chunk of one account's deliveries, or events, of days that are over for it; return how many rows."""
        async with self._pool.transaction() as connection:
            if not await connection.fetchval(SQL["lock"], _LOCK):
                return 0
            for row in await connection.fetch(SQL["accounts"], seconds):
                account, until = row["id"], _id(row["horizon"])
                count = await self._deliveries(connection, account, until) or await self._events(
                    connection, account, until
                )
                if count:
                    return count
        return 0

    async def _may_go(self, connection: Acquired, day: int) -> bool:
        """Whether all events of a day are matched, and few of its deliveries open."""
        start, end = _id(day), _id(day + 1)
        if await connection.fetchval(SQL["any_unmatched"], end):
            return False
        count = await connection.fetchval(SQL["count_open"], start, end, self._most_moved + 1)
        return bool(count <= self._most_moved)

    async def _deliveries(self, connection: Acquired, account: int, until: bytes) -> int:
        ids = await self._chunk(connection, SQL["ended_deliveries"], ("delivery", account), until)
        if ids:
            await connection.execute(SQL["delete_attempts"], ids)
            await connection.execute(SQL["delete_deliveries"], ids)
        return len(ids)

    async def _events(self, connection: Acquired, account: int, until: bytes) -> int:
        ids = await self._chunk(connection, SQL["ended_events"], ("event", account), until)
        if not ids or await connection.fetchval(SQL["any_unmatched_of_account"], until, account):
            return 0
        await connection.execute(SQL["delete_events"], ids)
        return len(ids)

    async def _chunk(self, connection: Acquired, query: str, what: tuple[str, int], until: bytes) -> list[bytes]:
        """Return the next rows to delete; behind the last ones start again: what was open may have ended."""
        rows = await connection.fetch(query, what[1], self._behind.get(what, LEAST), until, self._chunk_size)
        ids = [row["id"] for row in rows]
        if len(ids) == self._chunk_size:
            self._behind[what] = ids[-1]
        else:
            self._behind.pop(what, None)
        return ids


def _id(day: int) -> bytes:
    """Return the least id of a day."""
    return bytes.fromhex(day_bounds(max(0, day))[0].replace("-", ""))


async def _drop(connection: Acquired, day: int) -> None:
    """Detach the partitions of a day, put back what is open (it goes to the default partition), and drop them."""
    there = [table for table in PARTITIONED if await connection.fetchval(SQL["has_table"], f"{table}_{day}")]
    for table in there:
        await connection.execute(SQL.filled("detach", table=table, day=day))
    if "delivery" in there:
        if "attempt" in there:
            await connection.execute(SQL.filled("put_back_attempts", day=day))
        await connection.execute(SQL.filled("put_back_deliveries", day=day))
    if "event" in there:
        start, end = day_bounds(day)
        await connection.execute(SQL.filled("put_back_events", day=day, start=start, end=end))
    for table in there:
        await connection.execute(SQL.filled("drop", table=table, day=day))
