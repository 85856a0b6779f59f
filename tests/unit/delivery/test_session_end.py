"""How a shift ends, and what it does about others that ended badly; on fakes and virtual time."""

from __future__ import annotations

import asyncio

from hookward.domain.delivery.model import DeliveryStatus
from tests.fakes.worker_harness import LOOP_FACTORIES, WorkerHarness

__all__ = ["LOOP_FACTORIES"]

DELIVERED = DeliveryStatus.DELIVERED


async def test_a_lease_that_is_lost_while_work_lands_leaves_it_to_the_next_shift(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 3.0
    await house.begin()
    house.publish(3)
    await house.until(lambda: house.endpoints.in_flight == 3)
    house.stop.set()
    await house.store.abandon(1)
    await asyncio.wait(house.tasks)
    assert (house.log.events[-1], house.statuses()[DELIVERED]) == ("worker.lease_lost", 0)
    house.stop.clear()
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 3}


async def test_a_shift_ends_its_lease_as_soon_as_the_store_is_back(house: WorkerHarness) -> None:
    await house.begin()
    house.store.away.add("end")
    house.stop.set()
    await asyncio.sleep(5)
    assert len(house.store.leases) == 1
    house.store.away.clear()
    await house.until(lambda: not house.store.leases, seconds=0.3)
    assert "worker.store_unavailable" in house.log.events


async def test_what_dead_workers_held_is_taken_over_as_soon_as_the_store_is_back(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 0.2
    dead = await house.begin()
    house.publish(3)
    await house.until(lambda: house.endpoints.in_flight == 2)
    await house.kill(dead)
    await house.store.abandon(1)
    house.store.away.add("take_over")
    await house.begin()
    await asyncio.sleep(10)
    assert house.statuses() == {}
    house.store.away.clear()
    await house.until(lambda: house.statuses() == {DELIVERED: 3}, seconds=3)
    assert "lease.taken_over" in house.log.events


async def test_an_outage_longer_than_the_grace_time_repeats_nothing_that_was_sent(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 3.0
    house.hire()
    house.publish(2)
    await house.until(lambda: house.endpoints.in_flight == 2)
    house.store.down = True
    await asyncio.sleep(30)
    house.store.down = False
    await house.settled()
    assert len(house.endpoints.received) == 2
