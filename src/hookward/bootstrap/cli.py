"""The part for those who come with the store's address instead of a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hookward.adapters.clock import SystemClock, SystemRandom
from hookward.adapters.postgres.api_keys import PostgresApiKeys
from hookward.adapters.postgres.pool import open_pool
from hookward.application.access.accounts import Accounts
from hookward.application.access.api_keys import ApiKeys
from hookward.bootstrap.factories import build_accounts
from hookward.bootstrap.stores import find_stores, require_schema
from hookward.config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """What those need who come with the store's address instead of a key."""

    accounts: Accounts
    api_keys: ApiKeys


@asynccontextmanager
async def open_administration(settings: Settings) -> AsyncIterator[Administration]:
    """Accounts and API keys, directly on the store; raises ConfigError when it has no schema yet."""
    clock, random = SystemClock(), SystemRandom()
    async with open_pool(find_stores(settings).database_url, name="hookward command", size=2) as database:
        await require_schema(database)
        yield Administration(
            accounts=build_accounts(database, settings, clock=clock, random=random),
            api_keys=ApiKeys(PostgresApiKeys(database), clock=clock, random=random),
        )
