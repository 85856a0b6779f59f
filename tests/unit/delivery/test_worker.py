"""A worker's shifts, one after the other, on fakes and virtual time."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome
from hookward.domain.delivery.request import OutgoingRequest
from tests.fakes.worker_harness import LOOP_FACTORIES, WorkerHarness, hang, ok

__all__ = ["LOOP_FACTORIES"]

DELIVERED = DeliveryStatus.DELIVERED


def once(house: WorkerHarness) -> None:
    """An endpoint that meets a bug of ours, once."""

    def send(request: OutgoingRequest) -> Outcome | float:
        house.endpoints.script.clear()
        raise ZeroDivisionError

    house.endpoints.script["http://a.test/"] = send


async def test_a_shift_in_doubt_lands_and_the_next_one_goes_on(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.hire()
    house.store.lost.add("claim")
    house.publish(20)
    await house.settled(seconds=5)
    assert (house.statuses(), house.log.events.count("worker.shift_began")) == ({DELIVERED: 20}, 2)


async def test_a_bug_of_ours_ends_the_shift_and_the_next_one_works(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    once(house)
    house.hire()
    house.publish(20)
    await house.settled(seconds=10)
    assert ("worker.shift_failed" in house.log.events, house.statuses()) == (True, {DELIVERED: 20})


async def test_a_bug_of_ours_while_the_store_is_away_is_waited_out_until_the_lease_ends(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    once(house)
    house.store.away.add("abandon")
    house.hire(lease=45.0)
    house.publish(20)
    await house.until(lambda: house.statuses() == {DELIVERED: 20}, seconds=50)


async def test_a_bug_of_ours_while_a_shift_lands_leaves_its_work_to_others_at_once(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 0.2
    house.store.refused = lambda entry: entry.attempt is None
    house.hire()
    house.publish(20)
    await house.until(lambda: house.endpoints.in_flight == 16)
    house.stop.set()
    await asyncio.wait(house.tasks)
    assert "worker.shift_failed" in house.log.events
    house.stop.clear()
    house.store.refused = lambda _entry: False
    house.hire()
    await house.settled(seconds=10)
    assert house.statuses() == {DELIVERED: 20}


async def test_a_worker_that_lost_its_lease_begins_another(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.hire()
    await house.until(lambda: "worker.shift_began" in house.log.events)
    await house.store.abandon(1)
    await house.until(lambda: "worker.lease_lost" in house.log.events)
    house.publish(5)
    await house.settled(seconds=5)
    assert house.statuses() == {DELIVERED: 5}


async def test_a_worker_waits_for_a_store_that_is_away_when_it_begins(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.store.down = True
    house.hire()
    await asyncio.sleep(60)
    assert "worker.store_unavailable" in house.log.events
    house.store.down = False
    house.publish(5)
    await house.settled(seconds=1)
    assert house.statuses() == {DELIVERED: 5}


async def test_a_worker_that_never_began_stops_at_once(house: WorkerHarness) -> None:
    house.store.down = True
    house.hire()
    await asyncio.sleep(10)
    house.stop.set()
    await house.until(house.tasks[0].done, seconds=1)
    assert house.log.events.count("worker.shift_began") == 0


async def test_few_shifts_land_at_a_time(house: WorkerHarness) -> None:
    house.watch("http://a.test/", slots=100)
    house.endpoints.script["http://a.test/"] = hang
    house.hire(grace=60.0)
    most = 0
    for number in range(1, 9):
        house.publish(1)
        await house.until(partial(house.endpoints.have_received, "http://a.test/", number))
        most = max(most, len(house.store.leases))
        house.store.lost.add("pull")
        await house.until(lambda: "pull" not in house.store.lost)
    house.endpoints.script["http://a.test/"] = ok
    await house.settled()
    assert (most, house.statuses()) == (4, {DELIVERED: 8})


@pytest.mark.parametrize(("healthy", "seconds"), [(True, 1.0), (False, 0.05)])
async def test_what_nobody_announced_is_found_by_looking_often_only_without_the_queue(
    house: WorkerHarness, healthy: bool, seconds: float
) -> None:
    house.watch("http://a.test/")
    house.hire().on_queue_health(healthy)
    await asyncio.sleep(10)
    house.workers.clear()
    began = house.clock.monotonic()
    waits = []
    for number in range(1, 21):
        house.publish()
        await house.until(partial(house.endpoints.have_received, "http://a.test/", number))
        waits.append(house.clock.monotonic() - began)
        await asyncio.sleep(0.37)
        began = house.clock.monotonic()
    assert max(waits) == pytest.approx(seconds, rel=0.5)


async def test_a_wake_before_the_first_shift_harms_nothing(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.hire().wake()
    house.publish()
    await house.settled(seconds=1)
    assert house.statuses() == {DELIVERED: 1}
