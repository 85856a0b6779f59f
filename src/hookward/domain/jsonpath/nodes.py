"""The nodes of a compiled JSONPath. Each node counts its work against a step budget.

Every selector selects *distinct* children of a value and none selects a parent, so the matches of a path never overlap:
the result of a path is never larger than the document. Documents are decoded JSON (``dict`` with string keys, ``list``,
``str``, ``int``, ``float``, ``Decimal``, ``bool``, ``None``); no other Python object is ever inspected.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol, TypeAlias

from hookward.domain.errors import BudgetExceeded

MAX_PATH_STEPS: Final = 200_000

LookupKeys: TypeAlias = tuple[tuple[type[Any], str | int], ...]
"""Names and indexes, each with the type of container that it applies to."""


class NothingFound(Enum):
    """The type of ``ABSENT``, a value that no JSON document holds."""

    ABSENT = "absent"


ABSENT: Final = NothingFound.ABSENT


class Steps:
    """The step budget that an evaluation has left. A step is about one value touched or 1 KiB of text compared."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_PATH_STEPS) -> None:
        self.left = left

    def spend(self, count: int) -> None:
        """Use ``count`` steps; raises ``BudgetExceeded`` if fewer are left."""
        self.left -= count
        if self.left < 0:
            raise BudgetExceeded("a path touches too many values of the document; select less")


class Segment(Protocol):
    """One segment of a path: selects children of a value, in document order unless the path gives another."""

    def select(self, value: Any, root: Any, steps: Steps) -> list[Any]:
        """Return the selected children of ``value``; ``root`` is what ``$`` means in a filter."""


class Condition(Protocol):
    """A condition in a filter."""

    def holds(self, value: Any, root: Any, steps: Steps) -> bool: ...


def lookup(value: Any, keys: LookupKeys) -> Any:
    """Return the value at ``keys``, or ``ABSENT``: no such name, an index out of range, or the wrong container."""
    try:
        for kind, key in keys:
            if not isinstance(value, kind):
                return ABSENT
            value = value[key]
    except (KeyError, IndexError):
        return ABSENT
    return value


@dataclass(frozen=True, slots=True)
class Names:
    """Members of an object by name: ``.a``, ``['a','b']``."""

    names: tuple[str, ...]

    def select(self, value: Any, root: Any, steps: Steps) -> list[Any]:  # noqa: ARG002
        steps.spend(len(self.names))
        if not isinstance(value, dict):
            return []
        return [value[name] for name in self.names if name in value]


@dataclass(frozen=True, slots=True)
class Indexes:
    """Elements of an array by position, negative ones from its end: ``[0]``, ``[0,-1]``.

    Two indexes of the same element select it once.
    """

    indexes: tuple[int, ...]

    def select(self, value: Any, root: Any, steps: Steps) -> list[Any]:  # noqa: ARG002
        steps.spend(len(self.indexes))
        if not isinstance(value, list):
            return []
        size = len(value)
        return [value[i] for i in dict.fromkeys(i % size for i in self.indexes if -size <= i < size)]


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of an array: ``[1:3]``, ``[::-1]``."""

    start: int | None
    end: int | None
    step: int | None

    def select(self, value: Any, root: Any, steps: Steps) -> list[Any]:  # noqa: ARG002
        if not isinstance(value, list):
            return []
        chosen = value[self.start : self.end : self.step]
        steps.spend(len(chosen))
        return chosen


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Every child of an object or array: ``.*``, ``[*]``."""

    def select(self, value: Any, root: Any, steps: Steps) -> list[Any]:  # noqa: ARG002
        return _children(value, steps)


@dataclass(frozen=True, slots=True)
class Filter:
    """The children of an object or array that satisfy a condition: ``[?@.price > 10]``."""

    condition: Condition

    def select(self, value: Any, root: Any, steps: Steps) -> list[Any]:
        return [child for child in _children(value, steps) if self.condition.holds(child, root, steps)]


def _children(value: Any, steps: Steps) -> list[Any]:
    if isinstance(value, list):
        steps.spend(len(value))
        return value
    if isinstance(value, dict):
        steps.spend(len(value))
        return list(value.values())
    return []


@dataclass(frozen=True, slots=True)
class Query:
    """Segments from ``$`` (in a filter also from ``@``); ``keys`` if all are single names and indexes."""

    from_root: bool
    segments: tuple[Segment, ...]
    keys: LookupKeys | None

    def find(self, value: Any, root: Any, steps: Steps) -> list[Any]:
        start = root if self.from_root else value
        if self.keys is not None:
            steps.spend(1 + len(self.keys))
            found = lookup(start, self.keys)
            return [] if found is ABSENT else [found]
        nodes = [start]
        for segment in self.segments:
            steps.spend(len(nodes))
            nodes = [child for node in nodes for child in segment.select(node, root, steps)]
        return nodes


def query_of(segments: tuple[Segment, ...], *, from_root: bool) -> Query:
    """Return a query with its ``keys``."""
    keys: list[tuple[type[Any], str | int]] = []
    for segment in segments:
        match segment:
            case Names(names=(name,)):
                keys.append((dict, name))
            case Indexes(indexes=(index,)):
                keys.append((list, index))
            case _:
                return Query(from_root, segments, None)
    return Query(from_root, segments, tuple(keys))
