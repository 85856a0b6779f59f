"""Crypto keys: kept with the secrets that still sign, changed under the version that workers go by (G5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.crypto_keys.jwks import MAX_PUBLIC_KEYS, PublishedKey
from hookward.application.crypto_keys.service import KeyQuery
from hookward.application.records import KeyRecord, PreviousSecret, WatchRecord
from hookward.domain.errors import Conflict
from hookward.domain.ids import AccountId, CryptoKeyId, IdPrefix, WatchId, to_text

KEY = (
    "id, account_id, definition, secret, version, created, owner, previous, previous_until, rotated, "
    "retired IS NOT NULL, public, previous_public, generation"
)
_BUMP = "UPDATE definition_version SET version = version + 1 RETURNING version, clock_timestamp()"
_FIND = f"""
SELECT {KEY} FROM crypto_key
WHERE account_id = $1 AND id = $2 AND ($3::text IS NULL OR owner = $3) AND retired IS NULL"""
# The name is what a definition begins with.
_LIST = f"""
SELECT {KEY} FROM crypto_key
WHERE account_id = $1 AND id > $2 AND ($3::text IS NULL OR owner = $3) AND retired IS NULL
AND ($4::bytea IS NULL OR position($4 IN definition) = 2) ORDER BY id LIMIT $5"""
_CHANGE = f"""
UPDATE crypto_key SET secret = $2, previous = $3, previous_until = $4, rotated = $5, version = $6, public = $7,
  previous_public = $8, generation = $9 WHERE id = $1
RETURNING {KEY}"""
# A tombstone, so that caches learn of it; nothing of the secrets stays.
_RETIRE = """
UPDATE crypto_key SET retired = now(), secret = '', previous = '{}', previous_until = '{}', public = NULL,
  previous_public = '{}', version = $2
WHERE id = $1"""
_PUBLIC_KEYS = "SELECT count(*) FROM crypto_key WHERE account_id = $1 AND public IS NOT NULL"
# For everybody, whose account it may be: public keys, by names that say nothing.
_PUBLISHED = """
SELECT id, definition, generation, public, previous_public, previous_until FROM crypto_key
WHERE public IS NOT NULL AND ($1::uuid IS NULL OR id = $1) ORDER BY id DESC LIMIT $2"""
_VERSION = "SELECT coalesce(max(version), 0) FROM crypto_key"
# Whoever names the key has its id in the definition; who has it there for another reason is sorted out by the caller.
_NAMING = """
SELECT id, account_id, resource_type, status, definition, version, owner FROM watch
WHERE account_id = $1 AND deleted IS NULL AND position($2::bytea IN definition) > 0 ORDER BY id"""
_REST = "SELECT id FROM crypto_key WHERE account_id = $1 AND id <> $2 AND retired IS NULL"
_REWRITE = """
UPDATE watch w SET definition = r.definition, version = $3, updated = now()
FROM unnest($1::uuid[], $2::bytea[]) AS r(id, definition) WHERE w.id = r.id"""


class PostgresCryptoKeys:
    """The ``CryptoKeyStore`` port on PostgreSQL."""

    def __init__(self, database: ConnectionPool, *, most_public: int = MAX_PUBLIC_KEYS) -> None:
        self._database = database
        self._most_public = most_public

    async def add_key(self, key: KeyRecord) -> KeyRecord:
        async with self._database.transaction() as connection:
            version, _ = await _bump(connection)
            if key.public is not None and await connection.fetchval(_PUBLIC_KEYS, key.account) >= self._most_public:
                raise Conflict(f"the account has {self._most_public} asymmetric keys; retire one that is not used")
            return await insert_key(connection, key, version)

    async def published(self, id_: CryptoKeyId | None, *, limit: int) -> list[PublishedKey]:
        """The public keys that verify now, of all accounts: up to ``limit``, newest first, or one."""
        async with self._database.connection() as connection:
            return [_published(row) for row in await connection.fetch(_PUBLISHED, id_, limit)]

    async def version(self) -> int:
        """That of the last change of a key, of any account: while it stays, so do the keys."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(_VERSION))

    async def key(self, account: AccountId, id_: CryptoKeyId, *, owner: str | None) -> KeyRecord | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, account, id_, owner)
        return None if row is None else read_key_row(row)

    async def list_keys(self, query: KeyQuery) -> list[KeyRecord]:
        """Up to ``limit`` keys, oldest first."""
        name = None if query.name is None else b'"name":%b,' % msgspec.json.encode(query.name)
        values = (query.account, query.after or bytes(16), query.owner, name, query.limit)
        async with self._database.connection() as connection:
            return [read_key_row(row) for row in await connection.fetch(_LIST, *values)]

    async def change_key(
        self,
        account: AccountId,
        id_: CryptoKeyId,
        *,
        owner: str | None,
        change: Callable[[KeyRecord, datetime], KeyRecord],
    ) -> KeyRecord | None:
        """Store what ``change`` makes of a key; ``None`` when there is none. What it raises leaves all as it was."""
        async with self._database.transaction() as connection:
            if await connection.fetchrow(_FIND, account, id_, owner) is None:
                return None  # nothing is bumped: no worker need look for changes
            version, now = await _bump(connection)
            row = await connection.fetchrow(_FIND, account, id_, owner)  # as it is behind everybody else's change
            if row is None:
                return None
            key = change(read_key_row(row), now)
            secrets, ends = [old.secret for old in key.previous], [old.until for old in key.previous]
            publics = [old.public for old in key.previous]
            values = (key.secret, secrets, ends, key.rotated, version, key.public, publics, key.generation)
            return read_key_row(await connection.fetchrow(_CHANGE, id_, *values))

    async def retire_key(
        self, account: AccountId, id_: CryptoKeyId, *, owner: str | None,
        release: Callable[[Sequence[WatchRecord], set[CryptoKeyId]], Sequence[WatchRecord]],
    ) -> bool:  # fmt: skip
        """Bury a key, and store the watches that ``release`` makes of those that may name it."""
        async with self._database.transaction() as connection:
            if await connection.fetchrow(_FIND, account, id_, owner) is None:
                return False
            version, _ = await _bump(connection)
            if await connection.fetchrow(_FIND, account, id_, owner) is None:
                return False
            needle = to_text(IdPrefix.CRYPTO_KEY, id_).encode()
            naming = [_naming(row) for row in await connection.fetch(_NAMING, account, needle)]
            rest = {CryptoKeyId(row[0]) for row in await connection.fetch(_REST, account, id_)}
            changed = release(naming, rest)
            if changed:
                definitions = [watch.definition for watch in changed]
                await connection.execute(_REWRITE, [watch.id for watch in changed], definitions, version)
            await connection.execute(_RETIRE, id_, version)
        return True


async def insert_key(connection: Acquired, key: KeyRecord, version: int) -> KeyRecord:
    """Store a new key in the transaction that bumped the version."""
    row = await connection.fetchrow(
        "INSERT INTO crypto_key (id, account_id, definition, secret, version, owner, public) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) "
        f"RETURNING {KEY}",
        key.id,
        key.account,
        key.definition,
        key.secret,
        version,
        key.owner,
        key.public,
    )
    return read_key_row(row)


async def _bump(connection: Acquired) -> tuple[int, datetime]:
    """A new version, and the store's time after those before us have changed what they wanted."""
    row = await connection.fetchrow(_BUMP)
    assert row is not None
    return int(row[0]), row[1]


def read_key_row(row: Any) -> KeyRecord:
    """A key from the columns of ``KEY``."""
    olds = zip(row[7], row[8], row[12], strict=True)
    previous = tuple([PreviousSecret(secret=secret, until=until, public=public) for secret, until, public in olds])
    return KeyRecord(
        id=row[0], account=row[1], definition=row[2], secret=row[3], version=row[4], created=row[5], owner=row[6],
        previous=previous, rotated=row[9], retired=row[10], public=row[11], generation=row[13],
    )  # fmt: skip


def _published(row: Any) -> PublishedKey:
    return PublishedKey(
        id=row[0], definition=row[1], generation=row[2], public=row[3],
        previous=tuple(zip(row[4], row[5], strict=True)),
    )  # fmt: skip


def _naming(row: Any) -> WatchRecord:
    id_, account, resource_type, status, definition, version, owner = row
    return WatchRecord(
        id=WatchId(id_), account=account, resource_type=resource_type, status=status, definition=definition,
        secrets=None, version=version, owner=owner,
    )  # fmt: skip
