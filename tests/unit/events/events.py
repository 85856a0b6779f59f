"""A published event that is right, ways to make it wrong, and what is said of it then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hookward.domain.errors import Invalid, Problem, pointer_to
from hookward.domain.events.rules import ValidEvent, type_named, validate_event
from hookward.domain.resource_types.model import CompiledType
from tests.unit.resource_types.resource_types import built_in, made_up


class Seats:
    """A schema with one rule: ``seats`` is a number."""

    def is_valid(self, resource: Any) -> bool:
        return not self.problems(resource)

    def problems(self, resource: Any, *at: str | int) -> list[Problem]:
        wrong = isinstance(resource, dict) and not isinstance(resource.get("seats", 0), int)
        return [Problem(message="seats is no number", pointer=pointer_to(*at, "seats"))] if wrong else []


TYPES = {
    "shop.order": CompiledType(made_up(), Seats()),
    "part": CompiledType(made_up(scope=(), identity=("shop", "order", "line")), Seats()),
    **{name: CompiledType(each, Seats()) for name, each in built_in().items()},
}
PROPERTIES = (
    "resourceType", "scope", "event", "resource", "previousData", "extraFull", "resourceId", "occurredAt", "timeZone",
    "id",
)  # fmt: skip
RIGHT: dict[str, Any] = {
    "resourceType": "shop.order",
    "scope": {"shopId": "9"},
    "event": "updated",
    "resource": {"id": "o-1"},
}


def read(**changes: Any) -> ValidEvent:
    return read_any({**RIGHT, **changes})


def read_any(given: Any, types: Mapping[str, CompiledType] = TYPES) -> ValidEvent:
    """Validate an event as the intake does it: with the type that it names."""
    return validate_event(given, types.get(type_named(given) or ""), types)


def problems(given: Any) -> list[tuple[str | None, str]]:
    with pytest.raises(Invalid) as caught:
        read_any(given)
    return [(problem.pointer, problem.message) for problem in caught.value.problems]


def the_problem(**changes: Any) -> tuple[str | None, str]:
    [found] = problems({**RIGHT, **changes})
    return found
