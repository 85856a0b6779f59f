"""Takes the properties of a watch out of what was given, and gathers all that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookward.domain.errors import Invalid, Problem
from hookward.domain.problems import is_text, problem, unknown_fields


class Reader:
    """A watch as it was given; ``problems`` grows as it is read."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.problems: list[Problem] = []

    def problem(self, message: str, *path: str | int) -> None:
        """Note what is wrong at ``path``."""
        self.problems.append(problem(message, *path))

    def refused(self, error: Invalid, name: str, prefix: str = "") -> None:
        """Note the problems of a property that was judged elsewhere: their pointers are relative to it."""
        for each in error.problems:
            pointer = f"/{name}{each.pointer or ''}"
            self.problems.append(Problem(message=prefix + each.message, pointer=pointer))

    def text(self, *path: str, limit: int, required: bool = False) -> str | None:
        """A text of at most ``limit`` characters, if there is one."""
        value: Any = self.given
        for name in path:
            value = value.get(name)
        if value is None:
            if required:
                self.problem(f"{path[-1]} is missing; give a text", *path)
            return None
        if not is_text(value, limit, least=0):
            self.problem(f"{path[-1]} must be a text of at most {limit} characters", *path)
            return None
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of a few words; the first by default."""
        value = self.given.get(name)
        if value is None:
            return allowed[0]
        if value not in allowed:
            self.problem(f"{name} must be one of {', '.join(allowed)}", name)
            return allowed[0]
        return str(value)

    def block(self, name: str, known: tuple[str, ...]) -> Mapping[str, Any] | None:
        """An object that holds no other names than the known ones."""
        value = self.given.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.problem(f"{name} must be an object with {', '.join(known)}", name)
            return None
        self.problems += unknown_fields(value, known, name, name)
        return value
