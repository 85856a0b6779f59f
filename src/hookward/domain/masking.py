"""Secrets that are known by value, taken out of what an endpoint answered before the log keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from json import dumps
from urllib.parse import quote, quote_plus

import msgspec

from hookward.domain.outcome import Answer
from hookward.domain.redaction import MASK

MIN_LENGTH = 3
"""What is shorter cannot be told from other text, and is no secret."""
_SHORT = 8
"""What is shorter is masked only where it stands alone: ``prod`` in ``"env": "prod"``, not in ``product``."""
_TAIL = 4
_MASK = MASK.encode()


class Veil:
    """Masks values in bytes and texts, also as JSON, HTML and URLs write them. Without values it costs nothing."""

    __slots__ = ("_needles", "_pattern")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        needles = {form for secret in secrets if len(secret) >= MIN_LENGTH for form in _forms(secret)}
        self._needles = tuple(sorted(needles, key=lambda needle: (-len(needle), needle)))
        self._pattern = re.compile(b"|".join(map(_expression, self._needles))) if needles else None

    def __repr__(self) -> str:
        return f"<Veil {len(self._needles)}>"

    def data(self, data: bytes, *, cut: bool = False) -> bytes:
        """``data`` without the values; of one that was ``cut``, without the beginning of a value at its end."""
        if self._pattern is None:
            return data
        if any(
            needle in data for needle in self._needles
        ):  # several times faster than the pattern, which is rarely due
            data = self._pattern.sub(_MASK, data)
        if cut:
            for needle in self._needles:
                for size in range(min(len(needle) - 1, len(data)), _TAIL - 1, -1):
                    if data.endswith(needle[:size]):
                        return data[:-size] + _MASK
        return data

    def text(self, text: str) -> str:
        """A header's name or value, read as latin-1 as HTTP's are, without the values."""
        if self._pattern is None:
            return text
        return self.data(text.encode("latin-1", "replace")).decode("latin-1")

    def answer(self, answer: Answer) -> Answer:
        """What an endpoint answered, without the values."""
        headers = tuple([(self.text(name), self.text(value)) for name, value in answer.headers])
        return msgspec.structs.replace(answer, headers=headers, body=self.data(answer.body, cut=answer.truncated))


NO_VEIL = Veil()


def _forms(secret: str) -> Iterator[bytes]:
    """A value as it may come back: as it is, and as encoders write it."""
    ascii_json, json = dumps(secret)[1:-1], dumps(secret, ensure_ascii=False)[1:-1]
    texts = {secret, ascii_json, json, ascii_json.replace("/", "\\/"), json.replace("/", "\\/")}
    texts |= {escape(secret), escape(secret, quote=False)}
    raw = secret.encode("utf-8", "surrogateescape")
    texts |= {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    for text in texts:
        yield text.encode("utf-8", "surrogateescape")
    if secret.isascii():
        return
    try:
        yield secret.encode("latin-1")
    except UnicodeEncodeError:
        return


def _expression(needle: bytes) -> bytes:
    found = re.escape(needle)
    return found if len(needle) >= _SHORT else rb"(?<![0-9A-Za-z])" + found + rb"(?![0-9A-Za-z])"
