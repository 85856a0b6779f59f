"""The one place where things are built, wired and closed."""

from __future__ import annotations

import asyncio
import base64
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hookward import __version__
from hookward.adapters.catalog import load_catalog
from hookward.adapters.clock import OffsetClock, SystemChance, SystemClock
from hookward.adapters.embedded.data_dir import read_runtime
from hookward.adapters.http_sender import HttpSender
from hookward.adapters.json_schema import JsonSchemas, ResourceSchema
from hookward.adapters.postgres.accounts import PostgresAccounts
from hookward.adapters.postgres.api_keys import PostgresApiKeys
from hookward.adapters.postgres.backlog import PostgresBacklog
from hookward.adapters.postgres.crypto_keys import PostgresCryptoKeys
from hookward.adapters.postgres.definitions import PostgresDefinitions
from hookward.adapters.postgres.erasures import PostgresErasures
from hookward.adapters.postgres.events import PostgresEvents
from hookward.adapters.postgres.inbox import PostgresInbox
from hookward.adapters.postgres.lanes import PostgresLanes
from hookward.adapters.postgres.leases import PostgresLeases
from hookward.adapters.postgres.ledger import PostgresLedger
from hookward.adapters.postgres.log import PostgresLog
from hookward.adapters.postgres.outbox import PostgresOutbox
from hookward.adapters.postgres.pool import Database, open_database
from hookward.adapters.postgres.replays import PostgresReplays
from hookward.adapters.postgres.retention import PostgresRetention
from hookward.adapters.postgres.types import PostgresTypes
from hookward.adapters.postgres.upkeep import PostgresUpkeep
from hookward.adapters.queue import QueueWaker, WakeUps, open_queue
from hookward.adapters.sealing import AesGcmSealer
from hookward.adapters.secret_files import read_secret
from hookward.application.accounts import Accounts
from hookward.application.api_keys import ApiKeys
from hookward.application.backlog import Backlogs
from hookward.application.crypto_keys import CryptoKeys
from hookward.application.definitions import Definitions
from hookward.application.deliver import Courier
from hookward.application.erase import Eraser, Erasures
from hookward.application.keyring import Keyring
from hookward.application.log import DeliveryLog, EventLog
from hookward.application.plans import Plans
from hookward.application.ports import Chance, Clock, Log
from hookward.application.publish import Publisher
from hookward.application.replay import Replays
from hookward.application.resource_types import ResourceTypes
from hookward.application.retain import Retainer
from hookward.application.route_book import RouteBook
from hookward.application.shift import Bounds, Store
from hookward.application.trial import Trials
from hookward.application.type_book import TypeBook
from hookward.application.watch_changes import WatchChanges
from hookward.application.watches import Watches
from hookward.application.worker import Worker
from hookward.config import EMBEDDED, Settings, watch_bounds
from hookward.domain.egress import EgressPolicy
from hookward.domain.errors import ConfigError, StoreUnavailable
from hookward.domain.event_rules import KnownType
from hookward.domain.resource_type import ResourceType
from hookward.observability import AttemptLines, get_log

MASTER_KEY_FILE = "master_key"
BOOTSTRAP_KEY_FILE = "bootstrap_key"
USER_AGENT = f"Hookward/{__version__}"
_PAUSE_SECONDS = 0.5
_LANDING = 3
_UPKEEP_SECONDS = 600.0
_LATER_SECONDS = 30.0
_CLOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where the stores are, embedded or not."""

    database_url: str
    queue_url: str


def find_stores(settings: Settings) -> Stores:
    """The configured stores, or those of a running ``serve``; raises ConfigError when there is none."""
    urls = {"database": settings.database.url, "queue": settings.queue.url}
    if EMBEDDED in urls.values():
        runtime = read_runtime(settings.data.dir)
        found = {
            "database": runtime.database_url if runtime else None,
            "queue": runtime.queue_url if runtime else None,
        }
        for name, url in urls.items():
            if url == EMBEDDED:
                embedded = found[name]
                if embedded is None:
                    raise ConfigError(
                        f"{name}.url: {EMBEDDED}, and no hookward serve runs on {settings.data.dir}; "
                        "start one, or set a URL"
                    )
                urls[name] = embedded
    return Stores(database_url=urls["database"], queue_url=urls["queue"])


def master_key(settings: Settings) -> bytes:
    """The configured master key, or the one that ``serve`` made in the data directory."""
    if settings.security.master_key is not None:
        return settings.security.master_key
    return base64.b64decode(read_secret(settings.data.dir / MASTER_KEY_FILE, "security.master_key"))


def bootstrap_key(settings: Settings) -> str | None:
    """The configured bootstrap key, or the one that ``serve`` made; none where the database is not ours."""
    if settings.security.bootstrap_key is not None:
        return settings.security.bootstrap_key
    if settings.database.url != EMBEDDED:
        return None
    return read_secret(settings.data.dir / BOOTSTRAP_KEY_FILE, "security.bootstrap_key")


def built_in_types() -> dict[str, ResourceType]:
    """The catalog by name."""
    return {each.name: each for each in load_catalog()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """What the api's handlers work with."""

    publisher: Publisher
    watches: Watches
    changes: WatchChanges
    trials: Trials
    crypto_keys: CryptoKeys
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
    bootstrap_key: str | None
    checks: dict[str, Callable[[], Awaitable[bool]]]
    accounts: Accounts
    api_keys: ApiKeys
    keyring: Keyring


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[ApiParts]:
    """Build what the api needs; on the way out everything accepted has been answered."""
    stores = find_stores(settings)
    log = get_log(process="api")
    clock, chance = OffsetClock(), SystemChance()
    sealer = AesGcmSealer(master_key(settings))
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(background(log))
        database = await stack.enter_async_context(
            open_database(stores.database_url, name="hookward api", size=settings.database.pool_size)
        )
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
        tasks.start(lambda: follow_clock(upkeep, clock))
        publisher = Publisher(PostgresInbox(database), waker, clock=clock, log=log)
        stack.push_async_callback(publisher.close)
        types = {name: KnownType(each, ResourceSchema(each.schema)) for name, each in built_in_types().items()}
        sender = await stack.enter_async_context(HttpSender(EgressPolicy(allow=settings.egress.allow)))
        definitions = PostgresDefinitions(database)
        watches = Watches(definitions, sealer, clock=clock, chance=chance, bounds=watch_bounds(settings))
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
            trials=Trials(
                definitions,
                sealer,
                sender,
                timeout=settings.delivery.timeout,
                user_agent=USER_AGENT,
                clock=clock,
                chance=chance,
            ),
            crypto_keys=CryptoKeys(
                PostgresCryptoKeys(database), sealer, clock=clock, chance=chance, overlap=settings.security.key_overlap
            ),
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
            accounts=_accounts(database, settings, clock=clock, chance=chance),
            api_keys=ApiKeys(PostgresApiKeys(database), clock=clock, chance=chance),
            keyring=keyring,
        )


def _revocations(stores: Stores) -> AbstractAsyncContextManager[Database]:
    """A connection of its own: what is revoked must be heard of within a second, whatever the others wait for."""
    return open_database(
        stores.database_url, name="hookward api keys", size=1, statement_timeout=2.0, acquire_timeout=2.0
    )


def _accounts(database: Database, settings: Settings, *, clock: Clock, chance: Chance) -> Accounts:
    retention = settings.retention
    return Accounts(
        PostgresAccounts(database), clock=clock, chance=chance, days=retention.days, max_days=retention.max_days
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """What those need who come with the store's address instead of a key."""

    accounts: Accounts
    api_keys: ApiKeys


@asynccontextmanager
async def open_administration(settings: Settings) -> AsyncIterator[Administration]:
    """Accounts and API keys, directly on the store; raises ConfigError when it has no schema yet."""
    clock, chance = SystemClock(), SystemChance()
    async with open_database(find_stores(settings).database_url, name="hookward command", size=2) as database:
        if not await PostgresUpkeep(database).has_schema():
            raise ConfigError("database.url: the database has no schema of this version; run hookward migrate first")
        yield Administration(
            accounts=_accounts(database, settings, clock=clock, chance=chance),
            api_keys=ApiKeys(PostgresApiKeys(database), clock=clock, chance=chance),
        )


async def follow_clock(upkeep: PostgresUpkeep, clock: OffsetClock) -> None:
    """Keep ids on PostgreSQL's clock, until cancelled."""
    while True:
        try:
            clock.offset_us = await upkeep.clock_offset_us(SystemClock().now_us)
        except StoreUnavailable:
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        await asyncio.sleep(_CLOCK_SECONDS)


class Tasks:
    """Background tasks that live until cancelled; one that breaks is logged and started again."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` until :meth:`stop`."""
        self._tasks.append(asyncio.create_task(self._run(work), name="bootstrap.background"))

    async def stop(self) -> None:
        """Cancel all and wait for their end; again when one has swallowed it.

        redis-py sends within ``asyncio.wait_for``, which until Python 3.12 forgets a cancellation that comes as the
        inner wait ends.
        """
        left = set(self._tasks)
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=_PAUSE_SECONDS)

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  a background task must not end unseen
                self._log.error("background.failed", error=type(error).__name__, exc_info=True)
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def background(log: Log) -> AsyncIterator[Tasks]:
    """Background tasks, ended on the way out."""
    tasks = Tasks(log)
    try:
        yield tasks
    finally:
        await tasks.stop()


async def run_worker(settings: Settings, *, name: str, stop: asyncio.Event) -> None:
    """One worker process: shift after shift until ``stop`` is set, then what is in flight is finished."""
    stores = find_stores(settings)
    log = get_log(process="worker", worker=name)
    clock, chance = SystemClock(), SystemChance()
    lines = AttemptLines(settings.log.level)
    async with AsyncExitStack() as stack:
        stack.callback(lines.flush)
        tasks = await stack.enter_async_context(background(log))
        database = await stack.enter_async_context(
            open_database(stores.database_url, name="hookward worker", size=settings.database.pool_size)
        )
        definitions = Definitions(PostgresDefinitions(database), built_in_types())
        sender = await stack.enter_async_context(HttpSender(EgressPolicy(allow=settings.egress.allow)))
        courier = Courier(
            Plans(definitions, AesGcmSealer(master_key(settings)), clock=clock, user_agent=USER_AGENT),
            sender,
            timeout=settings.delivery.timeout,
            max_timeout=watch_bounds(settings).timeout,
            schedule=settings.delivery.schedule,
            clock=clock,
            chance=chance,
            log=lines,
        )
        queue = open_queue(stores.queue_url)
        stack.push_async_callback(queue.aclose, close_connection_pool=True)
        waker = QueueWaker(queue, clock=clock, log=log)
        tasks.start(waker.run)
        tasks.start(lambda: _keep_house(PostgresUpkeep(database), log))
        tasks.start(Eraser(PostgresErasures(database), log=log).run)
        retention = PostgresRetention(database)
        tasks.start(Retainer(retention, seconds=settings.retention.days * 86400.0, log=log).run)
        store = _store(database, settings)
        bounds = Bounds(
            lease=settings.worker.lease,
            slots=settings.delivery.concurrency,
            in_flight=settings.worker.in_flight,
            grace=settings.worker.grace,
        )
        worker = Worker(name, store, definitions, courier, waker=waker, bounds=bounds, clock=clock, log=log)
        wake_ups = WakeUps(stores.queue_url, on_wake=worker.wake, on_health=worker.on_queue_health, log=log)
        tasks.start(wake_ups.run)
        await worker.run(stop)


def _store(database: Database, settings: Settings) -> Store:
    lanes = PostgresLanes(database, default_slots=settings.delivery.concurrency)
    return Store(
        leases=PostgresLeases(database),
        outbox=PostgresOutbox(database),
        ledger=PostgresLedger(database),
        slots=lanes,
        waiting=lanes,
    )


async def _keep_house(upkeep: PostgresUpkeep, log: Log) -> None:
    """Partitions ahead of time and expired keys out of the way, until cancelled."""
    while True:
        try:
            made, forgotten = await upkeep.run()
        except StoreUnavailable as error:  # there are days of slack
            log.warning("upkeep.later", error=str(error))
            await asyncio.sleep(_LATER_SECONDS)
            continue
        if made or forgotten:
            log.info("upkeep.done", partitions=made, idempotency_keys=forgotten)
        await asyncio.sleep(_UPKEEP_SECONDS)


async def answers_http(host: str, port: int) -> bool:
    """Whether an api answers ``/livez`` there."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /livez HTTP/1.1\r\nHost: hookward\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def port_is_free(host: str, port: int) -> bool:
    """Whether an api could listen there now; what else is wrong with the address shows when it tries."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as asking:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asking.bind(address)
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True
