"""The api's parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from hookward.adapters.clock import OffsetClock, SystemClock, SystemRandom
from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.adapters.json_schema import JsonSchemas, ResourceSchema
from hookward.adapters.oauth.client_keys import check_private_key
from hookward.adapters.oauth.endpoint import HttpTokenEndpoint
from hookward.adapters.postgres.api_keys import PostgresApiKeys
from hookward.adapters.postgres.authorizations import PostgresAuthorizations
from hookward.adapters.postgres.crypto_keys import PostgresCryptoKeys
from hookward.adapters.postgres.events import PostgresBacklog, PostgresEvents
from hookward.adapters.postgres.history.deliveries import PostgresDeliveryHistory
from hookward.adapters.postgres.history.erasures import PostgresErasures
from hookward.adapters.postgres.history.events import PostgresEventHistory
from hookward.adapters.postgres.history.replays import PostgresReplays
from hookward.adapters.postgres.pool import ConnectionPool, open_pool
from hookward.adapters.postgres.resource_types import PostgresResourceTypes
from hookward.adapters.postgres.upkeep import PostgresUpkeep
from hookward.adapters.postgres.watches import PostgresWatches
from hookward.adapters.valkey.wakeups import QueueWaker, open_queue
from hookward.application.access.accounts import Accounts
from hookward.application.access.api_keys import ApiKeys
from hookward.application.access.authenticator import ApiKeyCache
from hookward.application.aio.tasks import background
from hookward.application.crypto_keys.jwks import PublishedKeys
from hookward.application.crypto_keys.service import CryptoKeys
from hookward.application.delivery.test_send import WatchTester
from hookward.application.events.backlog import Backlogs
from hookward.application.events.publisher import Publisher
from hookward.application.history.erasures import Erasures
from hookward.application.history.model import DeliveryLog, EventLog
from hookward.application.history.replays import Replays
from hookward.application.ports import Clock, Log, Random
from hookward.application.resource_types.cache import ResourceTypeCache
from hookward.application.resource_types.routes import AccountRouteCache
from hookward.application.resource_types.service import ResourceTypes
from hookward.application.watches.authorizations import Authorizations
from hookward.application.watches.changes import WatchChanges
from hookward.application.watches.service import Watches
from hookward.bootstrap.factories import (
    USER_AGENT,
    accounts_of,
    built_in_types,
    check_master_keys,
    open_sender,
    open_token_sender,
    open_tokens,
    sealer_of,
)
from hookward.bootstrap.stores import Stores, bootstrap_key, find_stores
from hookward.config import Settings, public_url, watch_bounds
from hookward.domain.errors import StoreUnavailable
from hookward.domain.resource_types.model import CompiledType
from hookward.observability import get_log

CALLBACK = "/oauth2/callback"
_PAUSE_SECONDS = 0.5
_CLOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """What the api's handlers work with."""

    publisher: Publisher
    watches: Watches
    changes: WatchChanges
    authorizations: Authorizations
    trials: WatchTester
    crypto_keys: CryptoKeys
    published_keys: PublishedKeys
    log: DeliveryLog
    backlogs: Backlogs
    events: EventLog
    replays: Replays
    erasures: Erasures
    types: dict[str, CompiledType]
    type_book: ResourceTypeCache
    route_book: AccountRouteCache
    resource_types: ResourceTypes
    clock: Clock
    random: Random
    logger: Log
    bootstrap_key: str | None = field(repr=False)
    checks: dict[str, Callable[[], Awaitable[bool]]]
    accounts: Accounts
    api_keys: ApiKeys
    keyring: ApiKeyCache
    path_prefixes: tuple[str, ...]


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[ApiParts]:
    """Build what the api needs; on the way out everything accepted has been answered."""
    stores = find_stores(settings)
    log = get_log(process="api")
    clock, random = OffsetClock(), SystemRandom()
    sealer = sealer_of(settings)
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(background(log))
        database = await stack.enter_async_context(
            open_pool(stores.database_url, name="hookward api", size=settings.database.pool_size)
        )
        await check_master_keys(database, settings, sealer)
        keyring = ApiKeyCache(
            PostgresApiKeys(database),
            PostgresApiKeys(await stack.enter_async_context(_revocations(stores))),
            clock=clock,
        )
        tasks.start(keyring.follow)
        tasks.start(keyring.note)
        queue = open_queue(stores.queue_url)
        stack.push_async_callback(queue.aclose, close_connection_pool=True)
        waker = QueueWaker(queue, clock=clock, log=log)
        tasks.start(waker.run)
        upkeep = PostgresUpkeep(database)
        tasks.start(lambda: _follow_clock(upkeep, clock))
        publisher = Publisher(PostgresEvents(database), waker, clock=clock, log=log)
        stack.push_async_callback(publisher.close)
        types = {name: CompiledType(each, ResourceSchema(each.schema)) for name, each in built_in_types().items()}
        sender = await stack.enter_async_context(open_sender(settings))
        token_sender = await stack.enter_async_context(open_token_sender(settings))
        tokens = await stack.enter_async_context(
            open_tokens(settings, database, sealer, clock=clock, random=random, log=log)
        )
        definitions = PostgresWatches(database)
        watches = Watches(
            definitions, sealer, clock=clock, random=random, bounds=watch_bounds(settings), check_key=check_private_key
        )
        type_store = PostgresResourceTypes(database)
        type_book = ResourceTypeCache(types, type_store, JsonSchemas())
        stack.push_async_callback(type_book.close)
        route_book = AccountRouteCache(type_store)
        stack.push_async_callback(route_book.close)
        backlogs = Backlogs(PostgresBacklog(database), bound=settings.limits.backlog, log=log)
        tasks.start(backlogs.run)
        yield ApiParts(
            publisher=publisher,
            watches=watches,
            changes=WatchChanges(definitions, watches, sealer, clock=clock),
            authorizations=Authorizations(
                PostgresAuthorizations(database),
                definitions,
                HttpTokenEndpoint(token_sender, timeout=settings.oauth.timeout, clock=clock, random=random, log=log),
                watches.credentials,
                sealer,
                callback=public_url(settings) + CALLBACK,
                random=random,
            ),
            trials=WatchTester(
                definitions,
                sealer,
                CipherSigningKeys(),
                sender,
                tokens,
                timeout=settings.delivery.timeout,
                user_agent=USER_AGENT,
                clock=clock,
                random=random,
            ),
            crypto_keys=CryptoKeys(
                PostgresCryptoKeys(database),
                sealer,
                CipherSigningKeys(),
                clock=clock,
                random=random,
                overlap=settings.security.key_overlap,
            ),
            published_keys=PublishedKeys(PostgresCryptoKeys(database), CipherSigningKeys(), clock=clock),
            log=PostgresDeliveryHistory(database),
            backlogs=backlogs,
            events=PostgresEventHistory(database),
            replays=Replays(PostgresReplays(database), clock=clock, random=random),
            erasures=Erasures(PostgresErasures(database), clock=clock, random=random),
            types=types,
            type_book=type_book,
            route_book=route_book,
            resource_types=ResourceTypes(type_store, JsonSchemas(), built_in_types()),
            clock=clock,
            random=random,
            logger=log,
            bootstrap_key=bootstrap_key(settings),
            checks={"database": upkeep.answers, "queue": waker.ping},
            accounts=accounts_of(database, settings, clock=clock, random=random),
            api_keys=ApiKeys(PostgresApiKeys(database), clock=clock, random=random),
            keyring=keyring,
            path_prefixes=settings.server.path_prefixes,
        )


def _revocations(stores: Stores) -> AbstractAsyncContextManager[ConnectionPool]:
    """A connection of its own: what is revoked must be heard of within a second, whatever the others wait for."""
    return open_pool(stores.database_url, name="hookward api keys", size=1, statement_timeout=2.0, acquire_timeout=2.0)


async def _follow_clock(upkeep: PostgresUpkeep, clock: OffsetClock) -> None:
    """Keep ids on PostgreSQL's clock, until cancelled."""
    while True:
        try:
            clock.offset_us = await upkeep.clock_offset_us(SystemClock().now_us)
        except StoreUnavailable:
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        await asyncio.sleep(_CLOCK_SECONDS)
