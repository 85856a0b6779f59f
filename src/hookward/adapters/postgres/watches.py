"""Definitions: watches and crypto keys, and the version that says how new a reader's knowledge is (G5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from hookward.adapters.postgres.authorizations import find_or_make, forget, is_as_read, settle
from hookward.adapters.postgres.crypto_keys import KEY, insert_key, read_key_row
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.oauth.credentials import NewCredential, StoredCredential
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.watches.registry import DefinitionDelta, TypeShape, WatchQuery
from hookward.domain.errors import Conflict, TypeChanged
from hookward.domain.ids import AccountId, CredentialId, CryptoKeyId, IdPrefix, WatchId, from_text
from hookward.domain.resource_types.model import BodyShape
from hookward.domain.watches.model import WatchStatus

_WATCH = (
    "id, account_id, resource_type, status, status_reason, definition, secrets, lane_id, active_since, version, "
    "created, updated, deleted IS NOT NULL, owner, credential_id"
)

# The version and what changed since, in one statement and so in one snapshot.
_WATCHES_SINCE = f"""
SELECT v.version AS known, w.* FROM definition_version v
LEFT JOIN (SELECT {_WATCH} FROM watch WHERE version > $1) w ON true"""
_ZONES_SINCE = "SELECT id, zone FROM account WHERE version > $1"
_KEYS_SINCE = f"SELECT {KEY} FROM crypto_key WHERE version > $1"
_TYPES_SINCE = "SELECT account_id, name, type_version, body FROM resource_type WHERE version > $1"
_SHAPES = {1: BodyShape.MERGED, 2: BodyShape.WRAPPED}
# Null for a built-in type, which has no rows; the version's row lock, held by now, keeps a type from being changed.
_TYPE_IS_THERE = """
SELECT bool_or(current AND ($3::int IS NULL OR type_version = $3)) FROM resource_type
WHERE account_id = $1 AND name = $2"""
_BUMP = "UPDATE definition_version SET version = version + 1 RETURNING version"

# A watch that is not there bumps nothing: no worker need look for changes.
_BURY_WATCH = """
WITH bump AS (UPDATE definition_version SET version = version + 1
  WHERE EXISTS (SELECT 1 FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL
    AND ($3::text IS NULL OR owner = $3) AND ($4::bigint IS NULL OR version = $4)) RETURNING version)
UPDATE watch SET deleted = now(), updated = now(), version = bump.version, secrets = NULL FROM bump
WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND ($3::text IS NULL OR owner = $3)
  AND ($4::bigint IS NULL OR watch.version = $4) RETURNING lane_id, credential_id"""

# Of keys that a watch is to sign with, how many there are: one may have been retired since the watch was checked.
_KEYS_LEFT = """
SELECT count(*) FROM crypto_key WHERE account_id = $1 AND id = ANY($2::uuid[]) AND retired IS NULL"""

# The bump serialises all changes: what is read after it stays so until the end of the transaction.
_BUMP_FOR = """
UPDATE definition_version SET version = version + 1
WHERE EXISTS (SELECT 1 FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND version = $3)
RETURNING version"""
_OF_VERSION = """
SELECT status, lane_id, credential_id FROM watch
WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND version = $3"""
_CHANGE_WATCH = f"""
UPDATE watch SET status = $2, status_reason = $3, definition = $4, secrets = $5, lane_id = $6, version = $7,
  active_since = CASE WHEN $8 THEN $7 ELSE active_since END, updated = now(), credential_id = $9
WHERE id = $1 RETURNING {_WATCH}"""
_OPEN_LANE = "INSERT INTO lane (account_id, watch_id, slots, paused) VALUES ($1, $2, $3, $4) RETURNING id"
# What closes already goes on to, for the reason that it has.
_CLOSE_LANE = "UPDATE lane SET closing = $2, paused = false, wake_at = now() WHERE id = $1 AND closing IS NULL"
_SET_LANE = """
UPDATE lane SET slots = $2, paused = $3, wake_at = CASE WHEN $3 THEN NULL ELSE now() END
WHERE id = $1 AND closing IS NULL AND (slots IS DISTINCT FROM $2 OR paused <> $3)"""

# What names and addresses hold is decided on the decoded definition; this leaves out most of the others cheaply.
_LIST = f"""
SELECT {_WATCH} FROM watch WHERE account_id = $1 AND id > $2 AND deleted IS NULL
AND ($3::text IS NULL OR owner = $3) AND ($4::text IS NULL OR resource_type = $4)
AND ($5::smallint IS NULL OR status = $5) AND ($6::bytea IS NULL OR position($6 IN definition) > 0)
ORDER BY id LIMIT $7"""
_PAGE = 500


class PostgresWatches:
    """The ``DefinitionSource`` and ``WatchStore`` ports on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def changes_since(self, version: int) -> DefinitionDelta:
        """Everything changed after ``version``, deletions included, and the version that this makes known."""
        async with self._database.connection() as connection, connection.transaction(isolation="repeatable_read"):
            rows = await connection.fetch(_WATCHES_SINCE, version)
            keys = await connection.fetch(_KEYS_SINCE, version)
            zones = await connection.fetch(_ZONES_SINCE, version)
            types = await connection.fetch(_TYPES_SINCE, version)
        return DefinitionDelta(
            version=rows[0][0],
            watches=[_watch(row[1:]) for row in map(tuple, rows) if row[1] is not None],
            zones={row[0]: row[1] for row in zones},
            keys=[read_key_row(row) for row in keys],
            types=[TypeShape(row[0], row[1], row[2], _SHAPES[row[3]]) for row in types],
        )

    async def add_watch(
        self, watch: WatchRecord, *, slots: int | None, paused: bool, key: KeyRecord | None,
        judged_by: int | None = None,
        credential: NewCredential | None = None,
    ) -> WatchRecord:  # fmt: skip
        """Store a new watch with its lane, its credential, and the key made for it; answers it with lane, version and
        times.

        Raises TypeChanged when its type is gone, or no longer of the version that it was ``judged_by``, and Conflict
        when a key that it names was retired.
        """
        async with self._database.transaction() as connection:
            version = await _bump(connection)
            if await connection.fetchval(_TYPE_IS_THERE, watch.account, watch.resource_type, judged_by) is False:
                raise TypeChanged(watch.resource_type)
            if key is not None:
                await insert_key(connection, key, version)
            if not await _has_its_keys(connection, watch):
                raise Conflict("one of its crypto keys has just been retired")
            lane = await connection.fetchval(_OPEN_LANE, watch.account, watch.id, slots, paused)
            row = await connection.fetchrow(
                "INSERT INTO watch (id, account_id, resource_type, status, status_reason, definition, secrets, "
                "lane_id, active_since, version, owner, credential_id) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11) "
                f"RETURNING {_WATCH}",
                watch.id,
                watch.account,
                watch.resource_type,
                watch.status,
                watch.status_reason,
                watch.definition,
                watch.secrets,
                lane,
                version,
                watch.owner,
                None if credential is None else await find_or_make(connection, watch.account, credential),
            )
        return _watch(row)

    async def watch(self, account: AccountId, id_: WatchId, *, owner: str | None = None) -> WatchRecord | None:
        """One watch; with ``owner``, here and below, only where it is theirs."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {_WATCH} FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL "
                "AND ($3::text IS NULL OR owner = $3)",
                account,
                id_,
                owner,
            )
        return None if row is None else _watch(row)

    async def watches(self, query: WatchQuery) -> list[WatchRecord]:
        """Up to ``limit`` watches, oldest first."""
        found: list[WatchRecord] = []
        after: bytes = query.after or bytes(16)
        sifted = query.name is not None or query.text is not None
        page = _PAGE if sifted else query.limit
        needle = None if query.name is None else b'"name":' + msgspec.json.encode(query.name)
        while len(found) < query.limit:
            async with self._database.connection() as connection:
                rows = await connection.fetch(
                    _LIST, query.account, after, query.owner, query.resource_type, query.status, needle, page
                )
            watches = [_watch(row) for row in rows]
            found += [each for each in watches if not sifted or query.selects(each.read_definition())]
            if len(rows) < page:
                break
            after = watches[-1].id
        return found[: query.limit]

    async def change_watch(
        self, watch: WatchRecord, *, slots: int | None, paused: bool, reason: str, key: KeyRecord | None,
        credential: NewCredential | None = None,
    ) -> WatchRecord | None:  # fmt: skip
        """Store status, definition and secrets of a watch if it still has the version of ``watch``; else ``None``.

        ``None`` too when a key that it names has been retired meanwhile, or the refresh token that is to move to
        another ``credential`` has been renewed. Without one it has the credential of ``watch``, which is asked for
        tokens again.

        Disabled, its lane closes: what waits is cancelled with ``reason``. Enabled or paused again it gets a lane of
        its own, so that nothing of before comes back and nothing of after is cancelled with it.
        """
        async with self._database.transaction() as connection:
            place = (watch.account, watch.id, watch.version)
            version = await connection.fetchval(_BUMP_FOR, *place)
            before = None if version is None else await connection.fetchrow(_OF_VERSION, *place)
            if before is None or not await is_as_read(connection, credential):
                return None
            if key is not None:
                await insert_key(connection, key, version)
            if not await _has_its_keys(connection, watch):
                return None
            status, lane, held = before
            chosen = watch.credential
            if credential is not None:
                chosen = await find_or_make(connection, watch.account, credential)
            ends, ended = watch.status == WatchStatus.DISABLED, status == WatchStatus.DISABLED
            if ends or ended:
                await connection.execute(_CLOSE_LANE, lane, reason)
            else:
                await connection.execute(_SET_LANE, lane, slots, paused)
            if ended and not ends:
                lane = await connection.fetchval(_OPEN_LANE, watch.account, watch.id, slots, paused)
            row = await connection.fetchrow(
                _CHANGE_WATCH,
                watch.id,
                watch.status,
                watch.status_reason,
                watch.definition,
                watch.secrets,
                lane,
                version,
                ended and not ends,
                chosen,
            )
            await settle(connection, held, chosen)
        return _watch(row)

    async def delete_watch(
        self, account: AccountId, id_: WatchId, *, reason: str, owner: str | None = None, version: int | None = None
    ) -> bool:
        """Leave a tombstone and close the lane: what waits is cancelled with ``reason``.

        False when there is no such watch, or not of that version.
        """
        async with self._database.transaction() as connection:
            buried = await connection.fetchrow(_BURY_WATCH, account, id_, owner, version)
            if buried is not None:
                await connection.execute(_CLOSE_LANE, buried[0], reason)
                await forget(connection, id_, buried[1])
        return buried is not None

    async def credential(self, account: AccountId, id_: CredentialId) -> StoredCredential | None:
        """A credential as it is now."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT state, generation FROM credential WHERE account_id = $1 AND id = $2", account, id_
            )
        return None if row is None else StoredCredential(id=id_, state=row[0], generation=row[1])

    async def zone(self, account: AccountId) -> str | None:
        """The time zone of an account, if it has one."""
        async with self._database.connection() as connection:
            found: str | None = await connection.fetchval("SELECT zone FROM account WHERE id = $1", account)
        return found

    async def keys(
        self, account: AccountId, ids: Sequence[CryptoKeyId], *, owner: str | None = None
    ) -> list[KeyRecord]:
        """Those of ``ids`` that the account has."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {KEY} FROM crypto_key WHERE account_id = $1 AND id = ANY($2::uuid[]) AND retired IS NULL "
                "AND ($3::text IS NULL OR owner = $3)",
                account,
                ids,
                owner,
            )
        return [read_key_row(row) for row in rows]


async def _bump(connection: Acquired) -> int:
    return int(await connection.fetchval(_BUMP))


async def _has_its_keys(connection: Acquired, watch: WatchRecord) -> bool:
    """Whether every key that a watch names is there; no key is retired until the transaction of the bump ends."""
    ids = {from_text(IdPrefix.CRYPTO_KEY, each) for each in watch.read_definition().key_ids}
    return not ids or len(ids) == await connection.fetchval(_KEYS_LEFT, watch.account, list(ids))


def _watch(row: Any) -> WatchRecord:
    created: datetime = row[10]
    updated: datetime = row[11]
    return WatchRecord(
        id=row[0], account=row[1], resource_type=row[2], status=row[3], status_reason=row[4], definition=row[5],
        secrets=row[6], lane=row[7], active_since=row[8], version=row[9], created=created, updated=updated,
        deleted=row[12], owner=row[13], credential=row[14],
    )  # fmt: skip
