"""The operations of a resource's own REST API, described as data, so that mirroring an API needs no code of its own.

A type lists the operations of its API. To publish, an upstream service repeats an operation here: same method, same
path, same body. The operation says which change event that is and where its parts come from. It means the same in a
catalog file and in an account's own type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class ChangeKind(IntEnum):
    """What happened to a resource; the number is stored."""

    CREATED = 1
    UPDATED = 2
    DELETED = 3
    MERGED = 4

    @property
    def word(self) -> str:
        """The name in requests and responses: ``created``."""
        return _WORDS[self]

    @classmethod
    def from_word(cls, word: str) -> ChangeKind | None:
        return _KINDS.get(word)


_WORDS = {kind: kind.name.lower() for kind in ChangeKind}
_KINDS = {word: kind for kind, word in _WORDS.items()}


METHODS = ("POST", "PUT", "PATCH", "DELETE")


class Format(StrEnum):
    """The format of a body."""

    JSON = "json"
    JSV = "jsv"
    FORM = "form"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationBatch:
    """The names by which a body lists several operations: ``{items: [{verb, id, resource | directives}…]}``.

    ``kinds`` gives the kind of change for each verb; other verbs are refused. ``identity`` is the property that ``id``
    fills. ``limit`` is the most items.
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

    ``path`` is a template (``/shops/{shopId}/orders/{orderId}``) that holds every scope parameter. ``event`` is the
    kind of change that it publishes; without one, and without a ``batch``, the operation changes nothing: it is listed
    so that its path is never taken for that of a resource.

    * ``fills``: the property that a path parameter gives, ``{"orderId": "id"}``; a contradicting body is refused.
    * ``aliases``: a property that such a parameter may hold instead, ``{"orderId": "reference"}``.
    * ``body``: whether a body is required; it is the resource (for ``PATCH`` its changed part).
    * ``renames``: the body is not the resource but holds these names only, ``{"reason": "cancelReason"}``.
    * ``options``: names in the body that control the API and are not published.
    * ``formats``: the formats of bodies and responses; strings from other formats than JSON get types by the schema.
    * ``query``: whether query parameters may give properties too; other query parameters are ignored.
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
        """Whether the operation changes a resource."""
        return self.event is not None or self.batch is not None

    @property
    def paths(self) -> tuple[str, ...]:
        """The template and, if there are several formats, the template with the suffix of each (``.jsv``)."""
        suffixes = (each.value for each in self.formats if each is not Format.FORM) if len(self.formats) > 1 else ()
        return (self.path, *(f"{self.path}.{suffix}" for suffix in suffixes))


_PATH = re.compile(r"(?:/(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z0-9._~-]+))+")
_PARAMETER = re.compile(r"\{([^{}]*)\}")


def parameters_of(path: str) -> list[str]:
    """Return the names in braces, in order."""
    return _PARAMETER.findall(path)


def faults(operation: Operation, scope: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with an operation of a type with this scope, one sentence for each fault."""
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
        yield from _parameter_faults(operation, named, scope)


def _parameter_faults(operation: Operation, named: list[str], scope: tuple[str, ...]) -> Iterator[str]:
    path, fills = operation.path, operation.fills
    if lacking := ", ".join(name for name in scope if name not in named):
        yield f"the path {path} lacks {lacking} of the scope"
    if unused := ", ".join(name for name in named if name not in scope and name not in fills):
        yield f"the path {path} names {unused}, which is neither in the scope nor fills a property"
    if absent := ", ".join(name for name in fills if name not in named):
        yield f"the path {path} lacks {absent}, which fills a property"
    if without_property := ", ".join(name for name in operation.aliases if name not in fills):
        yield f"{without_property} of {path} has an alias but fills no property"
