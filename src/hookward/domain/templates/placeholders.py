"""Find ``${path}`` in a text: where a placeholder starts and ends, and where ``$${`` stands for ``${``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

OPENING: Final = "${"
LITERAL: Final = "$${"


@dataclass(frozen=True, slots=True)
class Reference:
    """The text between ``${`` and ``}``."""

    text: str


@dataclass(frozen=True, slots=True)
class Unclosed:
    """A placeholder without end. ``text`` is all that follows its ``${``."""

    text: str


class PathEnd:
    """Reads a path character by character and finds the ``}`` that is in no quotation and no bracket."""

    __slots__ = ("_depth", "_escaped", "_quote")

    def __init__(self) -> None:
        self._quote = ""
        self._escaped = False
        self._depth = 0

    def is_at(self, character: str) -> bool:
        """Read the next character. Return whether it is the closing brace."""
        if self._quote:
            self._within_quotes(character)
        elif character in "'\"":
            self._quote = character
        elif character in "[(":
            self._depth += 1
        elif character in "])":
            self._depth -= 1
        else:
            return character == "}" and self._depth <= 0
        return False

    def _within_quotes(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == self._quote:
            self._quote = ""


def end_of_path(text: str, start: int) -> int | None:
    """Return the offset of the ``}`` that ends the path which starts at ``start``."""
    end = PathEnd()
    for offset in range(start, len(text)):
        if end.is_at(text[offset]):
            return offset
    return None


def split(text: str) -> Iterator[str | Reference | Unclosed]:
    """Return the constant texts and placeholders of ``text`` in order. An unclosed placeholder is the last."""
    position = 0
    while (opening := text.find(OPENING, position)) >= 0:
        if opening > position and text[opening - 1] == "$":
            yield text[position : opening - 1] + OPENING
            position = opening + len(OPENING)
            continue
        yield text[position:opening]
        start = opening + len(OPENING)
        end = end_of_path(text, start)
        if end is None:
            yield Unclosed(text[start:])
            return
        yield Reference(text[start:end])
        position = end + 1
    yield text[position:]
