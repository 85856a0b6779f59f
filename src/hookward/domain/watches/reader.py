"""Readers of a watch as a request gives it: they take its properties and collect every problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hookward.domain.errors import HookwardError, Invalid, Problem
from hookward.domain.problems import is_string, problem_at, unknown_fields
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.watches.blocks import names_in
from hookward.domain.watches.model import WatchBounds


class Reader:
    """The properties in a request. ``problems`` grows while they are read."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.problems: list[Problem] = []

    def problem(self, message: str, *path: str | int) -> None:
        """Add a problem at ``path``."""
        self.problems.append(problem_at(message, *path))

    def add_problems_of(self, error: Invalid, name: str, prefix: str = "") -> None:
        """Add the problems of the property ``name``, whose pointers are relative to it."""
        for each in error.problems:
            pointer = f"/{name}{each.pointer or ''}"
            self.problems.append(Problem(message=prefix + each.message, pointer=pointer))

    def text(self, *path: str, limit: int, required: bool = False) -> str | None:
        """Return the string at ``path`` if there is one; it has at most ``limit`` characters."""
        value: Any = self.given
        for name in path:
            value = value.get(name)
        if value is None:
            if required:
                self.problem(f"{path[-1]} is missing; give a text", *path)
            return None
        if not is_string(value, limit, least=0):
            self.problem(f"{path[-1]} must be a text of at most {limit} characters", *path)
            return None
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return one of the ``allowed`` words; the first is the default."""
        value = self.given.get(name)
        if value is None:
            return allowed[0]
        if value not in allowed:
            self.problem(f"{name} must be one of {', '.join(allowed)}", name)
            return allowed[0]
        return str(value)

    def block(self, name: str, described: type[msgspec.Struct]) -> Mapping[str, Any] | None:
        """Return the object ``name`` if there is one. It may hold only the names that ``described`` has."""
        value = self.given.get(name)
        if value is None:
            return None
        known = names_in(described)
        if not isinstance(value, dict):
            self.problem(f"{name} must be an object with {', '.join(known)}", name)
            return None
        self.problems += unknown_fields(value, known, name, name)
        return value


class WatchReader(Reader):
    """A watch in a request, and what its properties are validated against.

    ``sample`` is the document that the type's sample makes, on which the address, the template and the filter are
    tried. ``None`` where the type is unknown: then they are only compiled.
    """

    def __init__(self, given: Mapping[str, Any], resource_type: ResourceType | None, *, bounds: WatchBounds) -> None:
        super().__init__(given)
        self.bounds = bounds
        self.sample: dict[str, Any] | None = None
        self._type_name = resource_type.name if resource_type else ""

    def failed_on_sample(self, name: str, error: HookwardError) -> None:
        """Add the problem that ``error`` was raised when the property ``name`` was tried on the sample."""
        self.problem(f"with the sample of {self._type_name}: {error}", name)
