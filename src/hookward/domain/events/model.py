"""Change events: what happened to one resource, as its publisher reports it.

``split_events`` splits a batch without parsing its events: one that is not JSON must not affect the others.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from hookward.domain.ids import AccountId, EventId
from hookward.domain.json import decode_exact
from hookward.domain.resource_types.operations import ChangeKind


class ChangeEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One accepted change event.

    ``body`` is the resource after the change, ``previous`` and ``extra`` are what the publisher sent beside it, each as
    JSON; ``scope`` maps scope parameters to strings; ``version`` is the version of the watch definitions that apply.
    """

    id: EventId
    account: AccountId
    resource_type: str
    type_version: int
    kind: ChangeKind
    scope: dict[str, str]
    resource_id: str
    body: bytes
    previous: bytes | None = None
    extra: bytes | None = None
    zone: str | None = None
    version: int = 0

    def __repr__(self) -> str:
        return f"<ChangeEvent {self.id.hex()} {self.resource_type}.{self.kind.word}>"

    @property
    def name(self) -> str:
        """Resource type and kind: ``event.registration.created``."""
        return f"{self.resource_type}.{self.kind.word}"

    def resource(self) -> Any:
        """Return the decoded resource; numbers keep their value (see ``domain.json``)."""
        return decode_exact(self.body)

    def extra_resource(self) -> Any:
        """Return the decoded ``extraFull``; ``None`` if it was not sent."""
        return None if self.extra is None else decode_exact(self.extra)

    def previous_resource(self) -> Any:
        """Return the decoded state before the change; ``None`` if it is not known."""
        return None if self.previous is None else decode_exact(self.previous)


_HEAD = re.compile(rb'\s*\{\s*"(?P<member>[^"\\]*)"\s*:\s*\[')
_TAIL = re.compile(rb"\s*\}\s*")
# Whole strings, runs of brackets, commas. A quotation mark without an end is a token of its own: the split stops there.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|"|[\[{]+|[\]}]+|,', re.DOTALL)


def split_events(body: bytes, member: str = "events") -> list[bytes] | None:
    """Return the elements of ``{member: […]}`` as they were sent; ``None`` if the body does not have this shape.

    It looks only at strings, brackets and commas, in one pass, so it works where a parser fails.
    """
    head = _HEAD.match(body)
    if head is None or head["member"] != member.encode():
        return None
    elements: list[bytes] = []
    start, depth = head.end(), 0
    for token in _TOKEN.finditer(body, start):
        text = token[0]
        if text == b'"':
            return None
        depth += _deeper(text)
        if depth < 0:
            end = token.end() + depth
            elements.append(body[start:end].strip())
            return _finished(elements, body, end)
        if depth == 0 and text == b",":
            elements.append(body[start : token.start()].strip())
            start = token.end()
    return None


def _deeper(token: bytes) -> int:
    if token[:1] in (b"[", b"{"):
        return len(token)
    return -len(token) if token[:1] in (b"]", b"}") else 0


def _finished(elements: list[bytes], body: bytes, end: int) -> list[bytes] | None:
    if body[end : end + 1] != b"]" or _TAIL.fullmatch(body, end + 1) is None:
        return None
    return [] if elements == [b""] else elements
