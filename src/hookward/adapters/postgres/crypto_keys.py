"""Crypto keys: stored with the secrets that still sign, changed under the version that workers go by (G5)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hookward.adapters.postgres.definition_version import raise_version, raise_version_at
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.crypto_keys.jwks import MAX_PUBLIC_KEYS, PublishedKey
from hookward.application.crypto_keys.service import KeyQuery
from hookward.application.records import KeyRecord, PreviousSecret, WatchRecord
from hookward.domain.errors import Conflict
from hookward.domain.ids import AccountId, CryptoKeyId, IdPrefix, to_text

SQL = read_statements(__name__)


class PostgresCryptoKeys:
    """The ``CryptoKeyStore`` port on PostgreSQL."""

    def __init__(self, pool: ConnectionPool, *, most_public: int = MAX_PUBLIC_KEYS) -> None:
        self._pool = pool
        self._most_public = most_public

    async def add_key(self, key: KeyRecord) -> KeyRecord:
        async with self._pool.transaction() as connection:
            version = await raise_version(connection)
            if key.public is not None:
                count = await connection.fetchval(SQL["count_public"], key.account)
                if count >= self._most_public:
                    raise Conflict(f"the account has {self._most_public} asymmetric keys; retire one that is not used")
            return await insert_crypto_key(connection, key, version)

    async def published(self, id_: CryptoKeyId | None, *, limit: int) -> list[PublishedKey]:
        """Return the public keys that verify now, of all accounts: up to ``limit``, newest first, or one."""
        async with self._pool.connection() as connection:
            return [_published(row) for row in await connection.fetch(SQL["published"], id_, limit)]

    async def version(self) -> int:
        """Return the version of the last change of a key, of any account: while it stays, so do the keys."""
        async with self._pool.connection() as connection:
            return int(await connection.fetchval(SQL["last_version"]))

    async def key(self, account: AccountId, id_: CryptoKeyId, *, owner: str | None) -> KeyRecord | None:
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["find"], account, id_, owner)
        return None if row is None else _key_record(row)

    async def list_keys(self, query: KeyQuery) -> list[KeyRecord]:
        """Return up to ``limit`` keys, oldest first."""
        name = None if query.name is None else b'"name":%b,' % msgspec.json.encode(query.name)
        values = (query.account, query.after or bytes(16), query.owner, name, query.limit)
        async with self._pool.connection() as connection:
            return [_key_record(row) for row in await connection.fetch(SQL["list"], *values)]

    async def change_key(
        self,
        account: AccountId,
        id_: CryptoKeyId,
        *,
        owner: str | None,
        change: Callable[[KeyRecord, datetime], KeyRecord],
    ) -> KeyRecord | None:
        """Store what ``change`` makes of a key; return ``None`` when there is none. If it raises, nothing changes."""
        async with self._pool.transaction() as connection:
            if await connection.fetchrow(SQL["find"], account, id_, owner) is None:
                return None  # the version stays: no worker need look for changes
            version, now = await raise_version_at(connection)
            # Read once more, as all changes before this one have left it.
            row = await connection.fetchrow(SQL["find"], account, id_, owner)
            if row is None:
                return None
            key = change(_key_record(row), now)
            secrets, ends = [old.secret for old in key.previous], [old.until for old in key.previous]
            publics = [old.public for old in key.previous]
            values = (key.secret, secrets, ends, key.rotated, version, key.public, publics, key.generation)
            return _key_record(await connection.fetchrow(SQL["change"], id_, *values))

    async def retire_key(
        self,
        account: AccountId,
        id_: CryptoKeyId,
        *,
        owner: str | None,
        release: Callable[[Sequence[WatchRecord], set[CryptoKeyId]], Sequence[WatchRecord]],
    ) -> bool:
        """Retire a key, and store the watches that ``release`` makes of those that may name it.

        Returns False when there is no such key.
        """
        async with self._pool.transaction() as connection:
            if await connection.fetchrow(SQL["find"], account, id_, owner) is None:
                return False
            version = await raise_version(connection)
            if await connection.fetchrow(SQL["find"], account, id_, owner) is None:
                return False
            needle = to_text(IdPrefix.CRYPTO_KEY, id_).encode()
            naming = [WatchRecord(**row) for row in await connection.fetch(SQL["naming_watches"], account, needle)]
            others = {CryptoKeyId(row["id"]) for row in await connection.fetch(SQL["other_ids"], account, id_)}
            changed = release(naming, others)
            if changed:
                definitions = [watch.definition for watch in changed]
                await connection.execute(SQL["rewrite_watches"], [watch.id for watch in changed], definitions, version)
            await connection.execute(SQL["retire"], id_, version)
        return True


async def insert_crypto_key(connection: Acquired, key: KeyRecord, version: int) -> KeyRecord:
    """Store a new key in the transaction that raised the version."""
    values = (key.id, key.account, key.definition, key.secret, version, key.owner, key.public)
    return _key_record(await connection.fetchrow(SQL["insert"], *values))


async def keys_since(connection: Acquired, version: int) -> list[KeyRecord]:
    """Return the keys of all accounts that changed after ``version``, retired ones included."""
    return [_key_record(row) for row in await connection.fetch(SQL["changed_since"], version)]


async def find_keys(
    connection: Acquired, account: AccountId, ids: Sequence[CryptoKeyId], owner: str | None
) -> list[KeyRecord]:
    """Return those of ``ids`` that the account has; with ``owner`` only that owner's."""
    return [_key_record(row) for row in await connection.fetch(SQL["find_all"], account, ids, owner)]


async def has_keys(connection: Acquired, account: AccountId, ids: Collection[bytes | None]) -> bool:
    """Whether the account has all of ``ids``; once the version is raised none is retired in the transaction."""
    return not ids or len(ids) == await connection.fetchval(SQL["count_known"], account, list(ids))


def _key_record(row: Any) -> KeyRecord:
    """Return the key of a row with the columns of ``crypto_keys.sql``."""
    former = zip(row["previous"], row["previous_until"], row["previous_public"], strict=True)
    return KeyRecord(
        id=row["id"],
        account=row["account_id"],
        definition=row["definition"],
        secret=row["secret"],
        version=row["version"],
        created=row["created"],
        owner=row["owner"],
        previous=tuple([PreviousSecret(secret=secret, until=until, public=public) for secret, until, public in former]),
        rotated=row["rotated"],
        retired=row["retired"],
        public=row["public"],
        generation=row["generation"],
    )


def _published(row: Any) -> PublishedKey:
    return PublishedKey(
        id=row["id"],
        definition=row["definition"],
        generation=row["generation"],
        public=row["public"],
        previous=tuple(zip(row["previous_public"], row["previous_until"], strict=True)),
    )
