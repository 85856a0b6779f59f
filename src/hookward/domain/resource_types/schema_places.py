"""The subschemas of a JSON Schema (2020-12): where they are, how they relate, and the cost of each alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_SAME_VALUE = ("not", "if", "then", "else")
_SAME_VALUE_LISTS = ("allOf", "anyOf", "oneOf")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_COMPARISON = 14  # steps to compare a value with one of an enum that is not a string
DIVISION = 1000  # multipleOf works on exact fractions, whatever the exponents


@dataclass(slots=True)
class Place:
    """One subschema, and the numbers of related ones. Those in ``here`` apply to the same value. To each property apply
    one of ``named`` and ``rest``, and all of ``beside``; to each item one of ``items``, and all of ``every_item``.

    ``steps`` and ``per_character`` are its own cost; ``complaints`` is the most errors that it gives for one value.
    """

    value: Any
    path: tuple[str | int, ...]
    here: list[int] = field(default_factory=list)
    named: list[int] = field(default_factory=list)
    rest: list[int] = field(default_factory=list)
    beside: list[int] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    every_item: list[int] = field(default_factory=list)
    steps: int = 1
    per_character: int = 0
    complaints: int = 1


def children(place: Place) -> Iterator[tuple[Any, tuple[str | int, ...], list[int] | None]]:
    """Yield the subschemas in a place, their paths in it, and the list that their number belongs to."""
    schema: dict[str, Any] = place.value
    yield from _single(schema, dict.fromkeys(_SAME_VALUE, place.here))
    for name in _SAME_VALUE_LISTS:
        yield from _listed(schema, name, place.here)
    yield from _listed(schema, "prefixItems", place.items)
    below = {
        "additionalProperties": place.rest, "items": place.items, "contains": place.every_item,
        "unevaluatedItems": place.every_item, "unevaluatedProperties": place.beside, "propertyNames": place.beside,
    }  # fmt: skip
    yield from _single(schema, below | {"contentSchema": []})  # this one validates nothing
    among = {"properties": place.named, "patternProperties": place.beside, "dependentSchemas": place.here}
    for name in _MAPS:
        held = schema.get(name)
        if isinstance(held, dict):
            for key, each in held.items():
                yield each, (name, key), among.get(name)


def _single(
    schema: dict[str, Any], among: Mapping[str, list[int]]
) -> Iterator[tuple[Any, tuple[str | int, ...], list[int]]]:
    for name, numbers in among.items():
        if name in schema:
            yield schema[name], (name,), numbers


def _listed(
    schema: dict[str, Any], name: str, among: list[int]
) -> Iterator[tuple[Any, tuple[str | int, ...], list[int]]]:
    held = schema.get(name)
    if isinstance(held, list):
        for index, each in enumerate(held):
            yield each, (name, index), among


def patterns(schema: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        yield pattern, ("pattern",)
    held = schema.get("patternProperties")
    if isinstance(held, dict):
        for each in held:
            yield each, ("patternProperties", each)


def comparisons(schema: Mapping[str, Any]) -> int:
    """Return the steps of ``enum`` and ``const``: strings are looked up, other values are compared one by one."""
    steps = 0
    held = schema.get("enum")
    if isinstance(held, list) and not all(each is None or isinstance(each, str | bool) for each in held):
        steps += _COMPARISON * count_values(held)
    if isinstance(schema.get("const"), dict | list):
        steps += _COMPARISON * count_values(schema["const"])
    return steps


def demands(schema: Mapping[str, Any]) -> int:
    """Return how many properties may be missing."""
    dependent = schema.get("dependentRequired")
    lists = [schema.get("required"), *(dependent.values() if isinstance(dependent, dict) else ())]
    return sum(len(each) for each in lists if isinstance(each, list))


def count_values(value: Any) -> int:
    """Return how many values a JSON value holds, itself included; names in objects count too."""
    count, stack = 1, [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            count += 2 * len(each)
            stack += each.values()
        elif isinstance(each, list):
            count += len(each)
            stack += each
    return count
