"""API keys: digests with what they open. A revocation bumps the version of the definitions, and so is told once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.application.access.authenticator import FoundKeys, Revocations
from hookward.domain.access.callers import Scope
from hookward.domain.ids import AccountId, ApiKeyId

_COLUMNS = "id, account_id, name, scopes, digest, owner, created, last_used"

_FIND = f"""
SELECT v.version, k.* FROM definition_version v
LEFT JOIN (SELECT {_COLUMNS} FROM api_key WHERE digest = ANY($1::bytea[]) AND revoked IS NULL) k ON true"""

# Without a version (null) no key is told.
_REVOKED_SINCE = """
SELECT v.version, k.digest FROM definition_version v LEFT JOIN api_key k ON k.revoked IS NOT NULL AND k.version > $1"""

# A key that is not there bumps nothing.
_REVOKE = """
WITH bump AS (UPDATE definition_version SET version = version + 1
  WHERE EXISTS (SELECT 1 FROM api_key WHERE account_id = $1 AND id = $2 AND revoked IS NULL) RETURNING version)
UPDATE api_key SET revoked = now(), version = bump.version FROM bump
WHERE account_id = $1 AND id = $2 AND revoked IS NULL RETURNING id"""

# Several processes take down the same keys: once is enough, and nobody waits for anybody.
_NOTE_USED = """
UPDATE api_key SET last_used = now() WHERE id IN (
  SELECT id FROM api_key WHERE id = ANY($1::uuid[]) AND (last_used IS NULL OR last_used < now() - interval '30 seconds')
  FOR UPDATE SKIP LOCKED)"""


class PostgresApiKeys:
    """The ``ApiKeyStore``, ``ApiKeySource`` and ``RevocationSource`` ports on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def add(self, key: ApiKeyRecord) -> ApiKeyRecord:
        async with self._database.connection() as connection:
            return await insert_key(connection, key)

    async def listed(
        self, account: AccountId, *, owner: str | None, after: ApiKeyId | None, limit: int
    ) -> list[ApiKeyRecord]:
        """Up to ``limit`` keys that were not revoked, oldest first, behind ``after``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM api_key WHERE account_id = $1 AND id > $2 AND revoked IS NULL "
                "AND ($3::text IS NULL OR owner = $3) ORDER BY id LIMIT $4",
                account,
                after or bytes(16),
                owner,
                limit,
            )
        return [_key(row) for row in rows]

    async def one(self, account: AccountId, id_: ApiKeyId) -> ApiKeyRecord | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM api_key WHERE account_id = $1 AND id = $2 AND revoked IS NULL", account, id_
            )
        return None if row is None else _key(row)

    async def revoke(self, account: AccountId, id_: ApiKeyId) -> bool:
        """End a key; False when there is none."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_REVOKE, account, id_) is not None

    async def find(self, digests: Sequence[bytes]) -> FoundKeys:
        """Those of ``digests`` that open something."""
        async with self._database.connection() as connection:
            rows = [tuple(row) for row in await connection.fetch(_FIND, digests)]
        return FoundKeys(version=rows[0][0], keys=[_key(row[1:]) for row in rows if row[1] is not None])

    async def revoked_since(self, version: int | None) -> Revocations:
        """What was revoked after ``version``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_REVOKED_SINCE, version)
        return Revocations(version=rows[0][0], digests=[row[1] for row in rows if row[1] is not None])

    async def note_used(self, ids: Sequence[ApiKeyId]) -> None:
        """Take down that these keys were used just now."""
        async with self._database.connection() as connection:
            await connection.execute(_NOTE_USED, ids)


async def insert_key(connection: Acquired, key: ApiKeyRecord) -> ApiKeyRecord:
    """Store a key; answers it with its time."""
    row = await connection.fetchrow(
        "INSERT INTO api_key (id, account_id, owner, name, scopes, digest) VALUES ($1, $2, $3, $4, $5, $6) "
        f"RETURNING {_COLUMNS}",
        key.id,
        key.account,
        key.owner,
        key.name,
        list(key.scopes),
        key.digest,
    )
    return _key(row)


def _key(row: Any) -> ApiKeyRecord:
    return ApiKeyRecord(
        id=row[0], account=row[1], name=row[2], scopes=tuple([Scope(scope) for scope in row[3]]), digest=row[4],
        owner=row[5], created=row[6], last_used=row[7],
    )  # fmt: skip
