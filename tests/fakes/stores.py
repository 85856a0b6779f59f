"""In-memory stand-ins for ports; each passes the contract suite of the real adapter (``tests/contract``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from hookward.adapters.clock import SystemClock
from hookward.application.crypto_keys.service import KeyQuery
from hookward.application.events.publisher import Accepted, NewEvent, StaleType
from hookward.application.oauth.credentials import NewCredential, StoredCredential
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.watches.registry import DefinitionDelta, TypeShape, WatchQuery
from hookward.domain.errors import Conflict
from hookward.domain.ids import AccountId, CredentialId, CryptoKeyId, EventId, IdPrefix, WatchId, to_text
from hookward.domain.watches.model import WatchStatus


class FakeInbox:
    """An ``EventStore`` in memory. ``refused`` are bodies that it cannot store.

    ``types`` are the current versions of accounts' own types.
    """

    def __init__(self) -> None:
        self.stored: dict[EventId, NewEvent] = {}
        self.refused: set[bytes] = set()
        self.types: dict[tuple[int, str], int] = {}
        self._keys: dict[tuple[int, bytes], Accepted] = {}

    async def accept(self, events: Sequence[NewEvent]) -> dict[EventId, Accepted | StaleType]:
        if any(event.change.body in self.refused for event in events):
            raise ValueError("a row that cannot be stored")
        known: dict[EventId, Accepted | StaleType] = {}
        for event in events:
            change = event.change
            if event.own_type and self.types.get((change.account, change.resource_type)) != change.type_version:
                first = self._keys.get((event.account, event.key or b""))
                known[event.id] = first or StaleType()
                continue
            if event.key is not None:
                fresh = Accepted(id=event.id, digest=event.digest or b"")
                first = self._keys.setdefault((event.account, event.key), fresh)
                if first is not fresh:
                    known[event.id] = first
                    continue
            self.stored.setdefault(event.id, event)
        return known

    def expire_keys(self) -> None:
        """Let the time pass for which keys are remembered."""
        self._keys.clear()


class FakeDefinitions:
    """A ``DefinitionSource`` in memory, with what changes it."""

    def __init__(self) -> None:
        self.version = 1
        self.now: Callable[[], datetime] = lambda: datetime.fromtimestamp(SystemClock().now_us() / 1e6, UTC)
        self.shapes: list[TypeShape] = []
        self._watches: dict[bytes, WatchRecord] = {}
        self._keys: dict[bytes, KeyRecord] = {}
        self._zones: dict[AccountId, tuple[int, str | None]] = {}
        self._lanes = 0
        self.validated_with_version: int | None = None
        self.credentials: dict[CredentialId, StoredCredential] = {}
        self.by_digest: dict[tuple[AccountId, bytes], CredentialId] = {}
        self.refused: dict[CredentialId, str] = {}

    async def changes_since(self, version: int) -> DefinitionDelta:
        return DefinitionDelta(
            version=self.version,
            watches=[watch for watch in self._watches.values() if watch.version > version],
            keys=[key for key in self._keys.values() if key.version > version],
            zones={account: zone for account, (since, zone) in self._zones.items() if since > version},
            types=self.shapes,
        )

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
        if not self._has_its_keys(watch, key):
            raise Conflict("one of its crypto keys has just been retired")
        self.version += 1
        self.validated_with_version = validated_with_version
        if key is not None:
            self._keys[key.id] = msgspec.structs.replace(key, version=self.version)
        held = None if credential is None else self._find_or_make(watch.account, credential)
        stored = msgspec.structs.replace(
            watch, lane=self._lane(), active_since=self.version, version=self.version, credential=held
        )
        self._watches[watch.id] = stored
        return stored

    async def add_key(self, key: KeyRecord) -> KeyRecord:
        self.version += 1
        stored = self._keys[key.id] = msgspec.structs.replace(key, version=self.version)
        return stored

    async def change_watch(
        self, watch: WatchRecord, *, slots: int | None, paused: bool, reason: str, key: KeyRecord | None,
        credential: NewCredential | None = None,
    ) -> WatchRecord | None:  # fmt: skip
        before = self._watches.get(watch.id)
        if before is None or before.account != watch.account or before.deleted or before.version != watch.version:
            return None
        if credential is not None and credential.instead_of is not None:
            id_, generation = credential.instead_of
            if self.credentials[id_].generation != generation:
                return None
        if not self._has_its_keys(watch, key):
            return None
        self.version += 1
        if key is not None:
            self._keys[key.id] = msgspec.structs.replace(key, version=self.version)
        new_lane = before.status == WatchStatus.DISABLED != watch.status
        lane = self._lane() if new_lane else before.lane
        active_since = self.version if new_lane else before.active_since
        held = watch.credential if credential is None else self._find_or_make(watch.account, credential)
        stored = msgspec.structs.replace(
            watch, lane=lane, active_since=active_since, version=self.version, credential=held
        )
        self._watches[watch.id] = stored
        self._drop_unused()
        if held is not None:
            self.refused.pop(held, None)
        return stored

    async def key(self, account: int, id_: bytes, *, owner: str | None) -> KeyRecord | None:
        key = self._keys.get(id_)
        if key is None or key.account != account or key.retired or owner not in (None, key.owner):
            return None
        return key

    async def list_keys(self, query: KeyQuery) -> list[KeyRecord]:
        rows = [await self.key(query.account, id_, owner=query.owner) for id_ in sorted(self._keys)]
        wanted = [row for row in rows if row is not None and row.id > (query.after or b"")]
        if query.name is not None:
            wanted = [row for row in wanted if msgspec.json.decode(row.definition)["name"] == query.name]
        return wanted[: query.limit]

    async def change_key(
        self, account: int, id_: bytes, *, owner: str | None, change: Callable[[KeyRecord, datetime], KeyRecord]
    ) -> KeyRecord | None:
        key = await self.key(account, id_, owner=owner)
        if key is None:
            return None
        changed = change(key, self.now())
        self.version += 1
        stored = self._keys[id_] = msgspec.structs.replace(changed, version=self.version)
        return stored

    async def retire_key(
        self, account: int, id_: bytes, *, owner: str | None,
        release: Callable[[Sequence[WatchRecord], set[CryptoKeyId]], Sequence[WatchRecord]],
    ) -> bool:  # fmt: skip
        key = await self.key(account, id_, owner=owner)
        if key is None:
            return False
        needle = to_text(IdPrefix.CRYPTO_KEY, id_).encode()
        watches = [each for each in self._watches.values() if each.account == account and not each.deleted]
        rest = {row.id for row in self._keys.values() if row.account == account and row.id != id_ and not row.retired}
        changed = release([each for each in watches if needle in each.definition], rest)
        self.version += 1
        for watch in changed:
            self._watches[watch.id] = msgspec.structs.replace(watch, version=self.version)
        retired = msgspec.structs.replace(key, secret=b"", previous=(), retired=True, version=self.version)
        self._keys[key.id] = retired
        return True

    async def delete_watch(
        self, account: AccountId, id_: WatchId, *, reason: str, owner: str | None = None, version: int | None = None
    ) -> bool:
        watch = await self.watch(account, id_, owner=owner)
        if watch is None or version not in (None, watch.version):
            return False
        self.version += 1
        gone = msgspec.structs.replace(watch, deleted=True, secrets=None, credential=None, version=self.version)
        self._watches[id_] = gone
        self._drop_unused()
        return True

    async def watch(self, account: int, id_: bytes, *, owner: str | None = None) -> WatchRecord | None:
        watch = self._watches.get(id_)
        gone = watch is None or watch.account != account or watch.deleted or owner not in (None, watch.owner)
        return None if gone else watch

    async def watches(self, query: WatchQuery) -> list[WatchRecord]:
        rows = [row for _, row in sorted(self._watches.items()) if row.account == query.account and not row.deleted]
        return [
            row
            for row in rows
            if row.id > (query.after or b"")
            and query.owner in (None, row.owner)
            and query.resource_type in (None, row.resource_type)
            and query.status in (None, row.status)
            and query.selects(row.read_definition())
        ][: query.limit]

    def _has_its_keys(self, watch: WatchRecord, made: KeyRecord | None) -> bool:
        live = {to_text(IdPrefix.CRYPTO_KEY, id_) for id_, row in self._keys.items() if not row.retired}
        if made is not None:
            live.add(to_text(IdPrefix.CRYPTO_KEY, made.id))
        return live.issuperset(watch.read_definition().key_ids)

    async def credential(self, account: AccountId, id_: CredentialId) -> StoredCredential | None:
        owns = any(watch.account == account and watch.credential == id_ for watch in self._watches.values())
        return self.credentials.get(id_) if owns else None

    def _find_or_make(self, account: AccountId, credential: NewCredential) -> CredentialId:
        for digest in credential.digests:
            if (account, digest) in self.by_digest:
                return self.by_digest[account, digest]
        self.by_digest[account, credential.digests[0]] = credential.id
        self.credentials[credential.id] = StoredCredential(id=credential.id, state=credential.state, generation=1)
        return credential.id

    def _drop_unused(self) -> None:
        used = {watch.credential for watch in self._watches.values()}
        self.by_digest = {digest: id_ for digest, id_ in self.by_digest.items() if id_ in used}
        self.credentials = {id_: held for id_, held in self.credentials.items() if id_ in used}

    def _lane(self) -> int:
        self._lanes += 1
        return self._lanes

    async def keys(self, account: int, ids: Sequence[bytes], *, owner: str | None = None) -> list[KeyRecord]:
        keys = [key for id_, key in self._keys.items() if id_ in ids and key.account == account]
        return [key for key in keys if owner in (None, key.owner) and not key.retired]

    async def zone(self, account: AccountId) -> str | None:
        return self._zones.get(account, (0, None))[1]

    def set_zone(self, account: AccountId, zone: str | None) -> None:
        """Change the time zone of an account."""
        self.version += 1
        self._zones[account] = (self.version, zone)

    def put(self, watch: WatchRecord) -> None:
        """Change a stored watch behind everybody's back."""
        self.version += 1
        self._watches[watch.id] = msgspec.structs.replace(watch, version=self.version)
