"""The string form of a template: JSON text with placeholders for whole values and within quotes.

The text is read once. What stands within quotes is checked here, escape by escape, so that every stretch between two
placeholders is by itself the inside of a JSON string (RFC 8259 §7). For what stands outside, each string is blanked and
each placeholder replaced by ``null``, at equal length, and Python's JSON decoder checks the rest and names the offset.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from hookward.domain.problems import quoted
from hookward.domain.templates.compiler import MAX_SOURCE, MAX_TEMPLATE_DEPTH, TemplateBuilder
from hookward.domain.templates.placeholders import LITERAL, OPENING, PathEnd, end_of_path

_ESCAPE: Final = (
    r'\\["\\/bfnrt]'
    r"|\\u(?:[0-9a-cefA-CEF][0-9a-fA-F]|[dD][0-7])[0-9a-fA-F]{2}"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_CHARACTER: Final = re.compile(rf'[^"\\\x00-\x1f]|{_ESCAPE}')
_WITHIN_QUOTES: Final = re.compile(
    rf'(?P<characters>(?:[^"\\\x00-\x1f$]|\$(?!\$?\{{)|{_ESCAPE})+)'
    r"|(?P<literal>\$\$\{)|(?P<opening>\$\{)"
)
_OUTSIDE_QUOTES: Final = re.compile(r'\$\$\{|\$\{|["\[\]{}]')


def compile_text(source: str, builder: TemplateBuilder) -> None:
    """Compile JSON text with placeholders. Problems have the pointer of the whole and name line and column."""
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        builder.give_up(
            f"{_place(source, error.start)}half of a surrogate pair is no character; write whole characters"
        )
    if size > MAX_SOURCE:
        builder.give_up(f"the template has {size} bytes; at most {MAX_SOURCE} are allowed")
    form = _TextForm(source, builder)
    form.read()
    form.check_structure()


class _TextForm:
    def __init__(self, source: str, builder: TemplateBuilder) -> None:
        self._source = source
        self._builder = builder
        self._skeleton: list[str] = []
        self._depth = 0

    def read(self) -> None:
        position = 0
        while found := _OUTSIDE_QUOTES.search(self._source, position):
            self._copy(position, found.start())
            match found[0]:
                case '"':
                    position = self._string(found.start())
                case "${":
                    position = self._value(found.start())
                case bracket:
                    self._nest(bracket, found.start())
                    self._copy(found.start(), found.end())
                    position = found.end()
        self._copy(position, len(self._source))

    def check_structure(self) -> None:
        try:
            json.loads(
                "".join(self._skeleton), parse_int=str, parse_float=_check_float, parse_constant=_refuse_constant
            )
        except json.JSONDecodeError as error:
            cure = "a placeholder outside quotes stands for one whole value"
            if self._source.startswith(LITERAL, error.pos):
                cure = "a literal `${` stands within quotes only"
            self._builder.problem(f"{self._at(error.pos)}this is not JSON ({error.msg}); {cure}")
        except ValueError as error:
            self._builder.problem(str(error))

    def _copy(self, start: int, end: int) -> None:
        text = self._source[start:end]
        self._skeleton.append(text)
        self._builder.constant(text.encode())

    def _nest(self, bracket: str, position: int) -> None:
        if bracket in "[{":
            self._depth += 1
        elif bracket in "]}":
            self._depth -= 1
        if self._depth > MAX_TEMPLATE_DEPTH:
            self._builder.give_up(
                f"{self._at(position)}nested deeper than {MAX_TEMPLATE_DEPTH}; use a flatter template"
            )

    def _value(self, opening: int) -> int:
        """Read a placeholder that stands for a value. Return the position after it."""
        start = opening + len(OPENING)
        end = end_of_path(self._source, start)
        if end is None:
            self._unclosed(opening, self._source[start:])
        self._builder.placeholder(self._source[start:end], typed=True, place=self._at(opening))
        self._skeleton.append("null".ljust(end + 1 - opening))
        return end + 1

    def _string(self, quote: int) -> int:
        """Read a string. Return the position after its closing quote."""
        self._builder.constant(b'"')
        position = quote + 1
        while not self._source.startswith('"', position):
            position = self._part_of_string(quote, position)
        self._builder.constant(b'"')
        self._skeleton.append('"' + "x" * (position - quote - 1) + '"')
        return position + 1

    def _part_of_string(self, quote: int, position: int) -> int:
        """Read the next characters, literal ``${`` or placeholder. Return the position after it."""
        found = _WITHIN_QUOTES.match(self._source, position)
        if found is None:
            return self._bad_character(quote, position)
        if found.lastgroup == "opening":
            return self._text(position)
        self._builder.constant(OPENING.encode() if found.lastgroup == "literal" else found[0].encode())
        return found.end()

    def _bad_character(self, quote: int, position: int) -> int:
        """Add a problem for what a string must not contain. Return the position after it."""
        if position >= len(self._source):
            self._builder.give_up(f"{self._at(quote)}the string that starts here has no end; close it with a quote")
        if self._source[position] != "\\":
            message = "a control character stands in a string; write it as an escape like \\n"
            self._builder.problem(f"{self._at(position)}{message}")
            return position + 1
        message = "this is not a JSON escape; write \\\\ for a backslash, and a whole pair for a surrogate"
        self._builder.problem(f"{self._at(position)}{message}")
        return position + 2

    def _text(self, opening: int) -> int:
        """Read a placeholder within quotes, whose path may hold JSON escapes. Return the position after it."""
        end = PathEnd()
        path: list[str] = []
        position = opening + len(OPENING)
        while True:
            found = _CHARACTER.match(self._source, position)
            if found is None:
                self._unclosed(opening, "".join(path))
            character = json.loads(f'"{found[0]}"') if found[0].startswith("\\") else found[0]
            position = found.end()
            if end.is_at(character):
                break
            path.append(character)
        self._builder.placeholder("".join(path), typed=False, place=self._at(opening))
        return position

    def _unclosed(self, opening: int, path: str) -> NoReturn:
        self._builder.give_up(
            f"{self._at(opening)}the placeholder `${{{quoted(path)}` has no end; close it with }}, write quotes of a "
            "path within quotes as \\\" or ', and $${ for a literal ${"
        )

    def _at(self, offset: int) -> str:
        return _place(self._source, offset)


def _place(source: str, offset: int) -> str:
    """Return the line and column of an offset as messages start; both count from 1, columns in characters."""
    line = source.count("\n", 0, offset) + 1
    column = offset - source.rfind("\n", 0, offset)
    return f"line {line}, column {column}: "


def _check_float(text: str) -> None:
    if math.isinf(float(text)):
        raise ValueError(f"the number {quoted(text)} is out of the range of a double; use a smaller one")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; use null or a string")
