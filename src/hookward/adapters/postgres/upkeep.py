"""Upkeep: daily partitions, expired idempotency keys, PostgreSQL's clock.

``event``, ``delivery`` and ``attempt`` have a partition for each day, by the time that their UUIDv7 carries.
"""

from __future__ import annotations

from collections.abc import Callable

from hookward.adapters.postgres.pool import Acquired, Connection, ConnectionPool
from hookward.adapters.postgres.statements import read_statements

SQL = read_statements(__name__)

DAYS_AHEAD = 7
_DAY_MS = 86_400_000
PARTITIONED = ("event", "delivery", "attempt")
PARTITIONS_LOCK = 0x706172746974  # "partit"


def day_bounds(day: int) -> tuple[str, str]:
    """Return the UUIDs where a day (days since 1970) and the next one begin."""
    return _first_uuid(day * _DAY_MS), _first_uuid((day + 1) * _DAY_MS)


def _first_uuid(unix_ms: int) -> str:
    digits = f"{unix_ms:012x}" + "0" * 20
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


async def ensure_partitions(connection: Connection | Acquired, *, patience_ms: int = 200) -> int:
    """Create the partitions from yesterday to next week that are missing; return how many were created.

    Yesterday's, too, for a publisher whose event was stamped just before midnight. Raises StoreUnavailable (through
    the pool) when a table is in use for longer than ``patience_ms``: waiting for its lock would make all others wait.
    """
    async with connection.transaction():
        await connection.execute(SQL["lock_partitions"], PARTITIONS_LOCK)
        await connection.execute(SQL.filled("limit_wait", milliseconds=patience_ms))
        today = await connection.fetchval(SQL["today"])
        existing = {row["name"] for row in await connection.fetch(SQL["partitions"])}
        wanted = [
            (table, f"{table}_{day}", *day_bounds(day))
            for day in range(today - 1, today + DAYS_AHEAD + 1)
            for table in PARTITIONED
        ]
        missing = [each for each in wanted if each[1] not in existing]
        for table, name, start, end in missing:
            await _create(connection, table, name, start, end)
    return len(missing)


async def _create(connection: Connection | Acquired, table: str, name: str, start: str, end: str) -> None:
    """Create one partition.

    Rows that came before it are in the default partition, which may not keep them: they move.
    """
    bounds = {"table": table, "start": start, "end": end}
    early = {**bounds, "column": "delivery_id" if table == "attempt" else "id"}
    await connection.execute(SQL.filled("lock_table", table=table))
    if not await connection.fetchval(SQL.filled("has_early_rows", **early)):
        await connection.execute(SQL.filled("create_partition", name=name, **bounds))
        return
    await connection.execute(SQL.filled("create_detached", name=name, table=table))
    await connection.execute(SQL.filled("move_early_rows", name=name, **early))
    await connection.execute(SQL.filled("attach_partition", name=name, **bounds))


class PostgresUpkeep:
    """Keeps the store in order, and tells its state."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def run(self) -> tuple[int, int]:
        """Create partitions and delete expired idempotency keys; return how many of each."""
        async with self._pool.connection() as connection:
            created = await ensure_partitions(connection)
            deleted = await connection.execute(SQL["delete_expired_keys"])
        return created, int(deleted.split()[-1])

    async def is_available(self) -> bool:
        """Whether PostgreSQL takes statements."""
        async with self._pool.connection() as connection:
            return bool(await connection.fetchval(SQL["ping"]))

    async def has_schema(self) -> bool:
        """Whether the database was migrated to the schema of this version."""
        async with self._pool.connection() as connection:
            return bool(await connection.fetchval(SQL["has_schema"]))

    async def clock_offset_us(self, now_us: Callable[[], int]) -> int:
        """Return how far PostgreSQL's clock is ahead of ours, in microseconds, measured at the middle of a query."""
        async with self._pool.connection() as connection:
            before = now_us()
            theirs = await connection.fetchval(SQL["clock"])
            return int(theirs) - (before + now_us()) // 2
