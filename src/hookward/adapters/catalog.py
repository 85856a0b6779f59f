"""Read the built-in resource types from the data files of :mod:`hookward.catalog`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Any

import msgspec

from hookward import catalog
from hookward.domain.errors import ConfigError
from hookward.domain.resource_types.model import MAX_SCOPE_PARAMETERS, BodyShape, ResourceType
from hookward.domain.resource_types.operations import ChangeKind, Format, Operation, OperationBatch, faults

_SUFFIX = ".toml"
_ROUTE_PARAMETER = re.compile(r"\{([^{}]*)\}")

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Word(StrEnum):
    """A change kind as the files write it."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"

    @property
    def kind(self) -> ChangeKind:
        return ChangeKind[self.name]


class _Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The properties of an operation whose body lists operations."""

    items: _Text
    verb: _Text
    id: _Text
    identity: _Text
    resource: _Text
    directives: _Text
    kinds: dict[str, _Word]
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)]

    def read(self) -> OperationBatch:
        return OperationBatch(
            items=self.items, verb=self.verb, id=self.id, identity=self.identity, resource=self.resource,
            directives=self.directives, kinds={verb: word.kind for verb, word in self.kinds.items()}, limit=self.limit,
        )  # fmt: skip


class _Operations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One operation for each of ``methods``; ``Operation`` explains the other fields."""

    methods: Annotated[tuple[_Text, ...], msgspec.Meta(min_length=1)]
    path: _Text
    event: _Word | None = None
    fills: dict[str, str] = {}
    aliases: dict[str, str] = {}
    body: bool = True
    renames: dict[str, str] = {}
    options: tuple[_Text, ...] = ()
    formats: tuple[Format, ...] = (Format.JSON,)
    query: bool = False
    batch: _Batch | None = None

    def read(self) -> Iterator[Operation]:
        for method in self.methods:
            yield Operation(
                method=method, path=self.path, event=None if self.event is None else self.event.kind,
                fills=self.fills, aliases=self.aliases, body=self.body, renames=self.renames, options=self.options,
                formats=self.formats, query=self.query, batch=None if self.batch is None else self.batch.read(),
            )  # fmt: skip


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a type's TOML file; its schema and its sample are in separate files in the same directory."""

    name: _Text
    title: _Text
    description: _Text
    scope: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=MAX_SCOPE_PARAMETERS)]
    identity: Annotated[tuple[_Text, ...], msgspec.Meta(min_length=1)]
    body: BodyShape
    watch_routes: tuple[_Text, ...]
    any_value: dict[str, str] = {}
    operations: tuple[_Operations, ...] = ()


def load_catalog(directory: Traversable | None = None) -> tuple[ResourceType, ...]:
    """Return the resource types of all TOML files in ``directory`` (default: the built-in catalog), by file name.

    Raises ConfigError, which names the file, for an entry that is incomplete, malformed or inconsistent.
    """
    directory = directory or resources.files(catalog)
    names = sorted(file.name for file in directory.iterdir() if file.name.endswith(_SUFFIX))
    return tuple(_load_type(directory, name.removesuffix(_SUFFIX)) for name in names)


def _load_type(directory: Traversable, name: str) -> ResourceType:
    entry = _read_entry(directory.joinpath(name + _SUFFIX))
    if entry.name != name:
        raise ConfigError(f"{name}{_SUFFIX}: the name is {entry.name!r}, but the file's name says {name!r}")
    _check_parameters(entry)
    operations = tuple(operation for each in entry.operations for operation in each.read())
    for operation in operations:
        for fault in faults(operation, entry.scope):
            raise ConfigError(f"{name}{_SUFFIX}: {fault}")
    return ResourceType(
        name=entry.name,
        title=entry.title,
        scope=entry.scope,
        identity=entry.identity,
        body=entry.body,
        schema=_read_object(directory.joinpath(f"{name}.schema.json")),
        sample=_read_object(directory.joinpath(f"{name}.sample.json")),
        any_value=entry.any_value,
        watch_routes=entry.watch_routes,
        operations=operations,
    )


def _read_entry(file: Traversable) -> _Entry:
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _Entry)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise _broken(file, error) from error


def _read_object(file: Traversable) -> dict[str, Any]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise _broken(file, error) from error


def _check_parameters(entry: _Entry) -> None:
    """Raise ConfigError unless watch routes and ``any_value`` name scope parameters only: no others have values."""
    named = {"any_value": set(entry.any_value)}
    named |= {f"the watch route {route}": set(_ROUTE_PARAMETER.findall(route)) for route in entry.watch_routes}
    for place, parameters in named.items():
        unknown_fields = ", ".join(sorted(parameters.difference(entry.scope)))
        if unknown_fields:
            raise ConfigError(f"{entry.name}{_SUFFIX}: {place} names {unknown_fields}, which the scope lacks")


def _broken(file: Traversable, error: Exception) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ConfigError(f"{file.name}: {reason}")
