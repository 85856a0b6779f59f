"""Conditions in filters of a JSONPath (RFC 9535), for documents whose numbers may be ``Decimal``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hookward.domain.jsonpath.nodes import Condition, Query, Steps


@dataclass(frozen=True, slots=True)
class AllOf:
    """``a && b``."""

    conditions: tuple[Condition, ...]

    def holds(self, value: Any, root: Any, steps: Steps) -> bool:
        return all(condition.holds(value, root, steps) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``a || b``."""

    conditions: tuple[Condition, ...]

    def holds(self, value: Any, root: Any, steps: Steps) -> bool:
        return any(condition.holds(value, root, steps) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Exists:
    """``@.a`` or ``!@.a``: whether a query finds any value, null included."""

    query: Query
    expected: bool

    def holds(self, value: Any, root: Any, steps: Steps) -> bool:
        return bool(self.query.find(value, root, steps)) is self.expected


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison as in RFC 9535 §2.3.5.2.2; of several values on the left, one has to satisfy it.

    A missing value equals only another missing value, so ``!=`` is true of it.
    """

    left: Query
    symbol: str
    right: Query | str | float | bool | None

    def holds(self, value: Any, root: Any, steps: Steps) -> bool:
        left = self.left.find(value, root, steps)
        right = self.right.find(value, root, steps) if isinstance(self.right, Query) else [self.right]
        if not left or not right:
            return _OF_EQUALITY[self.symbol](not left and not right)
        return any(_compare(self.symbol, one, other, steps) for one in left for other in right)


_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_OF_EQUALITY: Mapping[str, Callable[[bool], bool]] = {
    "==": bool,
    "!=": operator.not_,
    "<": lambda _: False,
    "<=": bool,
    ">": lambda _: False,
    ">=": bool,
}


def _compare(symbol: str, left: Any, right: Any, steps: Steps) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        steps.spend(1 + min(len(left), len(right)) // 1024)
        return _ORDERED[symbol](left, right)
    if _is_number(left) and _is_number(right):
        return _ORDERED[symbol](*_alike(left, right))
    return _OF_EQUALITY[symbol](_equal(left, right, steps))


def _equal(left: Any, right: Any, steps: Steps) -> bool:
    """Return whether two values are equal. The order of members does not count; a boolean never equals a number."""
    pairs = [(left, right)]
    while pairs:
        left, right = pairs.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            steps.spend(1 + len(left))
            if left.keys() != right.keys():
                return False
            pairs.extend((member, right[name]) for name, member in left.items())
        elif isinstance(left, list) and isinstance(right, list):
            steps.spend(1 + len(left))
            if len(left) != len(right):
                return False
            pairs.extend(zip(left, right, strict=True))
        elif not _equal_scalars(left, right, steps):
            return False
    return True


def _equal_scalars(left: Any, right: Any, steps: Steps) -> bool:
    if _is_number(left) and _is_number(right):
        return bool(operator.eq(*_alike(left, right)))
    if isinstance(left, str) and isinstance(right, str):
        steps.spend(min(len(left), len(right)) // 1024)
        return left == right
    return type(left) is type(right) and bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Return both numbers in types that compare as written: ``Decimal("0.1")`` equals the float 0.1."""
    if isinstance(left, Decimal) and isinstance(right, float):
        return left, Decimal(repr(right))
    if isinstance(left, float) and isinstance(right, Decimal):
        return Decimal(repr(left)), right
    return left, right
