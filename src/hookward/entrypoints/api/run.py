"""The api process."""

from __future__ import annotations

import asyncio

from aiohttp import web

from hookward.bootstrap import open_api
from hookward.config import Settings
from hookward.domain.errors import ConfigError
from hookward.domain.ids import AccountId
from hookward.entrypoints.api.app import make_app
from hookward.entrypoints.api.connection import Runner
from hookward.entrypoints.api.service import Keys, Service

DEFAULT_ACCOUNT = AccountId(1)
_GRACE_SECONDS = 10.0


async def run_api(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set, then answer what was begun."""
    async with open_api(settings) as parts:
        service = Service(
            keys=Keys(parts.bootstrap_key, parts.keyring, account=DEFAULT_ACCOUNT),
            publisher=parts.publisher,
            watches=parts.watches,
            changes=parts.changes,
            trials=parts.trials,
            crypto_keys=parts.crypto_keys,
            log=parts.log,
            backlogs=parts.backlogs,
            events=parts.events,
            replays=parts.replays,
            erasures=parts.erasures,
            types=parts.types,
            type_book=parts.type_book,
            route_book=parts.route_book,
            resource_types=parts.resource_types,
            clock=parts.clock,
            chance=parts.chance,
            logger=parts.logger,
            checks=parts.checks,
            accounts=parts.accounts,
            api_keys=parts.api_keys,
            path_prefixes=settings.server.path_prefixes,
        )
        runner = Runner(make_app(service), access_log=None, shutdown_timeout=_GRACE_SECONDS, handle_signals=False)
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.server.host, settings.server.port, backlog=1024)
            await site.start()
            parts.logger.info("api.listening", host=settings.server.host, port=settings.server.port)
            await stop.wait()
        except OSError as error:
            raise ConfigError(
                f"server.port: cannot listen on {settings.server.host}:{settings.server.port}: {error.strerror}"
            ) from None
        finally:
            await runner.cleanup()
