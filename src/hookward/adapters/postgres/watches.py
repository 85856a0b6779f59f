"""Watches, and the changes of all definitions that processes read by their version (G5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hookward.adapters.postgres.accounts import zone_of, zones_since
from hookward.adapters.postgres.authorizations import (
    delete_authorization,
    get_or_create,
    is_as_read,
    release_credential,
)
from hookward.adapters.postgres.crypto_keys import find_keys, has_keys, insert_crypto_key, keys_since
from hookward.adapters.postgres.definition_version import raise_version
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.resource_types import has_type, shapes_since
from hookward.adapters.postgres.statements import read_statements
from hookward.application.oauth.credentials import NewCredential, StoredCredential
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.watches.registry import DefinitionDelta, WatchQuery
from hookward.domain.errors import Conflict, TypeChanged
from hookward.domain.ids import AccountId, CredentialId, CryptoKeyId, IdPrefix, WatchId, from_text
from hookward.domain.watches.model import WatchStatus

SQL = read_statements(__name__)

_PAGE = 500


class PostgresWatches:
    """The ``DefinitionSource`` and ``WatchStore`` ports on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def changes_since(self, version: int) -> DefinitionDelta:
        """Return all that changed after ``version``, deletions included, and the version known with it."""
        async with self._pool.connection() as connection, connection.transaction(isolation="repeatable_read"):
            rows = await connection.fetch(SQL["changed_since"], version)
            keys = await keys_since(connection, version)
            zones = await zones_since(connection, version)
            types = await shapes_since(connection, version)
        watches = [_watch(row) for row in rows if row["id"] is not None]
        return DefinitionDelta(version=rows[0]["known"], watches=watches, zones=zones, keys=keys, types=types)

    async def add_watch(
        self,
        watch: WatchRecord,
        *,
        slots: int | None,
        paused: bool,
        key: KeyRecord | None,
        validated_with_version: int | None = None,
        credential: NewCredential | None = None,
    ) -> WatchRecord:
        """Store a new watch with its lane, its credential and the key made for it.

        Returns it with its lane, version and times. Raises TypeChanged when its type is gone or no longer of the
        version ``validated_with_version``, and Conflict when a key that it names was retired.
        """
        async with self._pool.transaction() as connection:
            version = await raise_version(connection)
            if not await has_type(connection, watch.account, watch.resource_type, validated_with_version):
                raise TypeChanged(watch.resource_type)
            if key is not None:
                await insert_crypto_key(connection, key, version)
            if not await has_keys(connection, watch.account, _key_ids(watch)):
                raise Conflict("one of its crypto keys has just been retired")
            lane = await connection.fetchval(SQL["open_lane"], watch.account, watch.id, slots, paused)
            row = await connection.fetchrow(
                SQL["insert"],
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
                None if credential is None else await get_or_create(connection, watch.account, credential),
            )
        return _watch(row)

    async def watch(self, account: AccountId, id_: WatchId, *, owner: str | None = None) -> WatchRecord | None:
        """Return one watch; with ``owner``, here and below, only if it is that owner's."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["find"], account, id_, owner)
        return None if row is None else _watch(row)

    async def watches(self, query: WatchQuery) -> list[WatchRecord]:
        """Return up to ``limit`` watches, oldest first."""
        found: list[WatchRecord] = []
        after: bytes = query.after or bytes(16)
        filtered = query.name is not None or query.text is not None
        page = _PAGE if filtered else query.limit
        needle = None if query.name is None else b'"name":' + msgspec.json.encode(query.name)
        columns = (query.owner, query.resource_type, query.status, needle, page)
        while len(found) < query.limit:
            async with self._pool.connection() as connection:
                rows = await connection.fetch(SQL["list"], query.account, after, *columns)
            watches = [_watch(row) for row in rows]
            found += [each for each in watches if not filtered or query.selects(each.read_definition())]
            if len(rows) < page:
                break
            after = watches[-1].id
        return found[: query.limit]

    async def change_watch(
        self,
        watch: WatchRecord,
        *,
        slots: int | None,
        paused: bool,
        reason: str,
        key: KeyRecord | None,
        credential: NewCredential | None = None,
    ) -> WatchRecord | None:
        """Store status, definition and secrets of a watch if it still has the version of ``watch``.

        Returns ``None`` if it has not, if a key that it names has been retired since, or if the refresh token that
        moves to another ``credential`` has been renewed since. Without ``credential`` the watch keeps the one of
        ``watch``, and tokens are requested again with it.

        Disabling closes the lane: what waits in it is cancelled with ``reason``. Enabling or pausing a disabled watch
        opens a new lane, so that cancelled deliveries stay cancelled and new ones are not cancelled with them.
        """
        place = (watch.account, watch.id, watch.version)
        async with self._pool.transaction() as connection:
            version = await connection.fetchval(SQL["raise_version_for"], *place)
            before = None if version is None else await connection.fetchrow(SQL["find_version"], *place)
            if before is None or not await is_as_read(connection, credential):
                return None
            if key is not None:
                await insert_crypto_key(connection, key, version)
            if not await has_keys(connection, watch.account, _key_ids(watch)):
                return None
            chosen = watch.credential
            if credential is not None:
                chosen = await get_or_create(connection, watch.account, credential)
            lane, opened = await _change_lane(connection, watch, before, slots=slots, paused=paused, reason=reason)
            row = await connection.fetchrow(
                SQL["change"],
                watch.id,
                watch.status,
                watch.status_reason,
                watch.definition,
                watch.secrets,
                lane,
                version,
                opened,
                chosen,
            )
            await release_credential(connection, before["credential_id"], chosen)
        return _watch(row)

    async def delete_watch(
        self, account: AccountId, id_: WatchId, *, reason: str, owner: str | None = None, version: int | None = None
    ) -> bool:
        """Mark a watch as deleted and close its lane: what waits is cancelled with ``reason``.

        Returns False when there is no such watch, or not of that version.
        """
        async with self._pool.transaction() as connection:
            deleted = await connection.fetchrow(SQL["delete"], account, id_, owner, version)
            if deleted is not None:
                await connection.execute(SQL["close_lane"], deleted["lane_id"], reason)
                await delete_authorization(connection, id_, deleted["credential_id"])
        return deleted is not None

    async def credential(self, account: AccountId, id_: CredentialId) -> StoredCredential | None:
        """Return a credential as it is now."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["find_credential"], account, id_)
        return None if row is None else StoredCredential(**row)

    async def zone(self, account: AccountId) -> str | None:
        """Return the time zone of an account, if it has one."""
        async with self._pool.connection() as connection:
            return await zone_of(connection, account)

    async def keys(
        self, account: AccountId, ids: Sequence[CryptoKeyId], *, owner: str | None = None
    ) -> list[KeyRecord]:
        """Return those of ``ids`` that the account has."""
        async with self._pool.connection() as connection:
            return await find_keys(connection, account, ids, owner)


async def _change_lane(
    connection: Acquired, watch: WatchRecord, before: Any, *, slots: int | None, paused: bool, reason: str
) -> tuple[int, bool]:
    """Give the lane of a watch its new state; return the watch's lane, and whether it is a new one."""
    lane: int = before["lane_id"]
    ends, ended = watch.status == WatchStatus.DISABLED, before["status"] == WatchStatus.DISABLED
    if ends or ended:
        await connection.execute(SQL["close_lane"], lane, reason)
    else:
        await connection.execute(SQL["set_lane"], lane, slots, paused)
    if ended and not ends:
        return await connection.fetchval(SQL["open_lane"], watch.account, watch.id, slots, paused), True
    return lane, False


def _key_ids(watch: WatchRecord) -> set[bytes | None]:
    """Return the ids of the keys that a watch names; ``None`` for a text that is none."""
    return {from_text(IdPrefix.CRYPTO_KEY, text) for text in watch.read_definition().key_ids}


def _watch(row: Any) -> WatchRecord:
    return WatchRecord(
        id=row["id"],
        account=row["account"],
        resource_type=row["resource_type"],
        status=row["status"],
        status_reason=row["status_reason"],
        definition=row["definition"],
        secrets=row["secrets"],
        lane=row["lane"],
        active_since=row["active_since"],
        version=row["version"],
        created=row["created"],
        updated=row["updated"],
        deleted=row["deleted"],
        owner=row["owner"],
        credential=row["credential"],
    )
