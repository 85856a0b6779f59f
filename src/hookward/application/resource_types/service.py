"""Manage the resource types that accounts add."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import msgspec

from hookward.domain.errors import Conflict, NotFound, TypeChanged
from hookward.domain.ids import AccountId
from hookward.domain.json import decode_exact, encode_exact
from hookward.domain.resource_types.model import BodyShape, CompiledType, ResourceType, TypePaths
from hookward.domain.resource_types.paths import operations_of, paths_in_use
from hookward.domain.resource_types.rules import SchemaCompiler, is_type_name, read_type

MAX_TYPES = 200
MAX_TRIES = 10


class TypeDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A resource type as stored, without its name; ``schema`` and ``sample`` are JSON."""

    scope: tuple[str, ...]
    identity: tuple[str, ...]
    body: BodyShape
    schema: msgspec.Raw
    sample: msgspec.Raw
    title: str = ""
    keep_state: bool = True


class TypeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a resource type as stored: ``definition`` is JSON (``TypeDefinition``).

    ``type_version`` counts the versions of the type, ``version`` is that of all definitions.
    """

    account: AccountId
    name: str
    type_version: int = 0
    body: BodyShape
    paths: TypePaths | None
    definition: bytes
    version: int = 0
    created: datetime | None = None
    updated: datetime | None = None

    def read_definition(self) -> TypeDefinition:
        """Return the definition, decoded except for its schema and sample."""
        return _read_definition(self.definition)

    def read_type(self) -> ResourceType:
        """Return the resource type, with its schema and sample decoded."""
        definition = self.read_definition()
        return ResourceType(
            name=self.name,
            title=definition.title,
            scope=definition.scope,
            identity=definition.identity,
            body=definition.body,
            schema=decode_exact(bytes(definition.schema)),
            sample=decode_exact(bytes(definition.sample)),
            version=self.type_version,
            keep_state=definition.keep_state,
            paths=self.paths,
            watch_routes=() if self.paths is None else (self.paths.watch_route,),
            operations=operations_of(self.paths, definition.identity),
        )


class TypeOutline(msgspec.Struct, frozen=True, kw_only=True):
    """The name and paths of a type, without its definition."""

    name: str
    paths: TypePaths | None


class Watched(msgspec.Struct, frozen=True):
    """The refusal to change a type that ``count`` watches use."""

    count: int


Beside = Sequence[TypeOutline] | None
"""The other types of an account, by name, against which a type was validated: names and paths must be unique."""


class ResourceTypeStore(Protocol):
    """Where resource types are stored."""

    async def add_type(self, row: TypeRecord, *, beside: Beside = None) -> TypeRecord | None:
        """Store a new type; returns ``None`` when the account has one of that name.

        Raises TypeChanged when the account's other types are not those of ``beside``.
        """
        ...

    async def replace_type(
        self, row: TypeRecord, *, scope: Sequence[str], beside: Beside = None
    ) -> TypeRecord | Watched | None:
        """Store a new version of a type; returns ``None`` when there is no such type.

        Returns Watched when ``scope`` differs and watches use the type. A definition that equals the current one is no
        new version. Raises TypeChanged as ``add_type`` does.
        """
        ...

    async def delete_type(self, account: AccountId, name: str) -> bool | Watched: ...

    async def find_types(self, keys: Sequence[tuple[AccountId, str]]) -> list[TypeRecord]:
        """Return the current versions of those types that exist."""
        ...

    async def types(self, account: AccountId, *, after: str, limit: int) -> list[TypeRecord]:
        """Return up to ``limit`` current types by name, after ``after``."""
        ...

    async def type_outlines(self, account: AccountId) -> list[TypeOutline]:
        """Return the outlines of all current types by name."""
        ...


class ResourceTypes:
    """The use cases of accounts that define types of their own, in addition to the built-in ones."""

    def __init__(
        self,
        store: ResourceTypeStore,
        schemas: SchemaCompiler,
        built_in: Mapping[str, ResourceType],
        *,
        max_types: int = MAX_TYPES,
    ) -> None:
        self._store = store
        self._schemas = schemas
        self._built_in = built_in
        self._max_types = max_types
        self._turn = asyncio.Semaphore(1)

    async def create(self, account: AccountId, given: Any) -> TypeRecord:
        """Validate and store a type. Raises Invalid with every problem, or Conflict."""
        return await _settled(lambda: self._create(account, given))

    async def _create(self, account: AccountId, given: Any) -> TypeRecord:
        outlines = await self._store.type_outlines(account)
        known = await self._read(given, outlines)
        name = known.type.name
        if name.lower() in [each.name.lower() for each in outlines]:
            raise Conflict(_taken(name))
        if len(outlines) >= self._max_types:
            raise Conflict(f"an account may have {self._max_types} resource types; delete one first")
        row = await self._store.add_type(row_of(account, known.type), beside=outlines)
        if row is None:
            raise Conflict(_taken(name))
        return row

    async def replace(self, account: AccountId, name: str, given: Any) -> TypeRecord:
        """Validate and store a new version of a type. Raises Invalid, NotFound or Conflict."""
        self._refuse_built_in(name)
        return await _settled(lambda: self._replace(account, name, given))

    async def _replace(self, account: AccountId, name: str, given: Any) -> TypeRecord:
        outlines = await self._store.type_outlines(account)
        if name not in [each.name for each in outlines]:
            raise NotFound(_NO_TYPE)
        others = [each for each in outlines if each.name != name]
        known = await self._read(given, others, name)
        row = await self._store.replace_type(row_of(account, known.type), scope=known.type.scope, beside=others)
        if isinstance(row, Watched):
            raise Conflict(f"scope cannot change while {_watches(row)} this type; delete them first")
        if row is None:
            raise NotFound(_NO_TYPE)
        return row

    async def delete(self, account: AccountId, name: str) -> None:
        """Delete a type that no watch uses; stored events keep it. Raises NotFound or Conflict."""
        self._refuse_built_in(name)
        outcome = await self._store.delete_type(account, name) if is_type_name(name) else False
        if isinstance(outcome, Watched):
            raise Conflict(f"{_watches(outcome)} {name}; delete them first")
        if not outcome:
            raise NotFound(_NO_TYPE)

    async def get(self, account: AccountId, name: str) -> TypeRecord | ResourceType:
        """Return a type by name, built in or the account's own. Raises NotFound."""
        built_in = self._built_in.get(name)
        if built_in is not None:
            return built_in
        rows = await self._store.find_types([(account, name)]) if is_type_name(name) else []
        if not rows:
            raise NotFound(_NO_TYPE)
        return rows[0]

    async def page(self, account: AccountId, *, after: str, limit: int) -> list[TypeRecord | ResourceType]:
        """Return up to ``limit`` types by name, built-in ones included, after ``after``."""
        found: list[TypeRecord | ResourceType] = [each for name, each in self._built_in.items() if name > after]
        found += await self._store.types(account, after=after, limit=limit)
        return sorted(found, key=lambda each: each.name)[:limit]

    async def _read(self, given: Any, others: Sequence[TypeOutline], name: str | None = None) -> CompiledType:
        """Read a type in a thread, one at a time: a hostile schema takes a while to measure."""
        taken = {path: each.name for each in self._built_in.values() for path in paths_in_use(each)}
        for each in others:
            if each.paths is not None:
                taken |= dict.fromkeys((each.paths.collection, each.paths.item, each.paths.watch_route), each.name)
        reading = partial(
            read_type, given, reserved=tuple(self._built_in), taken=taken, schemas=self._schemas, name=name
        )
        async with self._turn:
            return await asyncio.to_thread(reading)

    def _refuse_built_in(self, name: str) -> None:
        if name in self._built_in:
            raise Conflict(f"{name} is built in: it can be neither changed nor deleted")


def row_of(account: AccountId, resource_type: ResourceType) -> TypeRecord:
    """Return the record of a new type."""
    definition = TypeDefinition(
        scope=resource_type.scope, identity=resource_type.identity, body=resource_type.body,
        schema=msgspec.Raw(encode_exact(resource_type.schema)), sample=msgspec.Raw(encode_exact(resource_type.sample)),
        title=resource_type.title, keep_state=resource_type.keep_state,
    )  # fmt: skip
    return TypeRecord(
        account=account, name=resource_type.name, body=resource_type.body,
        paths=resource_type.paths, definition=encode_exact(definition),
    )  # fmt: skip


_read_definition = msgspec.json.Decoder(TypeDefinition).decode
_NO_TYPE = "there is no such resource type"


async def _settled(change: Callable[[], Awaitable[TypeRecord]]) -> TypeRecord:
    """Return the result of ``change``, repeated when other types of the account change at the same time."""
    for _ in range(MAX_TRIES):
        with suppress(TypeChanged):
            return await change()
    raise Conflict("other resource types of this account keep changing; try again")


def _taken(name: str) -> str:
    return f"there is a resource type {name} already; PUT a new version of it, or choose another name"


def _watches(watched: Watched) -> str:
    return "1 watch uses" if watched.count == 1 else f"{watched.count} watches use"
