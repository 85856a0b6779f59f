"""Takes the events of a batch apart without judging them: one that is no JSON must not hurt its neighbours."""

from __future__ import annotations

import re

_HEAD = re.compile(rb'\s*\{\s*"(?P<member>[^"\\]*)"\s*:\s*\[')
_TAIL = re.compile(rb"\s*\}\s*")
# Strings whole, runs of brackets, commas. A quotation mark that opens nothing comes alone: nothing behind it is sure.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|"|[\[{]+|[\]}]+|,', re.DOTALL)


def split_events(body: bytes, member: str = "events") -> list[bytes] | None:
    """The elements of ``{member: […]}`` as they were sent; ``None`` when the body has no such shape.

    Only strings, brackets and commas are looked at, in one pass, so this works where a parser gives up.
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
