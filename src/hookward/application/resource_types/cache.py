"""The resource types that an api process knows, ready to judge events (G5).

Built-in types are known always. Those of accounts are looked up when they are first named and kept; a name that is not
known is looked up in the store every time before it is refused, many at once: while one look-up is under way all
who come share the next, so a flood of unknown names costs the store one statement at a time and us no memory.

What is kept may be old: another process may have stored a new version. An event that is right by an old version is not
accepted by the store (``StaleType``), and then ``ResourceTypeCache.forget`` has the type
looked up again; one that is wrong by what is kept is refused only once ``ResourceTypeCache.find`` has said the same.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from hookward.application.aio.loader import BatchLoader
from hookward.application.resource_types.service import ResourceTypeStore, TypeRow, type_of
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.resource_types.rules import SchemaCompiler, is_type_name

MAX_KNOWN_BYTES = 32 << 20
MAX_KNOWN = 4096
MAX_NAMES = 256
_BATCH = 64  # all of them fit into what is kept

MAX_TYPE_CHANGES = 5
"""Validate a request against so many versions of its type, when that changes in between; then give up (G5)."""

TYPE_KEEPS_CHANGING = "the resource type keeps changing"

Key = tuple[AccountId, str]


class AccountTypes(Mapping[str, CompiledType]):
    """The types of one account, as far as they are known."""

    def __init__(self, book: ResourceTypeCache, account: AccountId) -> None:
        self._book = book
        self._account = account

    def __getitem__(self, name: str) -> CompiledType:
        known = self._book.known(self._account, name)
        if known is None:
            raise KeyError(name)
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._book.names(self._account))

    def __len__(self) -> int:
        return len(self._book.names(self._account))


class ResourceTypeCache:
    """Types by account and name; ``built_in`` are everybody's."""

    def __init__(self, built_in: Mapping[str, CompiledType], store: ResourceTypeStore, schemas: SchemaCompiler) -> None:
        self._built_in = built_in
        self._store = store
        self._schemas = schemas
        self._known: OrderedDict[Key, tuple[CompiledType, int]] = OrderedDict()
        self._bytes = 0
        self._names: OrderedDict[AccountId, list[str]] = OrderedDict()
        self._questions = BatchLoader(self._ask_for, most=_BATCH, name="types.ask")

    def view(self, account: AccountId) -> AccountTypes:
        """The types of an account; call ``learn`` first with the names that matter."""
        return AccountTypes(self, account)

    def is_own(self, name: str) -> bool:
        """Whether a type would be an account's own."""
        return name not in self._built_in

    def known(self, account: AccountId, name: str) -> CompiledType | None:
        """A type as it is known here and now."""
        built_in = self._built_in.get(name)
        if built_in is not None:
            return built_in
        found = self._known.get((account, name))
        if found is None:
            return None
        self._known.move_to_end((account, name))
        return found[0]

    def names(self, account: AccountId) -> list[str]:
        """The names of an account's types as they were last heard of, for an answer that lists them."""
        return [*self._built_in, *self._names.get(account, ())]

    async def learn(self, account: AccountId, name: str) -> bool:
        """Look a type up unless it is known; answers whether it did. Read it before anything else is awaited."""
        if self.known(account, name) is not None:
            return False
        await self._look_up(account, name)
        return True

    async def find(self, account: AccountId, name: Any) -> CompiledType | None:
        """A type as it is in the store now."""
        if not isinstance(name, str):
            return None
        if self.is_own(name):
            await self._look_up(account, name)
        return self.known(account, name)

    def forget(self, account: AccountId, name: str, version: int | None = None) -> None:
        """What is known of a type, or that version of it, is old."""
        found = self._known.get((account, name))
        if found is not None and version in (None, found[0].type.version):
            del self._known[account, name]
            self._bytes -= found[1]

    async def close(self) -> None:
        """Wait for the look-up that is under way."""
        await self._questions.close()

    async def _look_up(self, account: AccountId, name: str) -> None:
        if is_type_name(name):
            await self._questions.put((account, name))

    async def _ask_for(self, keys: set[Key]) -> None:
        rows = await self._store.find_types(sorted(keys))
        for row in rows:
            known = self._known.get((row.account, row.name))
            if known is None or known[0].type.version != row.type_version:
                self._keep(row, await asyncio.to_thread(self._compile, row))
        missing = keys.difference((row.account, row.name) for row in rows)
        for account, name in missing:
            self.forget(account, name)
        for account in sorted({account for account, _ in missing}):
            self._names[account] = [each.name for each in await self._store.type_outlines(account)]
            self._names.move_to_end(account)
            if len(self._names) > MAX_NAMES:
                self._names.popitem(last=False)

    def _compile(self, row: TypeRow) -> CompiledType:
        found = type_of(row)
        return CompiledType(found, self._schemas.compiled(found.schema))

    def _keep(self, row: TypeRow, known: CompiledType) -> None:
        self.forget(row.account, row.name)
        size = len(row.definition)
        self._known[row.account, row.name] = (known, size)
        self._bytes += size
        while self._bytes > MAX_KNOWN_BYTES or len(self._known) > MAX_KNOWN:
            _, (_, dropped) = self._known.popitem(last=False)
            self._bytes -= dropped
