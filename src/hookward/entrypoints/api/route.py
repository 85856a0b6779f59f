"""One row of the table of routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hookward.domain.access.callers import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route.

    A key needs ``scope``, and ``handler`` is called with the request, the caller and the parts of the api. With
    ``scope=None`` no key is needed, and ``handler`` is called with the request alone.

    ``status`` and ``returns`` (a wire type, or a JSON Schema) describe a successful response, ``also`` other successful
    ones. ``takes`` is the wire type of the body, ``query`` a wire type whose fields are the query parameters: both only
    describe, handlers validate. A body that may be left out is ``X | None``. ``refuses`` are the statuses of problems
    that :mod:`.openapi.refusals` cannot derive from the rest; ``reads`` and ``gives`` are headers of the request and
    the response, defined in :mod:`.openapi.headers`; ``media`` are the content types of both bodies. ``errors`` writes
    problems in another form than a problem document.
    """

    method: str
    path: str
    scope: Scope | None
    handler: Callable[..., Awaitable[web.StreamResponse]]
    status: int
    returns: Any
    summary: str
    takes: Any = None
    query: Any = None
    also: tuple[tuple[int, Any], ...] = ()
    refuses: tuple[int, ...] = ()
    reads: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    media: tuple[str, ...] = ("application/json",)
    errors: Callable[..., web.Response] | None = None
