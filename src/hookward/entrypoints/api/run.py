"""The api process."""

from __future__ import annotations

import asyncio

from aiohttp import web

from hookward.bootstrap.api import open_api_parts
from hookward.bootstrap.os_probes import raise_descriptor_limit
from hookward.config import Settings
from hookward.domain.errors import ConfigError
from hookward.entrypoints.api.app import make_app
from hookward.entrypoints.api.http.connection import ConnectionBounds, Runner

_GRACE_SECONDS = 10.0


async def run_api(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set, then finish the requests that were begun. Raises ConfigError if it cannot listen."""
    raise_descriptor_limit()
    async with open_api_parts(settings) as parts:
        server = settings.server
        bounds = ConnectionBounds(most=server.connections, request=server.request_timeout, idle=server.idle_timeout)
        runner = Runner(make_app(parts), bounds, shutdown_timeout=_GRACE_SECONDS)
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.server.host, settings.server.port, backlog=1024)
            await site.start()
            parts.log.info("api.listening", host=settings.server.host, port=settings.server.port)
            await stop.wait()
        except OSError as error:
            raise ConfigError(
                f"server.port: cannot listen on {settings.server.host}:{settings.server.port}: {error.strerror}"
            ) from None
        finally:
            await runner.cleanup()
