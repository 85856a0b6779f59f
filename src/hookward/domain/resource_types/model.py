"""Resource types: the kinds of resource that change, the shape of their documents, their paths and their identity.

The identity of a resource is the values of its type's ``identity`` properties, joined by ``/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from hookward.domain.errors import Problem
from hookward.domain.resource_types.operations import Operation


class ResourceValidator(Protocol):
    """Validates resources by a compiled JSON Schema."""

    @property
    def is_valid(self) -> Callable[[Any], bool]:
        """Return whether a resource is valid; a function of the validator itself where that is possible."""
        ...

    def problems(self, resource: Any, *at: str | int) -> list[Problem]:
        """Return what is wrong with a resource; pointers begin with the path ``at``."""
        ...


class CompiledType(msgspec.Struct, frozen=True):
    """A resource type with its compiled schema."""

    type: ResourceType
    schema: Any


MAX_SCOPE_PARAMETERS = 4


class BodyShape(StrEnum):
    """The shape of a delivery's document: the properties of the resource at the top level, or under ``resource``."""

    MERGED = "merged"
    WRAPPED = "wrapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class TypePaths:
    """The paths of a type's resources in their own API: URL templates of the collection and of one resource."""

    collection: str
    item: str

    @property
    def watch_route(self) -> str:
        return self.collection + "/watch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One kind of resource, built in or added by an account.

    ``scope`` names the path parameters that say whose resource it is; ``any_value`` gives, for some of them, the value
    by which a watch matches every value (it cannot be published). ``identity`` names the properties whose values,
    joined by ``/``, identify a resource. ``schema`` is a JSON Schema (2020-12) document and ``sample`` a resource that
    validates against it. ``watch_routes`` are URL templates (``/queues/{queueId}/registrations/watch``) whose
    parameters are scope parameters.

    ``operations`` are those of the resource's own API, at whose methods and paths it can be published (see
    ``Operation``). For a type that an account adds they follow from its ``paths`` (see ``paths.operations_of``):
    ``POST /shops/{shopId}/orders`` is created, ``PUT``, ``PATCH`` and ``DELETE /shops/{shopId}/orders/{id}`` are
    updated, updated and deleted. ``keep_state`` asks for the last known state of its resources.
    """

    name: str
    scope: tuple[str, ...]
    identity: tuple[str, ...]
    body: BodyShape
    schema: Mapping[str, Any] = field(repr=False)
    sample: Mapping[str, Any] = field(repr=False)
    version: int = 1
    title: str = ""
    any_value: Mapping[str, str] = field(default_factory=dict)
    watch_routes: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    keep_state: bool = True
    paths: TypePaths | None = None


def identity_of(resource_type: ResourceType, resource: Mapping[str, Any]) -> str | None:
    """Return the identity of a resource; ``None`` if a part is missing, empty, or neither a string nor an integer."""
    parts: list[str] = []
    for name in resource_type.identity:
        value = integer_as_string(resource.get(name))
        if not isinstance(value, str) or not value:
            return None
        parts.append(value)
    return "/".join(parts)


def integer_as_string(value: Any) -> Any:
    """Return an integer as a string, anything else as it is: publishers write ids and scope values in both ways."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
