"""Leases: which workers may send and record, by PostgreSQL's clock only."""

from __future__ import annotations

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.domain.delivery.model import POISON_CRASHES
from hookward.domain.errors import LeaseLost

SQL = read_statements(__name__, poison_crashes=POISON_CRASHES)

_LOCK = 0x6C65617365  # "lease"


class PostgresLeases:
    """The ``Leases`` port on PostgreSQL. Times are in seconds."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def begin(self, worker: str, seconds: float) -> int:
        """Begin a lease for a process of ``worker``; return its token."""
        async with self._pool.connection() as connection:
            return int(await connection.fetchval(SQL["begin"], worker, seconds))

    async def renew(self, token: int, seconds: float) -> None:
        """Prolong a lease. Raises LeaseLost when it has ended: other workers may have seen that."""
        async with self._pool.connection() as connection:
            renewed = await connection.fetchval(SQL["renew"], token, seconds)
        if renewed is None:
            raise LeaseLost

    async def end(self, token: int) -> None:
        """End a lease that its holder no longer needs, and free what is still held under it; no crash is counted."""
        async with self._pool.transaction() as connection:
            await connection.execute(SQL["end"], token)
            await connection.execute(SQL["release_held"], [token], 0)

    async def abandon(self, token: int) -> None:
        """End a lease under which something is still held: the next take-over frees it."""
        async with self._pool.connection() as connection:
            await connection.execute(SQL["abandon"], token)

    async def expire(self, worker: str) -> int:
        """End the leases of a worker that is known to be dead, at once; return how many there were."""
        async with self._pool.connection() as connection:
            return len(await connection.fetch(SQL["expire"], worker))

    async def expire_all(self) -> int:
        """End every lease, when no earlier worker can reach this database any more; return how many there were."""
        async with self._pool.connection() as connection:
            return len(await connection.fetch(SQL["expire_all"]))

    async def take_over(self) -> tuple[int, int, int]:
        """Free what the holders of ended leases held.

        Returns how many leases, outbox rows and waiting deliveries there were.
        """
        async with self._pool.transaction() as connection:
            if not await connection.fetchval(SQL["lock_take_over"], _LOCK):
                return 0, 0, 0
            if not await connection.fetchval(SQL["any_ended"]):
                return 0, 0, 0
            ended = [row["token"] for row in await connection.fetch(SQL["delete_ended"])]
            freed = await connection.fetchrow(SQL["release_held"], ended, 1) if ended else None
        return (len(ended), freed["outbox_rows"], freed["waiting_rows"]) if freed else (0, 0, 0)


async def is_held(connection: Acquired, token: int) -> bool:
    """Whether a lease has not ended."""
    return await connection.fetchval(SQL["is_held"], token) is not None


async def hold(connection: Acquired, token: int) -> bool:
    """Whether a lease has not ended; if so, keep it from being taken over until the transaction ends."""
    return await connection.fetchval(SQL["hold"], token) is not None
