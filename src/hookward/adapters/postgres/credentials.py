"""Credentials: who asks for a token just now, and the refresh token that is the one to ask with (ADR 13)."""

from __future__ import annotations

from hookward.adapters.postgres.pool import ConnectionPool
from hookward.application.oauth.ports import CredentialLock, CredentialRecord

# One holder at a time, by this clock. Who holds it already goes on: its answer may have been lost. The row is as it is
# when it is ours; where it is not, as it was when this began.
_ACQUIRE = """
WITH taken AS (
  UPDATE credential SET holder = $3, held_until = now() + $4 * interval '1 second'
  WHERE id = $2 AND account_id = $1 AND (holder IS NULL OR holder = $3 OR held_until <= now())
  RETURNING state, generation, refused)
SELECT state, generation, refused, true FROM taken
UNION ALL
SELECT state, generation, refused, false FROM credential
WHERE id = $2 AND account_id = $1 AND NOT EXISTS (SELECT 1 FROM taken)"""

_RELEASE = """
UPDATE credential SET holder = NULL, held_until = NULL WHERE id = $2 AND account_id = $1 AND holder = $3"""

_WRITE = """
UPDATE credential SET state = $6, generation = $5, refused = NULL, updated = now()
WHERE id = $2 AND account_id = $1 AND holder = $3 AND generation = $4 RETURNING true"""

_REFUSE = """
UPDATE credential SET refused = $5, holder = NULL, held_until = NULL, updated = now()
WHERE id = $2 AND account_id = $1 AND holder = $3 AND generation = $4 RETURNING true"""


class PostgresCredentials:
    """The ``CredentialStore`` port on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def acquire(self, lock: CredentialLock, *, seconds: float) -> CredentialRecord | None:
        """Lock a credential for so long; answers it as it is, ``acquired`` or not, ``None`` when it is not there."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_ACQUIRE, lock.account, lock.credential, lock.holder, seconds)
        if row is None:
            return None
        return CredentialRecord(state=row[0], generation=row[1], refused=row[2], acquired=row[3])

    async def release(self, lock: CredentialLock) -> None:
        """Let others ask."""
        async with self._database.connection() as connection:
            await connection.execute(_RELEASE, lock.account, lock.credential, lock.holder)

    async def write(self, lock: CredentialLock, *, expected: int, generation: int, state: bytes) -> bool:
        """Compare holder and generation, and set; answers whether it did."""
        async with self._database.connection() as connection:
            written = await connection.fetchval(
                _WRITE, lock.account, lock.credential, lock.holder, expected, generation, state
            )
        return written is not None

    async def refuse(self, lock: CredentialLock, *, generation: int, reason: str) -> bool:
        """Compare holder and generation, and mark; answers whether it did."""
        async with self._database.connection() as connection:
            marked = await connection.fetchval(
                _REFUSE, lock.account, lock.credential, lock.holder, generation, reason.replace("\0", "")
            )
        return marked is not None
