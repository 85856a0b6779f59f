"""Operations: what a resource's own REST API does to it, said as data, so that mirroring it needs no code per system.

A type lists the operations of its API. To publish, an upstream service repeats an operation here: same method, same
path, same body. The operation says which change event that is and where its parts come from. Nothing in it knows where
it was written down: a catalog file and an account's own type mean the same by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class ChangeKind(IntEnum):
    """What happened; the number is what the store keeps."""

    CREATED = 1
    UPDATED = 2
    DELETED = 3
    MERGED = 4

    @property
    def word(self) -> str:
        """``created``: what users read and write."""
        return _WORDS[self]

    @classmethod
    def from_word(cls, word: str) -> ChangeKind | None:
        return _KINDS.get(word)


_WORDS = {kind: kind.name.lower() for kind in ChangeKind}
_KINDS = {word: kind for kind, word in _WORDS.items()}


METHODS = ("POST", "PUT", "PATCH", "DELETE")


class Format(StrEnum):
    """How a body is written."""

    JSON = "json"
    JSV = "jsv"
    FORM = "form"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationBatch:
    """How a body lists several operations: ``{items: [{verb, id, resource | directives}…]}``, by those names.

    ``kinds`` says which event each verb is; a verb outside it is refused. ``identity`` is the property that ``id``
    fills. ``limit`` bounds the items.
    """

    items: str
    verb: str
    id: str
    identity: str
    resource: str
    directives: str
    kinds: Mapping[str, ChangeKind]
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of a resource's API.

    ``path`` is a template (``/shops/{shopId}/orders/{orderId}``) that holds every scope parameter. ``event`` is what
    it is published as; without one, and without a ``batch``, the operation changes nothing: it is listed so that its
    path is never taken for that of a resource.

    * ``fills``: which property a path parameter gives, ``{"orderId": "id"}``; a body that says otherwise is refused.
    * ``aliases``: a property that such a parameter may hold instead, ``{"orderId": "reference"}``.
    * ``body``: whether there must be one; it is the resource (a ``PATCH`` sends the changed part of it).
    * ``renames``: the body is no resource but holds these names only, ``{"reason": "cancelReason"}``.
    * ``options``: names in the body that steer the API and are not published.
    * ``formats``: how bodies and answers may be written; beside JSON, what came as mere text is typed by the schema.
    * ``query``: whether properties may come as query parameters too; any others are ignored.
    """

    method: str
    path: str
    event: ChangeKind | None = None
    fills: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    body: bool = True
    renames: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    formats: tuple[Format, ...] = (Format.JSON,)
    query: bool = False
    batch: OperationBatch | None = None

    @property
    def publishes(self) -> bool:
        """Whether it is a change at all."""
        return self.event is not None or self.batch is not None

    @property
    def paths(self) -> tuple[str, ...]:
        """The template, and with several formats the template with each format's suffix (``.jsv``)."""
        suffixes = (each.value for each in self.formats if each is not Format.FORM) if len(self.formats) > 1 else ()
        return (self.path, *(f"{self.path}.{suffix}" for suffix in suffixes))


_PATH = re.compile(r"(?:/(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z0-9._~-]+))+")
_PARAMETER = re.compile(r"\{([^{}]*)\}")


def parameters_of(path: str) -> list[str]:
    """The names in braces, in order."""
    return _PARAMETER.findall(path)


def faults(operation: Operation, scope: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with an operation of a type with this scope, a sentence each."""
    path, named = operation.path, parameters_of(operation.path)
    if operation.method not in METHODS:
        yield f"the method {operation.method} must be one of {', '.join(METHODS)}"
    if not _PATH.fullmatch(path):
        yield f"the path {path} must be made of /literals and /{{parameters}}"
    if len(set(named)) < len(named):
        yield f"the path {path} names a parameter twice"
    if len(operation.formats) > 1 and path.endswith("}"):
        yield f"the path {path} must end in a literal to take the suffix of a format"
    if operation.publishes:
        yield from _unfit_parameters(operation, named, scope)


def _unfit_parameters(operation: Operation, named: list[str], scope: tuple[str, ...]) -> Iterator[str]:
    path, fills = operation.path, operation.fills
    if lacking := ", ".join(name for name in scope if name not in named):
        yield f"the path {path} lacks {lacking} of the scope"
    if unknown_fields := ", ".join(name for name in named if name not in scope and name not in fills):
        yield f"the path {path} names {unknown_fields}, which is neither in the scope nor fills a property"
    if unknown_fields := ", ".join(name for name in fills if name not in named):
        yield f"the path {path} lacks {unknown_fields}, which fills a property"
    if unknown_fields := ", ".join(name for name in operation.aliases if name not in fills):
        yield f"{unknown_fields} of {path} has an alias but fills no property"
