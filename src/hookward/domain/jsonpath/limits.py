"""The bounds of a JSONPath, and the error for one that is not allowed."""

from __future__ import annotations

from typing import Final

from hookward.domain.errors import Invalid, Problem

MAX_LENGTH: Final = 512
MAX_PATH_SEGMENTS: Final = 32
MAX_BRACKET_DEPTH: Final = 8
MAX_INDEX: Final = 2**53 - 1


def refusal(message: str) -> Invalid:
    """Return the error for a path that cannot be used."""
    return Invalid("the path cannot be used", (Problem(message=message),))
