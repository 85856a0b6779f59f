"""Validation problems (RFC 9457 ``errors``): messages and pointers of bounded length, also for hostile input."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeGuard

from hookward.domain.errors import Problem, pointer_to


def quoted(text: str, length: int = 60) -> str:
    """Return an excerpt of about ``length`` characters of ``text`` that is safe in any message."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return cut.encode("utf-8", "backslashreplace").decode()


MAX_UNKNOWN_FIELDS = 100
_MAX_POINTER = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def problem_at(message: str, *path: str | int) -> Problem:
    """Return a problem at ``path``. What ``message`` quotes of the input must be ``quoted``."""
    return Problem(message=message, pointer=quoted(pointer_to(*path), _MAX_POINTER))


def unknown_fields(names: Iterable[str], known: Iterable[str], what: str, *path: str | int) -> Iterator[Problem]:
    """Yield a problem for each name that is not known, at most a hundred; ``what`` names the object that has them."""
    allowed = tuple(known)
    message = f"is unknown; {what} holds {', '.join(allowed)}"
    for name in islice((name for name in names if name not in allowed), MAX_UNKNOWN_FIELDS):
        yield problem_at(f"{quoted(name)} {message}", *path, name)


def is_string(value: Any, limit: int, *, least: int = 1) -> TypeGuard[str]:
    """Return whether ``value`` is a string of ``least`` to ``limit`` characters without lone surrogates."""
    return (
        isinstance(value, str)
        and least <= len(value) <= limit
        and (value.isascii() or _SURROGATE.search(value) is None)
    )


def is_single_line(value: Any, limit: int) -> TypeGuard[str]:
    """Return whether ``value`` is a string for one line of text: not blank, without control characters."""
    return is_string(value, limit) and bool(value.strip()) and _CONTROL.search(value) is None
