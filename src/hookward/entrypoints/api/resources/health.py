"""``/livez`` and ``/readyz``: for load balancers and people at night."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from hookward.domain.errors import StoreUnavailable
from hookward.entrypoints.api.dependencies import PARTS
from hookward.entrypoints.api.http.responses import json_response
from hookward.entrypoints.api.http.schemas import Health

_PATIENCE_SECONDS = 2.0
# Publishing goes on without the queue: it is named, and does not make the service unready.
_NEEDED = ("database",)


async def live(_request: web.Request) -> web.Response:
    """The process runs and its loop turns."""
    return json_response(Health(status="ok", checks={}))


async def ready(request: web.Request) -> web.Response:
    """Each dependency by name; 503 when one that publishing needs is away."""
    parts = request.app[PARTS]
    states = await asyncio.gather(*map(_state, parts.checks.values()))
    checks = dict(zip(parts.checks, states, strict=True))
    needed = all(checks.get(name) == "ok" for name in _NEEDED)
    status = "ok" if all(state == "ok" for state in checks.values()) else "degraded" if needed else "unavailable"
    return json_response(Health(status=status, checks=checks), 200 if needed else 503)


async def _state(check: Callable[[], Awaitable[bool]]) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return "ok" if await check() else "away"
    except (TimeoutError, StoreUnavailable):
        return "away"
