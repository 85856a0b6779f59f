"""The object form of a template: a JSON object whose string values, at any depth, may hold placeholders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from hookward.domain.errors import pointer_to
from hookward.domain.problems import quoted
from hookward.domain.templates.compiler import MAX_SOURCE, MAX_TEMPLATE_DEPTH, TemplateBuilder
from hookward.domain.templates.placeholders import Reference, Unclosed, split
from hookward.domain.templates.rendering import encode

_Place: TypeAlias = tuple[str | int, ...]


def compile_object(source: dict[str, Any], builder: TemplateBuilder) -> None:
    """Compile a decoded JSON object. Pointers of problems lead to the value that is wrong."""
    _ObjectForm(builder).value(source, ())


@dataclass(slots=True)
class _ObjectForm:
    builder: TemplateBuilder
    size: int = 0

    def value(self, value: Any, place: _Place) -> None:
        if isinstance(value, dict | list) and len(place) >= MAX_TEMPLATE_DEPTH:
            self.builder.problem(f"nested deeper than {MAX_TEMPLATE_DEPTH}; use a flatter template", pointer_to(*place))
            return
        match value:
            case dict():
                self._object(value, place)
            case list():
                self._array(value, place)
            case str():
                self._text(value, place)
            case _:
                self._scalar(value, place)

    def _object(self, members: dict[Any, Any], place: _Place) -> None:
        self._emit(b"{", place)
        separator = b""
        for name, member in members.items():
            if not isinstance(name, str):
                self.builder.problem("a property has a name that is no text; use a JSON object", pointer_to(*place))
                continue
            encoded = self._encoded(name, (*place, name))
            self._emit(separator + encoded + b":", (*place, name))
            self.value(member, (*place, name))
            separator = b","
        self._emit(b"}", place)

    def _array(self, elements: list[Any], place: _Place) -> None:
        self._emit(b"[", place)
        for index, element in enumerate(elements):
            if index:
                self._emit(b",", place)
            self.value(element, (*place, index))
        self._emit(b"]", place)

    def _scalar(self, value: Any, place: _Place) -> None:
        if value is not None and not isinstance(value, int | float | Decimal):
            self.builder.problem(f"a {type(value).__name__} is not a JSON value; use JSON", pointer_to(*place))
        elif isinstance(value, float | Decimal) and not _is_double(value):
            self.builder.problem(f"{value} is not a number in the range of a double; use one", pointer_to(*place))
        else:
            self._emit(self._encoded(value, place), place)

    def _text(self, text: str, place: _Place) -> None:
        encoded = self._encoded(text, place)
        self._grow(len(encoded), place)
        if not encoded:
            return
        self.builder.constant(b'"')
        for part in split(text):
            match part:
                case Reference(text=path):
                    self.builder.placeholder(path, typed=False, pointer=pointer_to(*place))
                case Unclosed(text=path):
                    message = (
                        f"the placeholder `${{{quoted(path)}` has no end; close it with }}, or write $${{ for a text"
                    )
                    self.builder.problem(message, pointer_to(*place))
                case constant:
                    self.builder.constant(encode(constant)[1:-1])
        self.builder.constant(b'"')

    def _encoded(self, value: str | float | Decimal | None, place: _Place) -> bytes:
        """Return the value as JSON. If JSON cannot represent it, add a problem and return nothing."""
        try:
            return encode(value)
        except UnicodeEncodeError:
            self.builder.problem("half of a surrogate pair is no character; write whole characters", pointer_to(*place))
        except ValueError:
            self.builder.problem("the number has too many digits; use at most 4300", pointer_to(*place))
        return b""

    def _emit(self, encoded: bytes, place: _Place) -> None:
        self._grow(len(encoded), place)
        self.builder.constant(encoded)

    def _grow(self, count: int, place: _Place) -> None:
        self.size += count
        if self.size > MAX_SOURCE:
            self.builder.give_up(f"the template is longer than {MAX_SOURCE} bytes; shorten it", pointer_to(*place))


def _is_double(number: float | Decimal) -> bool:
    # A signaling NaN cannot even be converted.
    return (isinstance(number, float) or number.is_finite()) and math.isfinite(number)
