"""Resolves a method and a path to an operation, of a catalog file or of an account's own type.

An index is built from resource types, once for the built-in ones and once for each account that declares paths; the web
framework needs no route for them. In a path a literal has precedence over a parameter, for every method: a registration
with the id ``watch`` or ``search`` cannot be published.
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
    """An operation, and the values of its path parameters."""

    type: ResourceType
    operation: Operation
    parameters: Mapping[str, str]


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """No operation matches. ``allowed`` are the methods that the path allows; none if there is no such path."""

    allowed: tuple[str, ...] = ()


class WatchMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A watch route, and the values of its path parameters."""

    type: ResourceType
    route: str
    parameters: Mapping[str, str]


class _Node:
    """A segment of the templates; ``here`` holds what ends in it, by method, ``None`` if nothing does."""

    __slots__ = ("here", "literals", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.here: _End | None = None

    def below(self, segment: str) -> _Node:
        """Return the node for a segment of a template; create it if there is none."""
        if not segment.startswith("{"):
            return self.literals.setdefault(segment, _Node())
        self.parameter = self.parameter or _Node()
        return self.parameter


class OperationIndex:
    """The operations of resource types, by method and path. The first of two equal ones has precedence."""

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
        """Return the operation of ``method`` and of ``path`` as in the request line (percent-encoded).

        Raises ``Malformed`` if the path is not UTF-8.
        """
        here, values = self._at(path)
        resource_type, operation = here.get(method, (None, ""))
        if resource_type is None or isinstance(operation, str):
            return Mismatch(allowed=tuple(sorted(here)))
        return Match(type=resource_type, operation=operation, parameters=_named(operation.path, values))

    def resolve_watch_route(self, path: str) -> WatchMatch | None:
        """Return the watch route of ``path``, or ``None`` if it is not one; see ``resolve``."""
        here, values = self._at(path)
        resource_type, route = here.get(_WATCH_METHOD, (None, None))
        if resource_type is None or not isinstance(route, str):
            return None
        return WatchMatch(type=resource_type, route=route, parameters=_named(route, values))

    def _at(self, path: str) -> tuple[_End, list[str]]:
        """Return what ends at ``path``, and the values of its parameters."""
        try:
            segments = [unquote(segment, errors="strict") for segment in path.split("/")[1:]]
        except UnicodeDecodeError:
            raise Malformed("the path is not UTF-8 text") from None
        values: list[str] = []
        return _find(self._root, segments, 0, values) or {}, values


def match_in_version(match: Match, resource_type: ResourceType) -> Match | None:
    """Return the same match in another version of its type; ``None`` if that has no such operation."""
    meant = (match.operation.method, match.operation.path)
    for each in resource_type.operations:
        if (each.method, each.path) == meant:
            return Match(type=resource_type, operation=each, parameters=match.parameters)
    return None


def _named(template: str, values: list[str]) -> dict[str, str]:
    return dict(zip(parameters_of(template), values, strict=True))


def _find(node: _Node, segments: list[str], at: int, values: list[str]) -> _End | None:
    """Return what ends at ``segments``; the values of parameters are appended to ``values``."""
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
