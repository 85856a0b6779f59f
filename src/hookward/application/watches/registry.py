"""A replica of all watches and crypto keys in memory, at a version, which a worker matches events with (G5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

import msgspec

from hookward.application.records import KeyRecord, WatchRecord
from hookward.domain.events.document import DocumentOptions
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, CryptoKeyId, WatchId
from hookward.domain.resource_types.model import BodyShape, ResourceType
from hookward.domain.watches.matching import MatchIndex, Subscription
from hookward.domain.watches.model import LevelDetails, WatchDefinition, WatchStatus


class WatchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which watches of an account to list, oldest first, those after the id ``after``.

    With ``owner`` only that owner's. ``name`` is a watch's whole name, ``text`` a part of its name or address, in upper
    or lower case.
    """

    account: AccountId
    owner: str | None = None
    limit: int
    after: WatchId | None = None
    resource_type: str | None = None
    status: WatchStatus | None = None
    name: str | None = None
    text: str | None = None

    def selects(self, definition: WatchDefinition) -> bool:
        """Whether a definition fits ``name`` and ``text``, which are in no column of the store."""
        if self.name is not None and self.name != definition.name:
            return False
        if self.text is None:
            return True
        return self.text.casefold() in f"{definition.name or ''}\n{definition.address}".casefold()


class TypeShape(msgspec.Struct, frozen=True, gc=False):
    """The shape of the documents of one version of an account's resource type. It never changes."""

    account: AccountId
    name: str
    type_version: int
    shape: BodyShape


class DefinitionDelta(msgspec.Struct, frozen=True, kw_only=True):
    """What changed after a version, and the newest version, from one snapshot of the store."""

    version: int
    watches: Sequence[WatchRecord]
    keys: Sequence[KeyRecord]
    zones: Mapping[AccountId, str | None] = {}
    """Time zones of accounts that changed."""
    types: Sequence[TypeShape] = ()


class DefinitionSource(Protocol):
    """Where a worker reads definitions from."""

    async def changes_since(self, version: int) -> DefinitionDelta: ...


class WatchFilter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The filter of a watch (its text), and the options of the document that it is applied to."""

    filter: str
    options: DocumentOptions


class WatchRegistry:
    """The watches and crypto keys of all accounts, and the index that matches events with watches.

    ``filters`` are the filters of the watches that have one; ``slots`` says how many requests may be in flight, for the
    watches that say so.
    """

    def __init__(self, source: DefinitionSource, types: Mapping[str, ResourceType]) -> None:
        self._source = source
        self._types = types
        self._index = MatchIndex()
        self._watches: dict[WatchId, WatchRecord] = {}
        self._keys: dict[CryptoKeyId, KeyRecord] = {}
        self._zones: dict[AccountId, str | None] = {}
        self._merged: dict[tuple[AccountId, str], frozenset[int]] = {}
        self._refreshing = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.version = 0
        self.filters: dict[WatchId, WatchFilter] = {}
        self.slots: dict[WatchId, int] = {}

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each refresh that changed something."""
        self._listeners.append(listener)

    async def refresh(self, *, until: int | None = None) -> None:
        """Read what changed; with ``until``, only if a change up to that version may be missing."""
        if until is not None and until <= self.version:
            return
        async with self._refreshing:
            if until is not None and until <= self.version:
                return
            changes = await self._source.changes_since(self.version)
            for watch in changes.watches:
                self._put(watch)
            for key in changes.keys:
                self._keys[key.id] = key
            self._zones.update(changes.zones)
            self._learn_shapes(changes.types)
            self.version = changes.version
        if changes.watches or changes.keys or changes.zones or changes.types:
            for listener in self._listeners:
                listener()

    def match(self, event: ChangeEvent) -> list[WatchId]:
        """Return the watches that match ``event``. Call ``refresh`` up to its version first."""
        return self._index.match(event)

    def watch(self, watch: WatchId) -> WatchRecord | None:
        """Return a watch that is not deleted, whatever its status."""
        return self._watches.get(watch)

    def key(self, key: CryptoKeyId) -> KeyRecord | None:
        """Return a crypto key that is not retired."""
        row = self._keys.get(key)
        return None if row is None or row.retired else row

    def account_zone(self, account: AccountId) -> str | None:
        """Return the time zone of an account, for dates where neither event nor watch names one."""
        return self._zones.get(account)

    def shape(self, event: ChangeEvent) -> BodyShape:
        """Return the shape of the document of ``event``: that of the type version the event was accepted under."""
        built_in = self._types.get(event.resource_type)
        if built_in is not None:
            return built_in.body
        merged = event.type_version in self.merged_versions(event.account, event.resource_type)
        return BodyShape.MERGED if merged else BodyShape.WRAPPED

    def merged_versions(self, account: AccountId, resource_type: str) -> AbstractSet[int]:
        """Return the versions of an account's own type whose documents have the merged shape; see ``shape``."""
        if resource_type in self._types:
            return frozenset()
        return self._merged.get((account, resource_type), frozenset())

    def document_options(self, watch: WatchRecord, definition: WatchDefinition) -> DocumentOptions:
        """Return how the documents of a watch are made, in the shape of its built-in type (see ``shape``)."""
        built_in = self._types.get(watch.resource_type)
        return document_options_of(definition, built_in.body if built_in else BodyShape.WRAPPED)

    def _learn_shapes(self, types: Sequence[TypeShape]) -> None:
        for each in types:
            if each.shape is BodyShape.MERGED:
                known = self._merged.get((each.account, each.name), frozenset())
                self._merged[each.account, each.name] = known | {each.type_version}

    def _put(self, watch: WatchRecord) -> None:
        self.filters.pop(watch.id, None)
        self.slots.pop(watch.id, None)
        if watch.deleted:
            self._watches.pop(watch.id, None)
            self._index.remove(watch.id)
            return
        self._watches[watch.id] = watch
        if watch.status == WatchStatus.DISABLED:
            self._index.remove(watch.id)
            return
        definition = watch.read_definition()
        if definition.filter is not None:
            self.filters[watch.id] = WatchFilter(
                filter=definition.filter, options=self.document_options(watch, definition)
            )
        if definition.concurrency is not None:
            self.slots[watch.id] = definition.concurrency
        self._index.put(
            Subscription(
                watch=watch.id,
                account=watch.account,
                resource_type=watch.resource_type,
                scope=bound_scope(definition.scope, self._types.get(watch.resource_type)),
                kinds=definition.kinds,
                active_since=watch.active_since,
            )
        )


def bound_scope(scope: Mapping[str, str], resource_type: ResourceType | None) -> dict[str, str]:
    """Return the parameters of a watch's scope that are bound to one value, not to any."""
    anything = resource_type.any_value if resource_type else {}
    return {name: value for name, value in scope.items() if anything.get(name) != value}


def document_options_of(definition: WatchDefinition, shape: BodyShape) -> DocumentOptions:
    """Return how the documents of a watch are made."""
    return DocumentOptions(
        shape=shape,
        extra=definition.level_details is LevelDetails.EXTRA_FULL,
        previous=definition.add_previous_data,
        zone=definition.time_zone,
    )
