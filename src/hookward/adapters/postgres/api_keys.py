"""API keys: digests with what they allow. A revocation raises the version of the definitions, and so is told once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.application.access.authenticator import FoundKeys, Revocations
from hookward.domain.access.callers import Scope
from hookward.domain.ids import AccountId, ApiKeyId

SQL = read_statements(__name__)


class PostgresApiKeys:
    """The ``ApiKeyStore``, ``ApiKeySource`` and ``RevocationSource`` ports on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def add(self, key: ApiKeyRecord) -> ApiKeyRecord:
        async with self._pool.connection() as connection:
            return await insert_api_key(connection, key)

    async def list(
        self, account: AccountId, *, owner: str | None, after: ApiKeyId | None, limit: int
    ) -> list[ApiKeyRecord]:
        """Return up to ``limit`` keys that were not revoked, oldest first, behind ``after``."""
        values = (account, after or bytes(16), owner, limit)
        async with self._pool.connection() as connection:
            return [_key(row) for row in await connection.fetch(SQL["list"], *values)]

    async def one(self, account: AccountId, id_: ApiKeyId) -> ApiKeyRecord | None:
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["find"], account, id_)
        return None if row is None else _key(row)

    async def revoke(self, account: AccountId, id_: ApiKeyId) -> bool:
        """Revoke a key; return False when there is none."""
        async with self._pool.connection() as connection:
            return await connection.fetchval(SQL["revoke"], account, id_) is not None

    async def find(self, digests: Sequence[bytes]) -> FoundKeys:
        """Return the keys that have one of ``digests``."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SQL["find_by_digest"], digests)
        return FoundKeys(version=rows[0]["version"], keys=[_key(row) for row in rows if row["id"] is not None])

    async def revoked_since(self, version: int | None) -> Revocations:
        """Return what was revoked after ``version``."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SQL["revoked_since"], version)
        digests = [row["digest"] for row in rows if row["digest"] is not None]
        return Revocations(version=rows[0]["version"], digests=digests)

    async def note_used(self, ids: Sequence[ApiKeyId]) -> None:
        """Note that these keys were used just now."""
        async with self._pool.connection() as connection:
            await connection.execute(SQL["note_used"], ids)


async def insert_api_key(connection: Acquired, key: ApiKeyRecord) -> ApiKeyRecord:
    """Store a key; return it with its time of creation."""
    values = (key.id, key.account, key.owner, key.name, list(key.scopes), key.digest)
    return _key(await connection.fetchrow(SQL["insert"], *values))


def _key(row: Any) -> ApiKeyRecord:
    return ApiKeyRecord(
        id=row["id"],
        account=row["account"],
        name=row["name"],
        scopes=tuple([Scope(scope) for scope in row["scopes"]]),
        digest=row["digest"],
        owner=row["owner"],
        created=row["created"],
        last_used=row["last_used"],
    )
