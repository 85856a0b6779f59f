"""Wire a worker."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from hookward.adapters.clock import SystemClock, SystemRandom
from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.adapters.postgres.history.erasures import PostgresErasures
from hookward.adapters.postgres.history.retention import PostgresRetention
from hookward.adapters.postgres.lanes import PostgresLanes
from hookward.adapters.postgres.leases import PostgresLeases
from hookward.adapters.postgres.outbox import PostgresOutbox
from hookward.adapters.postgres.pool import ConnectionPool, open_pool
from hookward.adapters.postgres.results import PostgresResults
from hookward.adapters.postgres.upkeep import PostgresUpkeep
from hookward.adapters.postgres.watches import PostgresWatches
from hookward.adapters.valkey.wakeups import QueueWakeupSender, WakeupReceiver, open_queue
from hookward.application.aio.tasks import open_supervised_tasks
from hookward.application.delivery.endpoints import EndpointCache
from hookward.application.delivery.executor import AttemptExecutor
from hookward.application.delivery.session import WorkerLimits, WorkerStores
from hookward.application.delivery.worker import Worker
from hookward.application.history.erasures import Eraser
from hookward.application.history.retention import Retainer
from hookward.application.ports import Log
from hookward.application.watches.registry import WatchRegistry
from hookward.bootstrap.factories import (
    USER_AGENT,
    build_sealer,
    built_in_types,
    check_master_keys,
    open_sender,
    open_tokens,
)
from hookward.bootstrap.stores import find_stores
from hookward.config import Settings, configured_watch_bounds
from hookward.domain.errors import StoreUnavailable
from hookward.observability import AttemptLines, get_log

_UPKEEP_SECONDS = 600.0
_LATER_SECONDS = 30.0


async def run_worker(settings: Settings, *, name: str, stop: asyncio.Event) -> None:
    """Run one worker process until ``stop`` is set, then until what is in flight is recorded."""
    stores = find_stores(settings)
    log = get_log(process="worker", worker=name)
    clock, random, sealer = SystemClock(), SystemRandom(), build_sealer(settings)
    lines = AttemptLines(settings.log.level)
    async with AsyncExitStack() as stack:
        stack.callback(lines.flush)
        tasks = await stack.enter_async_context(open_supervised_tasks(log))
        database = await stack.enter_async_context(
            open_pool(stores.database_url, name="hookward worker", size=settings.database.pool_size)
        )
        await check_master_keys(database, settings, sealer)
        registry = WatchRegistry(PostgresWatches(database), built_in_types())
        sender = await stack.enter_async_context(open_sender(settings))
        tokens = await stack.enter_async_context(
            open_tokens(settings, database, sealer, clock=clock, random=random, log=log)
        )
        executor = AttemptExecutor(
            EndpointCache(registry, sealer, CipherSigningKeys(), clock=clock, user_agent=USER_AGENT),
            sender,
            tokens,
            timeout=settings.delivery.timeout,
            max_timeout=configured_watch_bounds(settings).timeout,
            schedule=settings.delivery.schedule,
            clock=clock,
            random=random,
            log=lines,
        )
        queue = open_queue(stores.queue_url)
        stack.push_async_callback(queue.aclose, close_connection_pool=True)
        waker = QueueWakeupSender(queue, clock=clock, log=log)
        tasks.start(waker.run)
        tasks.start(lambda: _run_upkeep(PostgresUpkeep(database), log))
        tasks.start(Eraser(PostgresErasures(database), log=log).run)
        retention = PostgresRetention(database)
        tasks.start(Retainer(retention, seconds=settings.retention.days * 86400.0, log=log).run)
        worker_stores = _worker_stores(database, settings)
        limits = WorkerLimits(
            lease=settings.worker.lease,
            slots=settings.delivery.concurrency,
            in_flight=settings.worker.in_flight,
            grace=settings.worker.grace,
        )
        worker = Worker(name, worker_stores, registry, executor, waker=waker, limits=limits, clock=clock, log=log)
        wake_ups = WakeupReceiver(stores.queue_url, on_wake=worker.wake, on_health=worker.on_queue_health, log=log)
        tasks.start(wake_ups.run)
        await worker.run(stop)


def _worker_stores(database: ConnectionPool, settings: Settings) -> WorkerStores:
    lanes = PostgresLanes(database, default_slots=settings.delivery.concurrency)
    return WorkerStores(
        leases=PostgresLeases(database),
        outbox=PostgresOutbox(database),
        results=PostgresResults(database),
        slots=lanes,
        waiting=lanes,
    )


async def _run_upkeep(upkeep: PostgresUpkeep, log: Log) -> None:
    """Create partitions ahead of time and delete expired idempotency keys, until cancelled."""
    while True:
        try:
            made, forgotten = await upkeep.run()
        except StoreUnavailable as error:  # partitions are made days ahead
            log.warning("upkeep.later", error=str(error))
            await asyncio.sleep(_LATER_SECONDS)
            continue
        if made or forgotten:
            log.info("upkeep.done", partitions=made, idempotency_keys=forgotten)
        await asyncio.sleep(_UPKEEP_SECONDS)
