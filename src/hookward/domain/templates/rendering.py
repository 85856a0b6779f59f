"""Render a compiled template for a document: join constant bytes with filled slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from hookward.domain.errors import BudgetExceeded, TemplateFailed
from hookward.domain.jsonpath.nodes import ABSENT, LookupKeys, Steps, lookup
from hookward.domain.jsonpath.path import JsonPath

MAX_BODY: Final = 1 << 20

encode: Final = msgspec.json.Encoder(decimal_format="number").encode
"""Encode a JSON value as compact UTF-8. Integers of any size and decimals keep their value."""


class Slot(Protocol):
    """A compiled placeholder. It fills in JSON, or the inside of a JSON string, whatever the document holds."""

    def fill(self, document: Any, steps: Steps) -> bytes: ...


@dataclass(frozen=True, slots=True)
class TextOfOne:
    """A path of names and indexes within quotes."""

    keys: LookupKeys

    def fill(self, document: Any, steps: Steps) -> bytes:  # noqa: ARG002
        value = lookup(document, self.keys)
        return encode(value)[1:-1] if type(value) is str else _escaped(value)


@dataclass(frozen=True, slots=True)
class TextOfMany:
    """Any other path within quotes."""

    path: JsonPath

    def fill(self, document: Any, steps: Steps) -> bytes:
        match self.path.find(document, steps):
            case []:
                return b""
            case [value]:
                return _escaped(value)
            case values:
                return _escaped(values)


@dataclass(frozen=True, slots=True)
class ValueOfOne:
    """A path of names and indexes outside quotes: its value or null."""

    keys: LookupKeys

    def fill(self, document: Any, steps: Steps) -> bytes:  # noqa: ARG002
        value = lookup(document, self.keys)
        return b"null" if value is ABSENT else encode(value)


@dataclass(frozen=True, slots=True)
class ValueOfMany:
    """Any other path outside quotes: always an array."""

    path: JsonPath

    def fill(self, document: Any, steps: Steps) -> bytes:
        return encode(self.path.find(document, steps))


def slot_for(path: JsonPath, *, typed: bool) -> Slot:
    """Return the slot of a placeholder outside quotes (``typed``) or within."""
    if path.keys is None:
        return ValueOfMany(path) if typed else TextOfMany(path)
    return ValueOfOne(path.keys) if typed else TextOfOne(path.keys)


def _escaped(value: Any) -> bytes:
    """Return the text of a value, escaped for the JSON string around it."""
    if value is None or value is ABSENT:
        return b""
    if isinstance(value, str):
        return encode(value)[1:-1]
    if isinstance(value, dict | list):
        return encode(encode(value).decode())[1:-1]
    return encode(value)


@dataclass(frozen=True, slots=True)
class Template:
    """``head``, then each slot with the constant bytes that follow it."""

    head: bytes
    slots: tuple[tuple[Slot, bytes], ...]

    def render(self, document: Any, *, limit: int = MAX_BODY) -> bytes:
        """Return the JSON body for a decoded JSON document, of at most ``limit`` bytes.

        Raises ``TemplateFailed`` when the body would be longer, as soon as that is
        known; when the paths together touch too many values; when the document is no JSON that can be written (half
        of a surrogate pair, endless nesting).
        """
        try:
            return self._join(document, limit)
        except BudgetExceeded as error:
            raise TemplateFailed(str(error)) from error
        except (TypeError, ValueError, RecursionError) as error:
            raise TemplateFailed("the document holds a value that JSON cannot hold") from error

    def _join(self, document: Any, limit: int) -> bytes:
        parts = [self.head]
        size = len(self.head)
        steps = Steps()
        for slot, constant in self.slots:
            filled = slot.fill(document, steps)
            size += len(filled) + len(constant)
            if size > limit:
                break
            parts += (filled, constant)
        if size > limit:
            raise TemplateFailed(f"the body would be longer than {limit} bytes; select less of the document")
        return b"".join(parts)
