"""Daily partitions of ``event``, ``delivery`` and ``attempt``, by the time that their UUIDv7 carries.

Upkeep: partitions ahead of time, expired idempotency keys, PostgreSQL's clock.
"""

from __future__ import annotations

from collections.abc import Callable

from hookward.adapters.postgres.pool import Acquired, Connection, ConnectionPool

DAYS_AHEAD = 7
_DAY_MS = 86_400_000
PARTITIONED = ("event", "delivery", "attempt")
PARTITIONS_LOCK = 0x706172746974  # "partit"


def day_bounds(day: int) -> tuple[str, str]:
    """The UUID range of a day (days since 1970): from its first millisecond to the next day's."""
    return _floor(day * _DAY_MS), _floor((day + 1) * _DAY_MS)


def _floor(unix_ms: int) -> str:
    digits = f"{unix_ms:012x}" + "0" * 20
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


async def ensure_partitions(connection: Connection | Acquired, *, patience_ms: int = 200) -> int:
    """Make yesterday's to next week's partitions where they are missing; answers how many were made.

    Yesterday's too, for a publisher whose event was stamped just before midnight. Whoever reads a table for longer than
    ``patience_ms`` makes this fail: waiting for a lock would make everybody else wait behind us.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", PARTITIONS_LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = {patience_ms}")
        today = await connection.fetchval("SELECT floor(extract(epoch FROM now()) / 86400)::bigint")
        there = {row[0] for row in await connection.fetch("SELECT inhrelid::regclass::text FROM pg_inherits")}
        wanted = [
            (table, f"{table}_{day}", *day_bounds(day))
            for day in range(today - 1, today + DAYS_AHEAD + 1)
            for table in PARTITIONED
        ]
        missing = [each for each in wanted if each[1] not in there]
        for table, name, start, end in missing:
            await _make(connection, table, name, start, end)
    return len(missing)


async def _make(connection: Connection | Acquired, table: str, name: str, start: str, end: str) -> None:
    """Make one partition; rows that came before it are in the default one and move: a partition may not leave them."""
    column = "delivery_id" if table == "attempt" else "id"
    early = f"FROM {table}_rest WHERE {column} >= '{start}' AND {column} < '{end}'"
    await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    if not await connection.fetchval(f"SELECT EXISTS (SELECT 1 {early})"):
        await connection.execute(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}')")
        return
    await connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
    await connection.execute(f"WITH early AS (DELETE {early} RETURNING *) INSERT INTO {name} SELECT * FROM early")
    await connection.execute(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')")


_FORGET = """
DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM idempotency WHERE until <= now() ORDER BY until LIMIT 10000 FOR UPDATE SKIP LOCKED))"""


class PostgresUpkeep:
    """What keeps the store in shape, and what it says of itself."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def run(self) -> tuple[int, int]:
        """Make partitions, forget expired keys; answers how many of each."""
        async with self._database.connection() as connection:
            made = await ensure_partitions(connection)
            forgotten = await connection.execute(_FORGET)
        return made, int(forgotten.split()[-1])

    async def answers(self) -> bool:
        """Whether PostgreSQL takes statements."""
        async with self._database.connection() as connection:
            return bool(await connection.fetchval("SELECT true"))

    async def has_schema(self) -> bool:
        """Whether the database was migrated to what we need."""
        async with self._database.connection() as connection:
            return bool(await connection.fetchval("SELECT to_regclass('sealing_check') IS NOT NULL"))

    async def clock_offset_us(self, now_us: Callable[[], int]) -> int:
        """How far PostgreSQL's clock is ahead of ours, in microseconds: measured at the middle of a question."""
        async with self._database.connection() as connection:
            before = now_us()
            theirs = await connection.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
            return int(theirs) - (before + now_us()) // 2
