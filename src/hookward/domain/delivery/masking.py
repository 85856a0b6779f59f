"""SecretMask: masks known secrets in responses of endpoints, before the log keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from json import dumps
from urllib.parse import quote, quote_plus

import msgspec

from hookward.domain.delivery.outcome import Response
from hookward.domain.redaction import MASK

MIN_LENGTH = 3
"""Shorter values cannot be distinguished from other text, and are not masked."""
_SHORT = 8
"""Shorter values are masked only as whole words: ``prod`` in ``"env": "prod"``, not in ``product``."""
_MASK = MASK.encode()
_STEP = 64
"""The omitted end of a cut response is a multiple of this length, so that it does not reveal how long a secret is."""


class SecretMask:
    """Masks values in bytes and texts, also as JSON, HTML and URLs write them. Without values it costs nothing."""

    __slots__ = ("_needles", "_tail")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        needles = {form for secret in secrets if len(secret) >= MIN_LENGTH for form in _forms(secret)}
        self._needles = tuple(sorted(needles, key=lambda needle: (-len(needle), needle)))
        self._tail = -(-max(map(len, needles), default=0) // _STEP) * _STEP

    def __repr__(self) -> str:
        return f"<SecretMask {len(self._needles)}>"

    def mask_bytes(self, data: bytes, *, cut: bool = False) -> bytes:
        """Return ``data`` with the values masked; where it was ``cut``, without an end that may begin a value.

        That end is omitted whatever it holds: if it were masked only where it begins a value, an attacker whose
        endpoint echoes guesses could learn a secret one character after the other.

        Each value is searched for separately, which takes linear time: one pattern of all of them takes minutes on a
        response that was made to nearly match long ones.
        """
        for needle in self._needles:
            if needle in data:
                data = data.replace(needle, _MASK) if len(needle) >= _SHORT else _alone(needle).sub(_MASK, data)
        if cut and self._needles:
            return data[: -self._tail] + _MASK
        return data

    def mask_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Return headers with the values masked. They are searched together first, as hardly any holds a secret."""
        if not self._needles:
            return headers
        together = "\n".join([*headers, *headers.values()]).encode("latin-1", "replace")
        for needle in self._needles:
            if needle in together:
                return {self.mask_text(name): self.mask_text(value) for name, value in headers.items()}
        return headers

    def mask_text(self, text: str) -> str:
        """Return a header's name or value, which HTTP reads as latin-1, with the values masked."""
        return self.mask_bytes(text.encode("latin-1", "replace")).decode("latin-1")

    def mask_response(self, response: Response) -> Response:
        """Return a response with the values masked."""
        headers = tuple([(self.mask_text(name), self.mask_text(value)) for name, value in response.headers])
        return msgspec.structs.replace(
            response, headers=headers, body=self.mask_bytes(response.body, cut=response.truncated)
        )


NO_MASK = SecretMask()


def _forms(secret: str) -> Iterator[bytes]:
    """Yield a value as a response may hold it: as it is, and as JSON, HTML and URL encoders write it."""
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


def _alone(needle: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![0-9A-Za-z])" + re.escape(needle) + rb"(?![0-9A-Za-z])")
