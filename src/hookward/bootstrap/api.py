"""Wire the api: one function for each room of the application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hookward.adapters.clock import OffsetClock, SystemClock, SystemRandom
from hookward.adapters.crypto.sealing import AesGcmSealer
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
from hookward.adapters.valkey.wakeups import QueueWakeupSender, open_queue
from hookward.application.access.api_keys import ApiKeys
from hookward.application.access.authenticator import ApiKeyCache
from hookward.application.aio.tasks import SupervisedTasks, open_supervised_tasks
from hookward.application.crypto_keys.jwks import PublishedKeys
from hookward.application.crypto_keys.service import CryptoKeys
from hookward.application.delivery.test_send import WatchTester
from hookward.application.events.backlog import Backlogs
from hookward.application.events.intake import EventIntake
from hookward.application.events.publisher import Publisher
from hookward.application.history.erasures import Erasures
from hookward.application.history.replays import Replays
from hookward.application.ports import Log
from hookward.application.resource_types.cache import ResourceTypeCache
from hookward.application.resource_types.routes import AccountRouteCache
from hookward.application.resource_types.service import ResourceTypes
from hookward.application.watches.authorizations import WatchAuthorizations
from hookward.application.watches.changes import WatchChanges
from hookward.application.watches.service import Watches
from hookward.bootstrap.api_parts import (
    AccessParts,
    ApiParts,
    CryptoKeyParts,
    HistoryParts,
    ResourceTypeParts,
    WatchParts,
)
from hookward.bootstrap.factories import (
    USER_AGENT,
    build_accounts,
    build_sealer,
    built_in_types,
    check_master_keys,
    open_sender,
    open_token_sender,
    open_tokens,
)
from hookward.bootstrap.stores import Stores, find_bootstrap_key, find_stores
from hookward.config import Settings, configured_watch_bounds, public_url
from hookward.domain.errors import StoreUnavailable
from hookward.domain.resource_types.model import CompiledType
from hookward.observability import get_log

CALLBACK = "/oauth2/callback"
_PAUSE_SECONDS = 0.5
_CLOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    """What every room is built from. ``stack`` closes what a room opens, ``tasks`` run its background work."""

    settings: Settings
    stack: AsyncExitStack
    tasks: SupervisedTasks
    pool: ConnectionPool
    sealer: AesGcmSealer
    clock: OffsetClock
    random: SystemRandom
    log: Log


@asynccontextmanager
async def open_api_parts(settings: Settings) -> AsyncIterator[ApiParts]:
    """Build what the api needs; on exit, wait until every accepted event has its response."""
    stores = find_stores(settings)
    log = get_log(process="api")
    sealer = build_sealer(settings)
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(open_supervised_tasks(log))
        pool = await stack.enter_async_context(
            open_pool(stores.database_url, name="hookward api", size=settings.database.pool_size)
        )
        await check_master_keys(pool, settings, sealer)
        process = _Process(
            settings=settings,
            stack=stack,
            tasks=tasks,
            pool=pool,
            sealer=sealer,
            clock=OffsetClock(),
            random=SystemRandom(),
            log=log,
        )
        access = await _open_access(process, stores)
        waker = _open_waker(process, stores)
        upkeep = PostgresUpkeep(pool)
        tasks.start(lambda: _follow_clock(upkeep, process.clock))
        resource_types = _open_resource_types(process)
        events = _open_events(process, waker, resource_types.cache)
        yield ApiParts(
            access=access,
            events=events,
            resource_types=resource_types,
            watches=await _open_watches(process, resource_types.cache),
            crypto_keys=_crypto_keys(process),
            history=_history(process),
            checks={"database": upkeep.is_available, "queue": waker.ping},
            path_prefixes=settings.server.path_prefixes,
            clock=process.clock,
            random=process.random,
            log=log,
        )


async def _open_access(process: _Process, stores: Stores) -> AccessParts:
    clock, random = process.clock, process.random
    api_keys = PostgresApiKeys(process.pool)
    revocations = await process.stack.enter_async_context(_open_revocations(stores))
    known_keys = ApiKeyCache(api_keys, PostgresApiKeys(revocations), clock=clock)
    process.tasks.start(known_keys.follow)
    process.tasks.start(known_keys.note)
    return AccessParts(
        accounts=build_accounts(process.pool, process.settings, clock=clock, random=random),
        api_keys=ApiKeys(api_keys, clock=clock, random=random),
        known_keys=known_keys,
        bootstrap_key=find_bootstrap_key(process.settings),
    )


def _open_revocations(stores: Stores) -> AbstractAsyncContextManager[ConnectionPool]:
    """Open a connection for revoked keys alone: they must be heard of within a second, however busy the others are."""
    return open_pool(stores.database_url, name="hookward api keys", size=1, statement_timeout=2.0, acquire_timeout=2.0)


def _open_waker(process: _Process, stores: Stores) -> QueueWakeupSender:
    queue = open_queue(stores.queue_url)
    process.stack.push_async_callback(queue.aclose, close_connection_pool=True)
    waker = QueueWakeupSender(queue, clock=process.clock, log=process.log)
    process.tasks.start(waker.run)
    return waker


def _open_events(process: _Process, waker: QueueWakeupSender, types: ResourceTypeCache) -> EventIntake:
    publisher = Publisher(PostgresEvents(process.pool), waker, clock=process.clock, log=process.log)
    process.stack.push_async_callback(publisher.close)
    backlogs = Backlogs(PostgresBacklog(process.pool), bound=process.settings.limits.backlog, log=process.log)
    process.tasks.start(backlogs.run)
    return EventIntake(publisher, backlogs, types, clock=process.clock, random=process.random)


def _open_resource_types(process: _Process) -> ResourceTypeParts:
    store, schemas, types = PostgresResourceTypes(process.pool), JsonSchemas(), built_in_types()
    built_in = {name: CompiledType(each, ResourceSchema(each.schema)) for name, each in types.items()}
    cache = ResourceTypeCache(built_in, store, schemas)
    process.stack.push_async_callback(cache.close)
    routes = AccountRouteCache(store)
    process.stack.push_async_callback(routes.close)
    return ResourceTypeParts(
        built_in=built_in, cache=cache, routes=routes, service=ResourceTypes(store, schemas, types)
    )


async def _open_watches(process: _Process, types: ResourceTypeCache) -> WatchParts:
    settings, clock, random, log = process.settings, process.clock, process.random, process.log
    sender = await process.stack.enter_async_context(open_sender(settings))
    token_sender = await process.stack.enter_async_context(open_token_sender(settings))
    tokens = await process.stack.enter_async_context(
        open_tokens(settings, process.pool, process.sealer, clock=clock, random=random, log=log)
    )
    store = PostgresWatches(process.pool)
    watches = Watches(
        store,
        types,
        process.sealer,
        clock=clock,
        random=random,
        bounds=configured_watch_bounds(settings),
        check_key=check_private_key,
    )
    return WatchParts(
        service=watches,
        changes=WatchChanges(store, watches, process.sealer, clock=clock, random=random),
        authorizations=WatchAuthorizations(
            PostgresAuthorizations(process.pool),
            store,
            HttpTokenEndpoint(token_sender, timeout=settings.oauth.timeout, clock=clock, random=random, log=log),
            watches.credentials,
            process.sealer,
            callback=public_url(settings) + CALLBACK,
            random=random,
        ),
        tester=WatchTester(
            store,
            types,
            process.sealer,
            CipherSigningKeys(),
            sender,
            tokens,
            timeout=settings.delivery.timeout,
            user_agent=USER_AGENT,
            clock=clock,
            random=random,
        ),
    )


def _crypto_keys(process: _Process) -> CryptoKeyParts:
    return CryptoKeyParts(
        service=CryptoKeys(
            PostgresCryptoKeys(process.pool),
            process.sealer,
            CipherSigningKeys(),
            clock=process.clock,
            random=process.random,
            overlap=process.settings.security.key_overlap,
        ),
        published=PublishedKeys(PostgresCryptoKeys(process.pool), CipherSigningKeys(), clock=process.clock),
    )


def _history(process: _Process) -> HistoryParts:
    clock, random = process.clock, process.random
    return HistoryParts(
        deliveries=PostgresDeliveryHistory(process.pool),
        events=PostgresEventHistory(process.pool),
        replays=Replays(PostgresReplays(process.pool), clock=clock, random=random),
        erasures=Erasures(PostgresErasures(process.pool), clock=clock, random=random),
    )


async def _follow_clock(upkeep: PostgresUpkeep, clock: OffsetClock) -> None:
    """Keep ids on PostgreSQL's clock, until cancelled."""
    while True:
        try:
            clock.offset_us = await upkeep.clock_offset_us(SystemClock().now_us)
        except StoreUnavailable:
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        await asyncio.sleep(_CLOCK_SECONDS)
