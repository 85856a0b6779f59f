"""A worker whose store was away for a moment goes on with all that it had in hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from hookward.adapters.clock import SystemClock
from hookward.adapters.postgres.pool import open_pool
from hookward.application.delivery.executor import AttemptExecutor, SendWindow
from hookward.application.delivery.session import WorkerLimits, WorkerStores
from hookward.application.delivery.task import DeliveryTask
from hookward.application.delivery.worker import Worker
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate
from tests.contract.breaking import BreakingDatabase
from tests.contract.world import SLOTS, World, new_attempt
from tests.fakes.null_log import NullLog

DEADLINE = 6.0


class Postman:
    """Delivers everything at once, and counts."""

    def __init__(self) -> None:
        self.sent: Counter[bytes] = Counter()

    async def execute(self, task: DeliveryTask, _window: SendWindow) -> DeliveryUpdate:
        self.sent[task.id] += 1
        return task.update(DeliveryStatus.DELIVERED, attempts=task.number, attempt=new_attempt(task.number))


class BreakingWorker:
    """A worker on a database that can break, with a postman instead of an executor."""

    def __init__(self, world: World, database: BreakingDatabase) -> None:
        self.database = database
        self.postman = Postman()
        self._world = World(world.dsn, database)
        self._stop = asyncio.Event()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        world, clock, log = self._world, SystemClock(), NullLog()
        stores = WorkerStores(
            leases=world.leases, outbox=world.outbox, results=world.results, slots=world.lanes, waiting=world.lanes
        )  # fmt: skip
        executor, limits = cast("AttemptExecutor", self.postman), WorkerLimits(slots=SLOTS)
        registry = WatchRegistry(world.definitions, {})
        worker = Worker("worker", stores, registry, executor, waker=log, limits=limits, clock=clock, log=log)
        running = asyncio.create_task(worker.run(self._stop))
        try:
            yield
        finally:
            self._stop.set()
            await running


@pytest.fixture
async def worker(world) -> AsyncIterator[BreakingWorker]:
    async with open_pool(world.dsn, name="breaking", size=8) as opened:
        yield BreakingWorker(world, BreakingDatabase(opened._pool, acquire_timeout=5))


async def all_delivered(world: World, count: int) -> None:
    async with asyncio.timeout(DEADLINE):
        await world.wait_until("SELECT count(*) = $1 FROM delivery WHERE status = 3", count)


async def nothing_held(world: World) -> None:
    async with asyncio.timeout(DEADLINE):
        await world.wait_until("SELECT NOT EXISTS (SELECT 1 FROM lane_grant WHERE n <> 0)")
        await world.wait_until("SELECT sum(in_use) = 0 FROM lane")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("UPDATE outbox SET token = lease_fence.token", False),
        ("UPDATE outbox SET token = lease_fence.token", True),
        ("FROM event WHERE id", False),
        ("definition_version.version AS known", False),
        ("WHEN paused OR behind", False),
        ("WHEN paused OR behind", True),
        ("INSERT INTO delivery", False),
        ("INSERT INTO delivery", True),
    ],
)
async def test_accepted_events_are_delivered_once_each_whenever_the_store_was_away(world, worker, text, after):
    await world.watch()
    await world.accept_each(5)
    worker.database.break_at(text, after=after)

    async with worker.at_work():
        await all_delivered(world, 5)
        await nothing_held(world)

    assert worker.database.broke
    assert set(worker.postman.sent.values()) == {1}
    assert await world.value("SELECT count(*) FROM outbox") == 0


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("UPDATE waiting SET token = lease_fence.token", False),
        ("UPDATE waiting SET token = lease_fence.token", True),
        ("LEFT JOIN payload", False),
        ("definition_version.version AS known", False),
        ("UPDATE delivery SET", False),
        ("COMMIT", True),
    ],
)
async def test_waiting_deliveries_are_delivered_once_each_whenever_the_store_was_away(world, worker, text, after):
    watch = await world.watch()
    for _ in range(3 * SLOTS):
        await world.wait(watch)
    worker.database.break_at(text, after=after)

    async with worker.at_work():
        await all_delivered(world, 3 * SLOTS)
        await nothing_held(world)

    assert worker.database.broke
    assert set(worker.postman.sent.values()) == {1}
    assert await world.value("SELECT count(*) FROM waiting") == 0
