"""Upkeep: partitions ahead of time, expired idempotency keys, PostgreSQL's clock."""

from __future__ import annotations

from collections.abc import Callable

from hookward.adapters.postgres.partitions import ensure_partitions
from hookward.adapters.postgres.pool import Database

_FORGET = """
DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM idempotency WHERE until <= now() ORDER BY until LIMIT 10000 FOR UPDATE SKIP LOCKED))"""


class PostgresUpkeep:
    """What keeps the store in shape, and what it says of itself."""

    def __init__(self, database: Database) -> None:
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
