"""Validate ``httpRequestHeader``: names and values by RFC 9110, without the headers that the service sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hookward.domain.problems import quoted
from hookward.domain.signing.http_signatures import HEADERS

MAX_NAME = 255
MAX_VALUE_BYTES = 8192

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# No control characters, Unicode line breaks or halves of surrogate pairs, and no blank at either end. Sent as UTF-8.
_VALUE = re.compile(r"(?![\t ])[\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\U0010ffff]*(?<![\t ])")
_HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
# Expect makes each request wait for an interim response; two traceparent headers make both void (W3C).
_RESERVED = _HOP_BY_HOP | {"host", "content-length", "expect", "traceparent"}
_RESERVED_PREFIXES = ("webhook-", "hookward-")


def name_complaint(name: str, *, authenticated: bool, signed: bool = False) -> str | None:
    """Return what is wrong with the name of a header, or None.

    ``authenticated``: the watch sets Authorization itself. ``signed``: it sets signature headers.
    """
    lower = name.lower()
    if not _TOKEN.fullmatch(name) or len(name) > MAX_NAME:
        return f"a header name is 1 to {MAX_NAME} letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 §5.1)"
    if lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES):
        return f"{quoted(name)} is reserved: it is set for every request, or not at all; leave it out"
    if lower == "authorization" and authenticated:
        return "Authorization is set by basicAuth or oauth2Auth; leave one of them out"
    if lower in HEADERS and signed:
        return f"{quoted(name)} is set where a watch signs; leave it out, or signature"
    return None


def value_complaint(value: Any) -> str | None:
    """Return what is wrong with the value of a header, or None. The message quotes nothing: values are secrets."""
    if isinstance(value, str) and _VALUE.fullmatch(value) and len(value.encode()) <= MAX_VALUE_BYTES:
        return None
    return (
        "the value must be a text without line breaks or control characters, not beginning or ending in a blank, "
        f"of at most {MAX_VALUE_BYTES} bytes (RFC 9110 §5.5)"
    )


def header_complaints(given: dict[str, Any], *, authenticated: bool, signed: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the name of each wrong header with what is wrong with it."""
    seen: set[str] = set()
    for name, value in given.items():
        complaints = [name_complaint(name, authenticated=authenticated, signed=signed), value_complaint(value)]
        if name.lower() in seen:
            complaints.append("this name is given twice; names do not differ by case")
        seen.add(name.lower())
        for complaint in complaints:
            if complaint is not None:
                yield name, complaint
