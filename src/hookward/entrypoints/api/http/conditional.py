"""Conditional requests (RFC 9110 §13): entity tags, If-Match, If-None-Match."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

from aiohttp import web

from hookward.domain.errors import Malformed

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_EACH = re.compile(_TAG)


def etag_of(version: int) -> str:
    """Return the strong entity tag of a watch at a version."""
    return f'"{version}"'


def condition_of(request: web.Request) -> Callable[[int], bool]:
    """Return a check whether the caller may change a version: any, when the request has no condition.

    Raises Malformed when a condition is not a list of entity tags.
    """
    wanted, unwanted = _tags(request, "If-Match"), _tags(request, "If-None-Match")

    def holds(version: int) -> bool:
        if wanted is not None and "*" not in wanted and etag_of(version) not in wanted:
            return False
        return unwanted is None or not _names(unwanted, etag_of(version))

    return holds


def if_match_of(request: web.Request) -> Callable[[int], bool]:
    """Return a check of If-Match alone, for a read; raise Malformed when it is not a list of entity tags."""
    wanted = _tags(request, "If-Match")
    return lambda version: wanted is None or "*" in wanted or etag_of(version) in wanted


def with_etag(request: web.Request, response: web.Response, tag: str | None = None) -> web.Response:
    """Return the response of a read with its entity tag, by default a digest of its body.

    Returns a 304 response when the caller has that version already.
    """
    if tag is None:
        assert isinstance(response.body, bytes)
        tag = f'"{sha256(response.body).hexdigest()[:32]}"'
    unwanted = _tags(request, "If-None-Match")
    if unwanted is not None and _names(unwanted, tag):
        response = web.Response(status=304)
    response.headers["ETag"] = tag
    return response


def _names(tags: list[str], tag: str) -> bool:
    """Compare weakly, as If-None-Match demands (RFC 9110 §13.1.2)."""
    return "*" in tags or tag in [each.removeprefix("W/") for each in tags]


def _tags(request: web.Request, header: str) -> list[str] | None:
    given = request.headers.getall(header, [])
    if not given:
        return None
    text = ",".join(given).strip(" \t")
    if text == "*":
        return ["*"]
    if not _TAGS.fullmatch(text):
        raise Malformed(f'{header} must be * or entity tags in double quotes, such as "42" (RFC 9110 §8.8.3)')
    return _EACH.findall(text)
