"""Where attempts get their access tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from hookward.adapters.oauth import HttpTokenEndpoint
from hookward.adapters.postgres.credentials import PostgresCredentials
from hookward.adapters.postgres.pool import Database
from hookward.adapters.token_shelf import ValkeyTokens, open_shelf_client
from hookward.application.ports import Chance, Clock, Log, Sealer
from hookward.application.tokens import Tokens
from hookward.bootstrap.parts import open_token_sender
from hookward.bootstrap.stores import find_stores
from hookward.config import Settings


@asynccontextmanager
async def open_tokens(
    settings: Settings, database: Database, sealer: Sealer, *, clock: Clock, chance: Chance, log: Log
) -> AsyncIterator[Tokens]:
    """Tokens of one process; on the way out what was asked for comes to its end and is written."""
    timeout = settings.oauth.timeout
    async with AsyncExitStack() as stack:
        sender = await stack.enter_async_context(open_token_sender(settings))
        client = open_shelf_client(find_stores(settings).queue_url)
        stack.push_async_callback(client.aclose, close_connection_pool=True)
        tokens = Tokens(
            PostgresCredentials(database),
            ValkeyTokens(client, sealer, clock=clock, log=log),
            HttpTokenEndpoint(sender, timeout=timeout, clock=clock, chance=chance, log=log),
            sealer,
            timeout=timeout,
            clock=clock,
            chance=chance,
            log=log,
        )
        stack.push_async_callback(tokens.close, seconds=min(timeout, settings.worker.grace))
        yield tokens
