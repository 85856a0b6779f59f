"""A worker's sessions, one after the other, on fakes and virtual time."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome
from hookward.domain.delivery.request import OutgoingRequest
from tests.fakes.worker_harness import WorkerHarness, hang, ok

pytestmark = pytest.mark.virtual_time

DELIVERED = DeliveryStatus.DELIVERED


def once(harness: WorkerHarness) -> None:
    """An endpoint that meets a bug of ours, once."""

    def send(request: OutgoingRequest) -> Outcome | float:
        harness.endpoints.script.clear()
        raise ZeroDivisionError

    harness.endpoints.script["http://a.test/"] = send


async def test_a_shift_in_doubt_lands_and_the_next_one_goes_on(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.start_worker()
    harness.store.lost.add("claim")
    harness.publish(20)
    await harness.settled(seconds=5)
    assert (harness.statuses(), harness.log.events.count("worker.shift_began")) == ({DELIVERED: 20}, 2)


async def test_a_bug_of_ours_ends_the_shift_and_the_next_one_works(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    once(harness)
    harness.start_worker()
    harness.publish(20)
    await harness.settled(seconds=10)
    assert ("worker.shift_failed" in harness.log.events, harness.statuses()) == (True, {DELIVERED: 20})


async def test_a_bug_of_ours_while_the_store_is_away_is_waited_out_until_the_lease_ends(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    once(harness)
    harness.store.away.add("abandon")
    harness.start_worker(lease=45.0)
    harness.publish(20)
    await harness.settled(seconds=50)
    assert ("worker.shift_failed" in harness.log.events, harness.statuses()) == (True, {DELIVERED: 20})


async def test_a_bug_of_ours_while_a_shift_lands_leaves_its_work_to_others_at_once(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.2
    harness.store.refused = lambda entry: entry.attempt is None
    harness.start_worker()
    harness.publish(20)
    await harness.until(lambda: harness.endpoints.in_flight == 16)
    harness.stop.set()
    await asyncio.wait(harness.tasks)
    assert "worker.shift_failed" in harness.log.events
    harness.stop.clear()
    harness.store.refused = lambda _entry: False
    harness.start_worker()
    await harness.settled(seconds=10)
    assert harness.statuses() == {DELIVERED: 20}


async def test_a_worker_that_lost_its_lease_begins_another(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.start_worker()
    await harness.until(lambda: "worker.shift_began" in harness.log.events)
    await harness.store.abandon(1)
    await harness.until(lambda: "worker.lease_lost" in harness.log.events)
    harness.publish(5)
    await harness.settled(seconds=5)
    assert harness.statuses() == {DELIVERED: 5}


async def test_a_worker_waits_for_a_store_that_is_away_when_it_begins(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.store.down = True
    harness.start_worker()
    await asyncio.sleep(60)
    assert "worker.store_unavailable" in harness.log.events
    harness.store.down = False
    harness.publish(5)
    await harness.settled(seconds=1)
    assert harness.statuses() == {DELIVERED: 5}


async def test_a_worker_that_never_began_stops_at_once(harness: WorkerHarness) -> None:
    harness.store.down = True
    harness.start_worker()
    await asyncio.sleep(10)
    harness.stop.set()
    await harness.until(harness.tasks[0].done, seconds=1)
    assert harness.log.events.count("worker.shift_began") == 0


async def test_few_shifts_land_at_a_time(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", slots=100)
    harness.endpoints.script["http://a.test/"] = hang
    harness.start_worker(grace=60.0)
    most = 0
    for number in range(1, 9):
        harness.publish(1)
        await harness.until(partial(harness.endpoints.have_received, "http://a.test/", number))
        most = max(most, len(harness.store.leases))
        harness.store.lost.add("pull")
        await harness.until(lambda: "pull" not in harness.store.lost)
    harness.endpoints.script["http://a.test/"] = ok
    await harness.settled()
    assert (most, harness.statuses()) == (4, {DELIVERED: 8})


@pytest.mark.parametrize(("healthy", "seconds"), [(True, 1.0), (False, 0.05)])
async def test_what_was_not_announced_is_found_by_looking_often_only_without_the_queue(
    harness: WorkerHarness, healthy: bool, seconds: float
) -> None:
    harness.watch("http://a.test/")
    harness.start_worker().on_queue_health(healthy)
    await asyncio.sleep(10)
    harness.workers.clear()
    began = harness.clock.monotonic()
    waits = []
    for number in range(1, 21):
        harness.publish()
        await harness.until(partial(harness.endpoints.have_received, "http://a.test/", number))
        waits.append(harness.clock.monotonic() - began)
        await asyncio.sleep(0.37)
        began = harness.clock.monotonic()
    assert max(waits) == pytest.approx(seconds, rel=0.5)


async def test_a_wake_before_the_first_shift_harms_nothing(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.start_worker().wake()
    harness.publish()
    await harness.settled(seconds=1)
    assert harness.statuses() == {DELIVERED: 1}
