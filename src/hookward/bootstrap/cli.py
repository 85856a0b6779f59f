"""Wires the commands that work directly on the database."""

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
class AccessServices:
    """The use cases of accounts and API keys."""

    accounts: Accounts
    api_keys: ApiKeys


@asynccontextmanager
async def open_access(settings: Settings) -> AsyncIterator[AccessServices]:
    """Open accounts and API keys on the database; raises ConfigError if it does not have this version's schema."""
    clock, random = SystemClock(), SystemRandom()
    async with open_pool(find_stores(settings).database_url, name="hookward command", size=2) as pool:
        await require_schema(pool)
        yield AccessServices(
            accounts=build_accounts(pool, settings, clock=clock, random=random),
            api_keys=ApiKeys(PostgresApiKeys(pool), clock=clock, random=random),
        )
