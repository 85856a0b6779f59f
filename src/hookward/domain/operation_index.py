"""Finds the operation that a method and a path mean, whoever declared it: a catalog file or an account.

An index is built from resource types, once for the built-in ones and once for each account that declares paths, and
needs no route of a web framework. In a path a literal beats a parameter, whatever the method: nothing is ever
published of a registration that is called ``watch`` or ``search``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

import msgspec

from hookward.domain.errors import Malformed
from hookward.domain.operation import Operation, parameters_of
from hookward.domain.resource_type import ResourceType

_WATCH_METHOD: Final = "POST"


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """The operation that was meant, and what its path says."""

    type: ResourceType
    operation: Operation
    parameters: Mapping[str, str]


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to publish here; ``allowed`` are the methods that this path takes, none where there is no such path."""

    allowed: tuple[str, ...] = ()


class _Node:
    """A step of the templates; ``here`` are the operations of those that end in it, ``None`` where none does."""

    __slots__ = ("here", "literals", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.here: dict[str, tuple[ResourceType, Operation] | None] | None = None

    def below(self, segment: str) -> _Node:
        """The step for a segment of a template, made if need be."""
        if not segment.startswith("{"):
            return self.literals.setdefault(segment, _Node())
        self.parameter = self.parameter or _Node()
        return self.parameter


class OperationIndex:
    """The operations of some resource types, by method and path. Of two that are alike the first counts."""

    def __init__(self, types: Iterable[ResourceType]) -> None:
        self._root = _Node()
        for each in types:
            for path in each.watch_routes:
                self._end_of(path).setdefault(_WATCH_METHOD, None)
            for operation in each.operations:
                self._put(each, operation)

    def _put(self, resource_type: ResourceType, operation: Operation) -> None:
        for path in operation.paths:
            ends = self._end_of(path)
            if operation.publishes:
                ends.setdefault(operation.method, (resource_type, operation))

    def _end_of(self, path: str) -> dict[str, tuple[ResourceType, Operation] | None]:
        node = self._root
        for segment in path.split("/")[1:]:
            node = node.below(segment)
        node.here = {} if node.here is None else node.here
        return node.here

    def resolve(self, method: str, path: str) -> Match | Mismatch:
        """What ``path``, as it stands in the request line (percent-encoded), means with ``method``.

        Raises :class:`Malformed` for a path that is not UTF-8.
        """
        try:
            segments = [unquote(segment, errors="strict") for segment in path.split("/")[1:]]
        except UnicodeDecodeError:
            raise Malformed("the path is not UTF-8 text") from None
        values: list[str] = []
        here = _find(self._root, segments, 0, values)
        if here is None:
            return Mismatch()
        found = here.get(method)
        if found is None:
            return Mismatch(allowed=tuple(sorted(here)))
        resource_type, operation = found
        names = parameters_of(operation.path)
        return Match(type=resource_type, operation=operation, parameters=dict(zip(names, values, strict=True)))


def _find(
    node: _Node, segments: list[str], at: int, values: list[str]
) -> dict[str, tuple[ResourceType, Operation] | None] | None:
    """The end that ``segments`` lead to; ``values`` collects what stood for parameters."""
    if at == len(segments):
        return node.here
    literal = node.literals.get(segments[at])
    found = None if literal is None else _find(literal, segments, at + 1, values)
    if found is not None or node.parameter is None or not segments[at]:
        return found
    values.append(segments[at])
    found = _find(node.parameter, segments, at + 1, values)
    if found is None:
        values.pop()
    return found
