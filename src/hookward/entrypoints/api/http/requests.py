"""What handlers read from a request: its body and its key."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from hookward.application.events.intake import MAX_EVENT_BYTES
from hookward.domain.errors import Malformed, Problem, TooLarge
from hookward.domain.json import decode_exact
from hookward.entrypoints.api.http.responses import BadParameter, UnsupportedType

REQUEST_ID = web.RequestKey("request_id", str)
"""The key under which a request holds its id."""

_SHOWN = 40
MAX_BATCH_BYTES = 16 << 20
MAX_COMMAND_BYTES = 64 << 10

_JSON = re.compile(r"application/(?:json|[\w.+-]+\+json)\s*(?:;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE)


async def read_bytes(request: web.Request, limit: int) -> bytes:
    """Return the raw body of a request; raise TooLarge above ``limit`` bytes, UnsupportedType when it is encoded.

    Nothing is decompressed: a small body could then cost much memory.
    """
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedType(f"the body is encoded ({coding[:_SHOWN]}); send it as it is, without Content-Encoding")
    if (request.content_length or 0) > limit:
        raise TooLarge(f"the body is over {limit} bytes")
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(f"the body is over {limit} bytes") from None
    if len(body) > limit:
        raise TooLarge(f"the body is over {limit} bytes")
    return body


def is_json(kind: str) -> bool:
    """Return whether a content type is JSON in UTF-8."""
    return kind == "application/json" or _JSON.fullmatch(kind) is not None


async def read_body(request: web.Request, limit: int) -> bytes:
    """Return the raw body of a JSON request.

    Raises TooLarge above ``limit`` bytes, UnsupportedType when it is not JSON, Malformed when it is empty.
    """
    body = await read_bytes(request, limit)
    if not body:
        raise Malformed("the body is empty; send a JSON object")
    kind = request.headers.get("Content-Type", "")
    if not is_json(kind):
        raise UnsupportedType(f"the content type is {kind or 'missing'}; send Content-Type: application/json in UTF-8")
    return body


async def read_json(request: web.Request, limit: int = MAX_EVENT_BYTES) -> Any:
    """Return the decoded body of a JSON request; raise what ``read_body`` and ``decode_exact`` raise."""
    return decode_exact(await read_body(request, limit))


def authorization_of(request: web.Request) -> str | None:
    """Return the ``Authorization`` header; raise BadParameter for several, as a proxy may take another one than we do.

    It is not a list (RFC 9110 §5.3 and §11.6.2).
    """
    given = request.headers.getall("Authorization", ())
    if len(given) > 1:
        message = f"Authorization is given {len(given)} times; send it once"
        raise BadParameter(message, (Problem(message=message, parameter="Authorization"),))
    return given[0] if given else None
