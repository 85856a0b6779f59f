"""Connections to PostgreSQL, and the one place where its errors become ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

import asyncpg

from hookward.domain.errors import StoreUnavailable

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Acquired: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.LockNotAvailableError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise StoreUnavailable for errors that say that PostgreSQL is away, full or shutting down; all others pass."""
    try:
        yield
    except _UNAVAILABLE as error:
        raise StoreUnavailable(f"PostgreSQL: {type(error).__name__}") from error


class ConnectionPool:
    """A pool of connections to PostgreSQL; a uuid is 16 raw bytes in both directions."""

    def __init__(self, pool: Pool, *, acquire_timeout: float) -> None:
        self._pool = pool
        self._acquire_timeout = acquire_timeout

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Acquired]:
        """Borrow a connection. Raises StoreUnavailable when PostgreSQL cannot be reached, here or inside the block."""
        with translated():
            async with self._pool.acquire(timeout=self._acquire_timeout) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Acquired]:
        """Borrow a connection for one transaction."""
        async with self.connection() as connection, connection.transaction():
            yield connection


async def _prepare(connection: Connection) -> None:
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=_unchanged, decoder=bytes, format="binary")


async def _keep_session(_connection: Connection) -> None:
    """Return a connection to the pool without a query: nothing here changes a session (settings, listeners, locks).

    asyncpg's own reset costs a round trip for each use. It still rolls back a transaction that was left open.
    """


def _unchanged(value: bytes) -> bytes:
    return value


@asynccontextmanager
async def open_pool(
    dsn: str, *, name: str, size: int, statement_timeout: float = 10.0, acquire_timeout: float = 5.0
) -> AsyncIterator[ConnectionPool]:
    """Open a pool of up to ``size`` connections; PostgreSQL need not run yet. Times are in seconds."""
    pool: Pool = await asyncpg.create_pool(  # makes no connection yet
        dsn,
        min_size=0,
        max_size=size,
        max_inactive_connection_lifetime=60,
        command_timeout=statement_timeout,
        timeout=acquire_timeout,
        init=_prepare,
        reset=_keep_session,
        server_settings={
            "application_name": name,
            "jit": "off",
            "synchronous_commit": "on",
            # A process that is stopped must not hold its locks for longer than a lease.
            "idle_in_transaction_session_timeout": "5s",
            "plan_cache_mode": "auto",
        },
    )
    try:
        yield ConnectionPool(pool, acquire_timeout=acquire_timeout)
    finally:
        try:
            async with asyncio.timeout(2):
                await pool.close()
        except (TimeoutError, *_UNAVAILABLE):
            pool.terminate()
