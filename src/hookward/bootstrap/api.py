"""The api's parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from hookward.adapters.clock import OffsetClock, SystemChance, SystemClock
from hookward.adapters.json_schema import JsonSchemas, ResourceSchema
from hookward.adapters.oauth import HttpTokenEndpoint
from hookward.adapters.oauth_keys import check_private_key
from hookward.adapters.postgres.api_keys import PostgresApiKeys
from hookward.adapters.postgres.authorizations import PostgresAuthorizations
from hookward.adapters.postgres.backlog import PostgresBacklog
from hookward.adapters.postgres.crypto_keys import PostgresCryptoKeys
from hookward.adapters.postgres.definitions import PostgresDefinitions
from hookward.adapters.postgres.erasures import PostgresErasures
from hookward.adapters.postgres.events import PostgresEvents
from hookward.adapters.postgres.inbox import PostgresInbox
from hookward.adapters.postgres.log import PostgresLog
from hookward.adapters.postgres.pool import Database, open_database
from hookward.adapters.postgres.replays import PostgresReplays
from hookward.adapters.postgres.types import PostgresTypes
from hookward.adapters.postgres.upkeep import PostgresUpkeep
from hookward.adapters.queue import QueueWaker, open_queue
from hookward.adapters.signing_keys import CipherKeys
from hookward.application.accounts import Accounts
from hookward.application.api_keys import ApiKeys
from hookward.application.authorize import Authorizations
from hookward.application.backlog import Backlogs
from hookward.application.crypto_keys import CryptoKeys
from hookward.application.erase import Erasures
from hookward.application.keyring import Keyring
from hookward.application.log import DeliveryLog, EventLog
from hookward.application.ports import Chance, Clock, Log
from hookward.application.publish import Publisher
from hookward.application.published_keys import PublishedKeys
from hookward.application.replay import Replays
from hookward.application.resource_types import ResourceTypes
from hookward.application.route_book import RouteBook
from hookward.application.trial import Trials
from hookward.application.type_book import TypeBook
from hookward.application.watch_changes import WatchChanges
from hookward.application.watches import Watches
from hookward.bootstrap.background import background
from hookward.bootstrap.master_keys import check_master_keys
from hookward.bootstrap.parts import USER_AGENT, accounts_of, built_in_types, open_sender, open_token_sender, sealer_of
from hookward.bootstrap.stores import Stores, bootstrap_key, find_stores
from hookward.bootstrap.tokens import open_tokens
from hookward.config import Settings, public_url, watch_bounds
from hookward.domain.errors import StoreUnavailable
from hookward.domain.event_rules import KnownType
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
    trials: Trials
    crypto_keys: CryptoKeys
    published_keys: PublishedKeys
    log: DeliveryLog
    backlogs: Backlogs
    events: EventLog
    replays: Replays
    erasures: Erasures
    types: dict[str, KnownType]
    type_book: TypeBook
    route_book: RouteBook
    resource_types: ResourceTypes
    clock: Clock
    chance: Chance
    logger: Log
    bootstrap_key: str | None = field(repr=False)
    checks: dict[str, Callable[[], Awaitable[bool]]]
    accounts: Accounts
    api_keys: ApiKeys
    keyring: Keyring
    path_prefixes: tuple[str, ...]


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[ApiParts]:
    """Build what the api needs; on the way out everything accepted has been answered."""
    stores = find_stores(settings)
    log = get_log(process="api")
    clock, chance = OffsetClock(), SystemChance()
    sealer = sealer_of(settings)
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(background(log))
        database = await stack.enter_async_context(
            open_database(stores.database_url, name="hookward api", size=settings.database.pool_size)
        )
        await check_master_keys(database, settings, sealer)
        keyring = Keyring(
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
        publisher = Publisher(PostgresInbox(database), waker, clock=clock, log=log)
        stack.push_async_callback(publisher.close)
        types = {name: KnownType(each, ResourceSchema(each.schema)) for name, each in built_in_types().items()}
        sender = await stack.enter_async_context(open_sender(settings))
        token_sender = await stack.enter_async_context(open_token_sender(settings))
        tokens = await stack.enter_async_context(
            open_tokens(settings, database, sealer, clock=clock, chance=chance, log=log)
        )
        definitions = PostgresDefinitions(database)
        watches = Watches(
            definitions, sealer, clock=clock, chance=chance, bounds=watch_bounds(settings), check_key=check_private_key
        )
        type_store = PostgresTypes(database)
        type_book = TypeBook(types, type_store, JsonSchemas())
        stack.push_async_callback(type_book.close)
        route_book = RouteBook(type_store)
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
                HttpTokenEndpoint(token_sender, timeout=settings.oauth.timeout, clock=clock, chance=chance, log=log),
                watches.credentials,
                sealer,
                callback=public_url(settings) + CALLBACK,
                chance=chance,
            ),
            trials=Trials(
                definitions,
                sealer,
                CipherKeys(),
                sender,
                tokens,
                timeout=settings.delivery.timeout,
                user_agent=USER_AGENT,
                clock=clock,
                chance=chance,
            ),
            crypto_keys=CryptoKeys(
                PostgresCryptoKeys(database),
                sealer,
                CipherKeys(),
                clock=clock,
                chance=chance,
                overlap=settings.security.key_overlap,
            ),
            published_keys=PublishedKeys(PostgresCryptoKeys(database), CipherKeys(), clock=clock),
            log=PostgresLog(database),
            backlogs=backlogs,
            events=PostgresEvents(database),
            replays=Replays(PostgresReplays(database), clock=clock, chance=chance),
            erasures=Erasures(PostgresErasures(database), clock=clock, chance=chance),
            types=types,
            type_book=type_book,
            route_book=route_book,
            resource_types=ResourceTypes(type_store, JsonSchemas(), built_in_types()),
            clock=clock,
            chance=chance,
            logger=log,
            bootstrap_key=bootstrap_key(settings),
            checks={"database": upkeep.answers, "queue": waker.ping},
            accounts=accounts_of(database, settings, clock=clock, chance=chance),
            api_keys=ApiKeys(PostgresApiKeys(database), clock=clock, chance=chance),
            keyring=keyring,
            path_prefixes=settings.server.path_prefixes,
        )


def _revocations(stores: Stores) -> AbstractAsyncContextManager[Database]:
    """A connection of its own: what is revoked must be heard of within a second, whatever the others wait for."""
    return open_database(
        stores.database_url, name="hookward api keys", size=1, statement_timeout=2.0, acquire_timeout=2.0
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
