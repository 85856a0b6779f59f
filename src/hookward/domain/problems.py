"""How rules name what is wrong: sentences and places that an answer can hold, however hostile the input."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeGuard

from hookward.domain.errors import Problem, pointer_to


def quoted(text: str, length: int = 60) -> str:
    """``text`` as an excerpt of about ``length`` characters that any message can hold."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return cut.encode("utf-8", "backslashreplace").decode()


MAX_UNKNOWN_FIELDS = 100
_MAX_POINTER = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def problem_at(message: str, *path: str | int) -> Problem:
    """A problem at ``path``. What ``message`` quotes of the input has to be ``jsonpath_limits.shown``."""
    return Problem(message=message, pointer=quoted(pointer_to(*path), _MAX_POINTER))


def unknown_fields(names: Iterable[str], known: Iterable[str], what: str, *path: str | int) -> Iterator[Problem]:
    """A problem for each name that is not known, at most a hundred; ``what`` holds those that are."""
    allowed = tuple(known)
    message = f"is unknown; {what} holds {', '.join(allowed)}"
    for name in islice((name for name in names if name not in allowed), MAX_UNKNOWN_FIELDS):
        yield problem_at(f"{quoted(name)} {message}", *path, name)


def is_string(value: Any, limit: int, *, least: int = 1) -> TypeGuard[str]:
    """Whether ``value`` is a text of ``least`` to ``limit`` characters, all of them whole."""
    return (
        isinstance(value, str)
        and least <= len(value) <= limit
        and (value.isascii() or _SURROGATE.search(value) is None)
    )


def is_single_line(value: Any, limit: int) -> TypeGuard[str]:
    """Whether ``value`` is a text that people can read on one line: not blank, no control characters."""
    return is_string(value, limit) and bool(value.strip()) and _CONTROL.search(value) is None
