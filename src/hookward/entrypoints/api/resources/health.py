"""``/livez`` and ``/readyz``: for load balancers and on-call engineers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from hookward.domain.errors import StoreUnavailable
from hookward.entrypoints.api.dependencies import PARTS_KEY
from hookward.entrypoints.api.http.responses import json_response
from hookward.entrypoints.api.http.schemas import Wire
from hookward.entrypoints.api.route import Route

_PATIENCE_SECONDS = 2.0
# Publishing works without the queue: its state is shown and does not make the service unready.
_NEEDED = ("database",)


class HealthOut(Wire, frozen=True):
    """Whether the service can do its work, and the state of each dependency."""

    status: str
    checks: dict[str, str]


async def live(_request: web.Request) -> web.Response:
    """Respond 200: the process runs and its event loop is not blocked."""
    return json_response(HealthOut(status="ok", checks={}))


async def ready(request: web.Request) -> web.Response:
    """Return the state of each dependency; respond 503 when one that publishing needs is unreachable."""
    parts = request.app[PARTS_KEY]
    states = await asyncio.gather(*map(_state, parts.checks.values()))
    checks = dict(zip(parts.checks, states, strict=True))
    needed = all(checks.get(name) == "ok" for name in _NEEDED)
    status = "ok" if all(state == "ok" for state in checks.values()) else "degraded" if needed else "unavailable"
    return json_response(HealthOut(status=status, checks=checks), 200 if needed else 503)


async def _state(check: Callable[[], Awaitable[bool]]) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return "ok" if await check() else "away"
    except (TimeoutError, StoreUnavailable):
        return "away"


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/livez",
        scope=None,
        handler=live,
        status=200,
        returns=HealthOut,
        summary="Whether the process runs",
    ),
    Route(
        method="GET",
        path="/readyz",
        scope=None,
        handler=ready,
        status=200,
        returns=HealthOut,
        summary="Whether the service can take events",
        also=((503, HealthOut),),
    ),
)
