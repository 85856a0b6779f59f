"""JSV, the text format of ServiceStack: JSON's shapes with CSV's quoting.

``{Name: Zoë, Tags: [a, b], Room: "1, left"}``. A string is bare unless it holds one of ``, [ ] { } "`` or a line break,
or is empty or begins or ends with a blank; then it is in quotation marks, and inner ones are doubled. A member is
split at its first ``:``, so dates are bare. Nothing is typed: every value is a string, an object, an array, or ``None``
where there is no value; types come from a schema (``events.coercion``).
"""

from __future__ import annotations

import re
from typing import Any

from hookward.domain.errors import Malformed
from hookward.domain.json import MAX_DEPTH, encode_exact, too_deep

_BLANK = re.compile(r"\s*")
_QUOTED = re.compile(r'"((?:[^"]++|"")*+)"')
_BARE_NAME = re.compile(r'[^:,{}\[\]"]*')
_BARE = re.compile(r'[^,{}\[\]"]*')
_NEEDS_QUOTES = re.compile(r'[,{}\[\]"\r\n]|^\s|\s$|^$')


def read_jsv(text: str) -> Any:
    """Return the value that ``text`` holds; raises Malformed with what was expected and where, Invalid if too deep."""
    reader = _Reader(text)
    value = reader.value(1)
    if reader.at < len(text):
        raise reader.expected("the end")
    return value


def write_jsv(value: Any) -> str:
    """Return a JSON value as JSV; members that are ``None`` are left out."""
    match value:
        case None:
            return ""
        case str():
            return _text(value)
        case bool():
            return str(value)
        case dict():
            members = (f"{_name(name)}:{write_jsv(each)}" for name, each in value.items() if each is not None)
            return "{" + ",".join(members) + "}"
        case list():
            return "[" + ",".join(write_jsv(each) for each in value) + "]"
        case _:
            return encode_exact(value).decode()


def _text(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if ":" in name else _text(name)


class _Reader:
    """A position in a text. Each method reads something there and the blanks after it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0
        self._skip_blanks()

    def expected(self, what: str) -> Malformed:
        found = repr(self._text[self.at]) if self.at < len(self._text) else "the end"
        return Malformed(f"the body is not JSV: expected {what} at offset {self.at}, found {found}")

    def value(self, depth: int) -> Any:
        match self._peek():
            case "{":
                return self._object(_bounded(depth))
            case "[":
                return self._array(_bounded(depth))
            case '"':
                return self._quoted()
            case _:
                return self._bare(_BARE) or None

    def _object(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        self._take("{")
        while self._peek() != "}":
            name = self._quoted() if self._peek() == '"' else self._bare(_BARE_NAME)
            self._take(":", after=name)
            members[name] = self.value(depth + 1)
            if self._peek() != "}":
                self._take(",", or_end="}")
        self._take("}")
        return members

    def _array(self, depth: int) -> list[Any]:
        elements: list[Any] = []
        self._take("[")
        if self._peek() != "]":
            elements.append(self.value(depth + 1))
        while self._peek() != "]":
            self._take(",", or_end="]")
            elements.append(self.value(depth + 1))
        self._take("]")
        return elements

    def _quoted(self) -> str:
        found = _QUOTED.match(self._text, self.at)
        if found is None:
            self.at = len(self._text)
            raise self.expected("a closing quotation mark")
        self._move(found.end())
        return found[1].replace('""', '"')

    def _bare(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self.at)
        assert found is not None  # it matches nothing at all, too
        self._move(found.end())
        return found[0].rstrip()

    def _take(self, sign: str, *, or_end: str = "", after: str | None = None) -> None:
        if self._peek() != sign or after == "":
            raise self.expected("a name and a colon" if sign == ":" else f"{sign} or {or_end}" if or_end else sign)
        self._move(self.at + 1)

    def _peek(self) -> str:
        return self._text[self.at : self.at + 1]

    def _move(self, to: int) -> None:
        self.at = to
        self._skip_blanks()

    def _skip_blanks(self) -> None:
        found = _BLANK.match(self._text, self.at)
        assert found is not None  # it matches nothing at all, too
        self.at = found.end()


def _bounded(depth: int) -> int:
    if depth > MAX_DEPTH:
        raise too_deep()
    return depth
