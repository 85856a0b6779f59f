"""The worst-case cost of a JSON Schema (2020-12): finds its subschemas, follows its references, adds up their cost.

Nothing here validates resources. Accounts bring their own schemas, and a schema is a program: what a validator does for
one value of a resource has to be bounded before the schema is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from hookward.domain.errors import Problem
from hookward.domain.json import MAX_DEPTH
from hookward.domain.problems import problem_at, quoted
from hookward.domain.resource_types.schema_places import DIVISION, Place, children, comparisons, demands, patterns

MAX_SUBSCHEMAS: Final = 5000
MAX_NESTING: Final = 64
MAX_IN_PLACE: Final = 64
MAX_PATTERN: Final = 1000
JSON_SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_REFUSED = {
    "$dynamicRef": "use $ref",
    "$dynamicAnchor": "use $anchor",
    "$recursiveRef": "use $ref",
    "$recursiveAnchor": "leave it out",
    "dependencies": "use dependentRequired or dependentSchemas",
}
_ENDLESS = 1 << 40

PatternSize = Callable[[str], int | None]
"""Returns the most steps that a pattern costs for each character of a string; ``None`` if it cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaCost:
    """The most steps that a validator takes for one value of a resource, and for one character of its strings.

    ``complaints`` is the most errors that one value may give. ``branches`` says that a value that fails is explained
    once for every alternative. ``names`` are the properties that the schema names for the resource itself.
    """

    steps: int
    per_character: int
    complaints: int
    branches: bool
    names: frozenset[str]


def measure_schema(schema: Any, pattern_size: PatternSize) -> tuple[SchemaCost | None, list[Problem]]:
    """Return the cost of a schema, or ``None`` and the problems that forbid its use.

    The meta-schema is not applied here: malformed parts are ignored.
    """
    walk = _SchemaWalk(pattern_size)
    if not walk.walk(schema):
        return None, walk.problems
    walk.follow_references()
    order = walk.order()
    if walk.problems:
        return None, walk.problems
    places = walk.places
    schemas = [each.value for each in places if isinstance(each.value, dict)]
    return SchemaCost(
        steps=_most(places, order, [each.steps for each in places]),
        per_character=_most(places, order, [each.per_character for each in places]),
        complaints=_most(places, order, [each.complaints for each in places]),
        branches=any("anyOf" in each or "oneOf" in each for each in schemas),
        names=frozenset(_names(places)),
    ), []


def _names(places: list[Place]) -> Iterator[str]:
    """Yield the properties named by the subschemas that apply to the resource as a whole."""
    seen, stack = {0}, [0]
    while stack:
        place = places[stack.pop()]
        for word in ("properties", "required"):
            held = place.value.get(word) if isinstance(place.value, dict) else None
            yield from (each for each in held or () if isinstance(each, str)) if isinstance(held, dict | list) else ()
        stack += [each for each in place.here if each not in seen]
        seen.update(place.here)


class _SchemaWalk:
    """Finds the subschemas of a schema, how they refer to each other, and what is not allowed."""

    def __init__(self, pattern_size: PatternSize) -> None:
        self.places: list[Place] = []
        self.problems: list[Problem] = []
        self._pattern_size = pattern_size
        self._at: dict[tuple[str, ...], int] = {}
        self._anchors: dict[str, int] = {}

    def walk(self, schema: Any) -> bool:
        """Find every subschema; return False if there are too many or they are nested too deep."""
        stack: list[tuple[Any, tuple[str | int, ...], list[int] | None]] = [(schema, (), None)]
        while stack:
            value, path, siblings = stack.pop()
            if len(self.places) >= MAX_SUBSCHEMAS:
                self._problem(f"a schema may hold {MAX_SUBSCHEMAS} subschemas; this one holds more")
                return False
            if len(path) > MAX_NESTING:
                self._problem(f"lies over {MAX_NESTING} levels deep; name parts under $defs and $ref them", *path)
                return False
            number = len(self.places)
            place = Place(value, path)
            self.places.append(place)
            self._at[tuple(map(str, path))] = number
            if siblings is not None:
                siblings.append(number)
            if isinstance(value, dict):
                self._inspect(place, number)
                stack += [(child, (*path, *at), into) for child, at, into in children(place)][::-1]
        return True

    def _problem(self, message: str, *path: str | int) -> None:
        self.problems.append(problem_at(message, *path))

    def _inspect(self, place: Place, number: int) -> None:
        schema: dict[str, Any] = place.value
        place.steps += len(schema) + comparisons(schema) + DIVISION * ("multipleOf" in schema)
        place.complaints += len(schema) + demands(schema)
        for name, instead in _REFUSED.items():
            if name in schema:
                self._problem(f"{name} is not taken; {instead}", *place.path, name)
        if schema.get("$schema") not in (None, JSON_SCHEMA_DIALECT):
            self._problem(f"$schema must be {JSON_SCHEMA_DIALECT}, or be left out", *place.path, "$schema")
        if "$id" in schema and place.path:
            self._problem("$id is taken at the top only; use $anchor", *place.path, "$id")
        anchor = schema.get("$anchor")
        if isinstance(anchor, str) and self._anchors.setdefault(anchor, number) != number:
            self._problem(f"$anchor {quoted(anchor)} is there twice", *place.path, "$anchor")
        for pattern, at in patterns(schema):
            self._weigh_pattern(place, pattern, at)

    def _weigh_pattern(self, place: Place, pattern: str, at: tuple[str, ...]) -> None:
        if len(pattern) > MAX_PATTERN:
            self._problem(f"a pattern may be {MAX_PATTERN} characters long", *place.path, *at)
            return
        size = self._pattern_size(pattern)
        if size is None:
            message = (
                f"{quoted(pattern)} cannot be used as a pattern: it must be a regular expression without look-around "
                "and back-references, and its repetitions must not multiply to too many"
            )
            self._problem(message, *place.path, *at)
            return
        place.per_character += size

    def follow_references(self) -> None:
        """Connect each ``$ref`` with the subschema that it names."""
        for place in self.places:
            reference = place.value.get("$ref") if isinstance(place.value, dict) else None
            if not isinstance(reference, str):
                continue
            target = self._find(reference)
            if target is None:
                message = f"{quoted(reference)} refers to no schema of this document; use #, #/$defs/name or #anchor"
                self._problem(message, *place.path, "$ref")
            else:
                place.here.append(target)

    def _find(self, reference: str) -> int | None:
        if not reference.startswith("#"):
            return None
        fragment = unquote(reference[1:])
        if not fragment or fragment.startswith("/"):
            segments = [part.replace("~1", "/").replace("~0", "~") for part in fragment.split("/")[1:]]
            return self._at.get(tuple(segments))
        return self._anchors.get(fragment)

    def order(self) -> list[int]:
        """Return the subschemas in an order in which each follows all that apply to the same value through it.

        A circle of references is a problem.
        """
        order: list[int] = []
        height = [0] * len(self.places)  # 0: not seen, -1: in progress, else the depth of references
        for start in range(len(self.places)):
            stack = [] if height[start] else [start]
            while stack:
                number = stack[-1]
                here = self.places[number].here
                if height[number] == 0:
                    height[number] = -1
                    if any(height[each] == -1 for each in here):
                        self._problem("goes round in a circle that never enters a property or an item",
                                      *self.places[number].path)  # fmt: skip
                        return []
                    stack += [each for each in here if height[each] == 0]
                    continue
                stack.pop()
                if height[number] == -1:
                    height[number] = 1 + max((height[each] for each in here), default=0)
                    order.append(number)
        if max(height) > MAX_IN_PLACE:
            deepest = self.places[height.index(max(height))]
            self._problem(f"over {MAX_IN_PLACE} schemas judge one value through one another", *deepest.path)
        return order


def _most(places: list[Place], order: list[int], own: list[int]) -> int:
    """Return the most that any one value of a resource costs, level by level, down to the greatest depth of JSON.

    A schema that refers to itself twice doubles its cost with every level and reaches the maximum.
    """
    level = [0] * len(places)
    for number in order:
        level[number] = min(_ENDLESS, own[number] + sum(level[each] for each in places[number].here))
    most = level[0]
    for _ in range(MAX_DEPTH):
        below, level = level, [0] * len(places)
        for number in order:
            place = places[number]
            inside = max(_inside_object(place, below), _inside_array(place, below))
            level[number] = min(_ENDLESS, inside + sum(level[each] for each in place.here))
        most = max(most, level[0])
        if level == below:
            break
    return most


def _inside_object(place: Place, below: list[int]) -> int:
    return max((below[each] for each in (*place.named, *place.rest)), default=0) + sum(
        below[each] for each in place.beside
    )


def _inside_array(place: Place, below: list[int]) -> int:
    return max((below[each] for each in place.items), default=0) + sum(below[each] for each in place.every_item)
