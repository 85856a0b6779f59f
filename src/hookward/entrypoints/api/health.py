"""``/livez`` and ``/readyz``: for load balancers and people at night."""

from __future__ import annotations

import asyncio

from aiohttp import web

from hookward.entrypoints.api.answers import answer
from hookward.entrypoints.api.service import SERVICE
from hookward.entrypoints.api.wire import Health

_PATIENCE_SECONDS = 2.0
# Publishing goes on without the queue: it is named, and does not make the service unready.
_NEEDED = ("database",)


async def live(_request: web.Request) -> web.Response:
    """The process runs and its loop turns."""
    return answer(Health(status="ok", checks={}))


async def ready(request: web.Request) -> web.Response:
    """Each dependency by name; 503 when one that publishing needs is away."""
    service = request.app[SERVICE]
    checks: dict[str, str] = {}
    for name, check in service.checks.items():
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                checks[name] = "ok" if await check() else "away"
        except TimeoutError:
            checks[name] = "away"
    needed = all(checks.get(name) == "ok" for name in _NEEDED)
    status = "ok" if all(state == "ok" for state in checks.values()) else "degraded" if needed else "unavailable"
    return answer(Health(status=status, checks=checks), 200 if needed else 503)
