"""One row of the table of routes that need a key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hookward.entrypoints.api.dependencies import ApiParts, Caller, Scope

Handler = Callable[[web.Request, Caller, ApiParts], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route.

    ``status`` and ``answers`` (a wire type) are those of success. ``takes`` is the wire type of the body, ``query`` a
    wire type whose fields are the query parameters: both describe, handlers check by hand. A body that may be left out
    is ``X | None``. ``also`` are other successes; ``refuses`` statuses of problems that :mod:`.openapi.refusals` does
    not tell from the rest; ``reads`` and ``gives`` headers of the request and the answer, those of
    :mod:`.openapi.headers`. ``errors`` writes problems in another form than a problem document.
    """

    method: str
    path: str
    scope: Scope
    handler: Handler
    status: int
    answers: Any
    summary: str
    takes: Any = None
    query: Any = None
    also: tuple[tuple[int, Any], ...] = ()
    refuses: tuple[int, ...] = ()
    reads: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    media: tuple[str, ...] = ("application/json",)
    errors: Callable[..., web.Response] | None = None
