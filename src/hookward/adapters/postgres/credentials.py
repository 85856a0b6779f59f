"""Credentials: which process requests a token just now, and the refresh token to request it with (ADR 13)."""

from __future__ import annotations

from hookward.adapters.postgres.pool import ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.oauth.ports import CredentialLock, CredentialRecord

SQL = read_statements(__name__)


class PostgresCredentials:
    """The ``CredentialStore`` port on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def acquire(self, lock: CredentialLock, *, seconds: float) -> CredentialRecord | None:
        """Lock a credential for ``seconds`` and return it, ``acquired`` or not; ``None`` when there is none."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["acquire"], lock.account, lock.credential, lock.holder, seconds)
        return None if row is None else CredentialRecord(**row)

    async def release(self, lock: CredentialLock) -> None:
        """Let another holder lock the credential."""
        async with self._pool.connection() as connection:
            await connection.execute(SQL["release"], lock.account, lock.credential, lock.holder)

    async def write(self, lock: CredentialLock, *, expected: int, generation: int, state: bytes) -> bool:
        """Store a new state; return False, having changed nothing, if the holder or the generation has changed."""
        place = (lock.account, lock.credential, lock.holder)
        async with self._pool.connection() as connection:
            return await connection.fetchval(SQL["write"], *place, expected, generation, state) is not None

    async def refuse(self, lock: CredentialLock, *, generation: int, reason: str) -> bool:
        """Mark the credential as refused; return False if the holder or the generation has changed."""
        place = (lock.account, lock.credential, lock.holder)
        text = reason.replace("\0", "")  # PostgreSQL has no such character
        async with self._pool.connection() as connection:
            return await connection.fetchval(SQL["refuse"], *place, generation, text) is not None
