"""A watch that is right, ways to make it wrong, and what is said of it then."""

from __future__ import annotations

from typing import Any

import pytest

from hookward.domain.errors import Invalid
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.watches.rules import WatchRequest, read_watch
from tests.unit.resource_types.resource_types import made_up

SECOND = 1_795_166_130
RIGHT: dict[str, Any] = {"address": "https://example.com/hooks"}
KEY_IDS = [f"key_{number:032x}" for number in range(9)]


def read_all(given: Any, resource_type: ResourceType | None = None) -> WatchRequest:
    return read_watch(given, resource_type or made_up(), {"shopId": "9"}, second=SECOND)


def read(**changes: Any) -> WatchRequest:
    return read_all({**RIGHT, **changes})


def problems(given: Any) -> list[tuple[str | None, str]]:
    with pytest.raises(Invalid) as caught:
        read_all(given)
    return [(problem.pointer, problem.message) for problem in caught.value.problems]


def the_problem(**changes: Any) -> tuple[str | None, str]:
    [found] = problems({**RIGHT, **changes})
    return found
