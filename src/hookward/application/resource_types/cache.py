"""The resource types that an api process keeps in memory, compiled to validate events (G5).

Built-in types are always in memory. Those of accounts are loaded when they are first named. A name that is not in
memory is looked up in the store every time before it is refused; concurrent look-ups share statements, so a flood of
unknown names costs the store one statement at a time and this process no memory.

A type in memory may be outdated: another process may have stored a new version. The store does not accept an event that
is valid by an old version (``StaleType``); ``ResourceTypeCache.forget`` then makes the next look-up load the type
again. An event that is invalid by the type in memory is refused only after ``ResourceTypeCache.find`` returned the same
version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hookward.application.aio.cache import LruCache
from hookward.application.aio.loader import BatchLoader
from hookward.application.resource_types.service import ResourceTypeStore, TypeRecord
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.resource_types.rules import SchemaCompiler, is_type_name

MAX_TYPES = 4096
MAX_TYPE_BYTES = 32 << 20
MAX_NAME_LISTS = 256
_BATCH = 64  # the largest definitions of a batch fit into the cache together

MAX_TYPE_CHANGES = 5
"""Validate a request against at most this many versions of its type, if that changes in between; then give up (G5)."""

TYPE_KEEPS_CHANGING = "the resource type keeps changing"

_Key = tuple[AccountId, str]


class _Cached(NamedTuple):
    """A compiled type and the length of its definition in bytes."""

    type: CompiledType
    size: int


class ResourceTypeCache:
    """Compiled types by account and name; ``built_in`` ones belong to all accounts.

    At most ``max_types`` types of accounts are kept, whose definitions have at most ``max_type_bytes``, and lists of
    names of ``max_name_lists`` accounts.
    """

    def __init__(
        self,
        built_in: Mapping[str, CompiledType],
        store: ResourceTypeStore,
        schemas: SchemaCompiler,
        *,
        max_types: int = MAX_TYPES,
        max_type_bytes: int = MAX_TYPE_BYTES,
        max_name_lists: int = MAX_NAME_LISTS,
    ) -> None:
        self.built_in = built_in
        self._store = store
        self._schemas = schemas
        self._types: LruCache[_Key, _Cached] = LruCache(
            max_types, max_weight=max_type_bytes, weight=lambda cached: cached.size
        )
        self._names: LruCache[AccountId, list[str]] = LruCache(max_name_lists)
        self._loader = BatchLoader(self._load_types, limit=_BATCH, name="types.load")

    def is_own(self, name: str) -> bool:
        """Return whether a type of this name would be an account's own: no built-in type has the name."""
        return name not in self.built_in

    def known(self, account: AccountId, name: str) -> CompiledType | None:
        """Return a type as it is in memory, or ``None``."""
        built_in = self.built_in.get(name)
        if built_in is not None:
            return built_in
        cached = self._types.get((account, name))
        return None if cached is None else cached.type

    def names(self, account: AccountId) -> list[str]:
        """Return the names of an account's types as they were last loaded, for an error that lists them."""
        return [*self.built_in, *(self._names.get(account) or ())]

    async def learn(self, account: AccountId, name: str) -> bool:
        """Load a type unless it is in memory, and return whether it was looked up.

        Read it before awaiting anything else: it may be dropped then.
        """
        if self.known(account, name) is not None:
            return False
        await self.find(account, name)
        return True

    async def find(self, account: AccountId, name: Any) -> CompiledType | None:
        """Return a type as it is in the store now, or ``None``."""
        if not isinstance(name, str):
            return None
        if not self.is_own(name):
            return self.built_in[name]
        return await self._loader.load((account, name)) if is_type_name(name) else None

    def forget(self, account: AccountId, name: str, version: int | None = None) -> None:
        """Remove a type from memory, if it has this ``version`` or none is given."""
        cached = self._types.get((account, name))
        if cached is not None and version in (None, cached.type.type.version):
            self._types.pop((account, name))

    async def close(self) -> None:
        """Wait for the look-ups that were asked for."""
        await self._loader.close()

    async def _load_types(self, keys: Sequence[_Key]) -> Mapping[_Key, CompiledType]:
        found: dict[_Key, CompiledType] = {}
        for row in await self._store.find_types(sorted(keys)):
            found[row.account, row.name] = await self._compiled(row)
        missing = [key for key in keys if key not in found]
        for account, name in missing:
            self.forget(account, name)
        for account in sorted({account for account, _ in missing}):
            self._names.put(account, [each.name for each in await self._store.type_outlines(account)])
        return found

    async def _compiled(self, row: TypeRecord) -> CompiledType:
        """Return the type of a row: the one in memory if it has this version, else a new one, which is kept."""
        cached = self._types.get((row.account, row.name))
        if cached is not None and cached.type.type.version == row.type_version:
            return cached.type
        compiled = await asyncio.to_thread(self._compile, row)
        self._types.put((row.account, row.name), _Cached(compiled, len(row.definition)))
        return compiled

    def _compile(self, row: TypeRecord) -> CompiledType:
        found = row.read_type()
        return CompiledType(found, self._schemas.compiled(found.schema))
