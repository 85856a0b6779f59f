"""How a session ends, and what it does about others that ended badly; on fakes and virtual time."""

from __future__ import annotations

import asyncio

import pytest

from hookward.domain.delivery.model import DeliveryStatus
from tests.fakes.worker_harness import WorkerHarness

pytestmark = pytest.mark.virtual_time

DELIVERED = DeliveryStatus.DELIVERED


async def test_a_lease_that_is_lost_while_work_lands_leaves_it_to_the_next_shift(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 3.0
    await harness.start_session()
    harness.publish(3)
    await harness.until(lambda: harness.endpoints.in_flight == 3)
    harness.stop.set()
    await harness.store.abandon(1)
    await asyncio.wait(harness.tasks)
    assert (harness.log.events[-1], harness.statuses()[DELIVERED]) == ("worker.lease_lost", 0)
    harness.stop.clear()
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 3}


async def test_a_shift_ends_its_lease_as_soon_as_the_store_is_back(harness: WorkerHarness) -> None:
    await harness.start_session()
    harness.store.away.add("end")
    harness.stop.set()
    await asyncio.sleep(5)
    assert len(harness.store.leases) == 1
    harness.store.away.clear()
    await harness.until(lambda: not harness.store.leases, seconds=0.3)
    assert "worker.store_unavailable" in harness.log.events


async def test_what_dead_workers_held_is_taken_over_as_soon_as_the_store_is_back(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.2
    dead = await harness.start_session()
    harness.publish(3)
    await harness.until(lambda: harness.endpoints.in_flight == 2)
    await harness.kill(dead)
    await harness.store.abandon(1)
    harness.store.away.add("take_over")
    await harness.start_session()
    await asyncio.sleep(10)
    assert harness.statuses() == {}
    harness.store.away.clear()
    await harness.until(lambda: harness.statuses() == {DELIVERED: 3}, seconds=3)
    assert "lease.taken_over" in harness.log.events


async def test_an_outage_longer_than_the_grace_time_repeats_nothing_that_was_sent(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 3.0
    harness.start_worker()
    harness.publish(2)
    await harness.until(lambda: harness.endpoints.in_flight == 2)
    harness.store.down = True
    await asyncio.sleep(30)
    harness.store.down = False
    await harness.settled()
    assert len(harness.endpoints.received) == 2
