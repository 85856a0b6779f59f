"""What handlers take out of a request: its body, its parameters, its caller."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from hookward.application.events.intake import MAX_EVENT_BYTES
from hookward.domain.errors import Malformed, Problem, TooLarge
from hookward.domain.json import decode_exact
from hookward.entrypoints.api.http.responses import BadParameter, UnsupportedType

REQUEST_ID = web.RequestKey("request_id", str)
"""Under this name each request carries its id."""

_SHOWN = 40
MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_BATCH_BYTES = 16 << 20

_JSON = re.compile(r"application/(?:json|[\w.+-]+\+json)\s*(?:;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE)


async def read_bytes(request: web.Request, limit: int) -> bytes:
    """The raw body of a request, of at most ``limit`` bytes; raises TooLarge or UnsupportedType.

    Nothing is decompressed: little that is sent would cost us much.
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
    """Whether a content type is JSON in UTF-8."""
    return kind == "application/json" or _JSON.fullmatch(kind) is not None


async def read_body(request: web.Request, limit: int) -> bytes:
    """The raw body of a JSON request of at most ``limit`` bytes; raises TooLarge, UnsupportedType or Malformed."""
    body = await read_bytes(request, limit)
    if not body:
        raise Malformed("the body is empty; send a JSON object")
    kind = request.headers.get("Content-Type", "")
    if not is_json(kind):
        raise UnsupportedType(f"the content type is {kind or 'missing'}; send Content-Type: application/json in UTF-8")
    return body


async def read_json(request: web.Request, limit: int = MAX_EVENT_BYTES) -> Any:
    """The decoded body."""
    return decode_exact(await read_body(request, limit))


def authorization_of(request: web.Request) -> str | None:
    """The ``Authorization`` header; raises BadParameter for several: a proxy may go by another one than we.

    It is no list (RFC 9110, sections 5.3 and 11.6.2).
    """
    given = request.headers.getall("Authorization", ())
    if len(given) > 1:
        raise bad_parameter("Authorization", f"stands in the request {len(given)} times; send it once")
    return given[0] if given else None


def limit_of(request: web.Request) -> int:
    """The page size that was asked for."""
    text = request.query.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise bad_parameter("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def check_parameters(request: web.Request, known: tuple[str, ...]) -> None:
    """Refuse query parameters that the route does not know: a misspelt filter would answer everything."""
    unknown = tuple(
        Problem(message=f"{name} is unknown; this list takes {', '.join(known)}", parameter=name)
        for name in dict.fromkeys(request.query)
        if name not in known
    )
    if unknown:
        raise BadParameter("; ".join(each.message for each in unknown), unknown)


def together(*checks: Callable[[], Any]) -> list[Any]:
    """What each of the checks of a query answers; raises BadParameter with what all of them found wrong."""
    found: list[Any] = []
    problems: list[Problem] = []
    for check in checks:
        try:
            found.append(check())
        except BadParameter as error:
            problems += error.problems
    if problems:
        raise BadParameter("; ".join(problem.message for problem in problems), tuple(problems))
    return found


def bad_parameter(name: str, message: str) -> BadParameter:
    """A query parameter that is wrong."""
    return BadParameter(f"{name} {message}", (Problem(message=f"{name} {message}", parameter=name),))
