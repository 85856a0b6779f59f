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
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.resource_types.operations import Operation, parameters_of

_WATCH_METHOD: Final = "POST"
_End = dict[str, tuple[ResourceType, Operation | str]]


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """The operation that was meant, and what its path says."""

    type: ResourceType
    operation: Operation
    parameters: Mapping[str, str]


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to publish here; ``allowed`` are the methods that this path takes, none where there is no such path."""

    allowed: tuple[str, ...] = ()


class WatchMatch(msgspec.Struct, frozen=True, kw_only=True):
    """The watch route that was meant, and what its path says."""

    type: ResourceType
    route: str
    parameters: Mapping[str, str]


class _Node:
    """A step of the templates; ``here`` is what ends in it by method, ``None`` where nothing does."""

    __slots__ = ("here", "literals", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.here: _End | None = None

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
                self._end_of(path).setdefault(_WATCH_METHOD, (each, path))
            for operation in each.operations:
                self._put(each, operation)

    def _put(self, resource_type: ResourceType, operation: Operation) -> None:
        for path in operation.paths:
            ends = self._end_of(path)
            if operation.publishes:
                ends.setdefault(operation.method, (resource_type, operation))

    def _end_of(self, path: str) -> _End:
        node = self._root
        for segment in path.split("/")[1:]:
            node = node.below(segment)
        node.here = {} if node.here is None else node.here
        return node.here

    def resolve(self, method: str, path: str) -> Match | Mismatch:
        """What ``path``, as it stands in the request line (percent-encoded), means with ``method``.

        Raises ``Malformed`` for a path that is not UTF-8.
        """
        here, values = self._at(path)
        resource_type, operation = here.get(method, (None, ""))
        if resource_type is None or isinstance(operation, str):
            return Mismatch(allowed=tuple(sorted(here)))
        return Match(type=resource_type, operation=operation, parameters=_named(operation.path, values))

    def watched(self, path: str) -> WatchMatch | None:
        """The watch route that ``path`` is, if it is one; see ``resolve``."""
        here, values = self._at(path)
        resource_type, route = here.get(_WATCH_METHOD, (None, None))
        if resource_type is None or not isinstance(route, str):
            return None
        return WatchMatch(type=resource_type, route=route, parameters=_named(route, values))

    def _at(self, path: str) -> tuple[_End, list[str]]:
        """What ends at ``path``, and what stands there for parameters."""
        try:
            segments = [unquote(segment, errors="strict") for segment in path.split("/")[1:]]
        except UnicodeDecodeError:
            raise Malformed("the path is not UTF-8 text") from None
        values: list[str] = []
        return _find(self._root, segments, 0, values) or {}, values


def settled(match: Match, resource_type: ResourceType) -> Match | None:
    """What a match is by another version of its type; ``None`` where that has no such operation."""
    meant = (match.operation.method, match.operation.path)
    for each in resource_type.operations:
        if (each.method, each.path) == meant:
            return Match(type=resource_type, operation=each, parameters=match.parameters)
    return None


def _named(template: str, values: list[str]) -> dict[str, str]:
    return dict(zip(parameters_of(template), values, strict=True))


def _find(node: _Node, segments: list[str], at: int, values: list[str]) -> _End | None:
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
