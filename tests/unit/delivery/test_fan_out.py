"""An event for very many watches, on fakes and virtual time."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.resource_types.operations import ChangeKind
from tests.fakes.worker_harness import WorkerHarness

pytestmark = pytest.mark.virtual_time

DELIVERED = DeliveryStatus.DELIVERED


async def test_an_event_for_very_many_watches_is_written_in_chunks_and_reaches_each(
    harness: WorkerHarness,
) -> None:
    for number in range(2500):
        harness.watch(f"http://{number}.test/")
    await harness.start_session()
    harness.publish(3)
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 7500}
    assert len(harness.endpoints.received) == 7500


async def test_a_fan_out_that_was_interrupted_goes_on_where_it_stopped(harness: WorkerHarness) -> None:
    for number in range(2500):
        harness.watch(f"http://{number}.test/")
    session = await harness.start_session()
    harness.store.lost.add("fan")
    harness.publish(1)
    await harness.until(lambda: len(harness.store.log) == 1000)
    await harness.kill(session)
    assert len(harness.store.outbox) == 1
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 2500}


async def test_a_fan_out_that_breaks_ends_the_shift_and_the_next_one_finishes_it(harness: WorkerHarness) -> None:
    for number in range(400):
        harness.watch(f"http://{number}.test/")
    harness.store.refused = lambda entry: entry.attempt is None
    await harness.start_session()
    harness.publish(1)
    await harness.until(lambda: any(task.done() for task in harness.tasks), seconds=100)
    assert type(harness.tasks[0].exception()) is ValueError
    harness.tasks.clear()
    harness.store.refused = lambda _entry: False
    for token in list(harness.store.leases):
        await harness.store.abandon(token)
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 400}


async def test_a_fan_out_whose_lease_ended_writes_no_more_and_the_next_session_ends_it(
    harness: WorkerHarness,
) -> None:
    for number in range(2500):
        harness.watch(f"http://{number}.test/")
    await harness.start_session()
    harness.store.lost.add("fan")
    harness.publish(1)
    await harness.until(lambda: len(harness.store.log) == 1000)
    await harness.store.abandon(1)
    await harness.until(lambda: "harness.lease_lost" in harness.log.events)
    assert len(harness.store.log) == 1000
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 2500}


async def test_an_outage_in_the_middle_of_a_fan_out_is_waited_out(harness: WorkerHarness) -> None:
    for number in range(2500):
        harness.watch(f"http://{number}.test/")
    await harness.start_session()
    harness.store.away.add("fan")
    harness.publish(1)
    await harness.until(lambda: harness.log.events.count("dispatch.store_unavailable") > 3)
    harness.store.away.clear()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 2500}


async def test_many_fan_outs_come_one_after_the_other_and_hold_up_no_other(harness: WorkerHarness) -> None:
    other = harness.watch("http://other.test/", events=("created",))
    for number in range(4):
        harness.watch(f"http://{number}.test/", events=("updated",))
    await harness.start_session(fan_out=3, fan_outs=3)
    harness.publish(4)
    harness.store.publish(msgspec.structs.replace(harness.event(), kind=ChangeKind.CREATED))
    await harness.until(partial(harness.endpoints.have_received, "http://other.test/", 1), seconds=1.0)
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 4 * 4 + 1}
    assert other.id in harness.store.watches


async def test_a_watch_that_is_disabled_and_enabled_during_a_fan_out_gets_nothing_of_it(harness: WorkerHarness) -> None:
    watches = [harness.watch(f"http://{number}.test/") for number in range(2500)]
    session = await harness.start_session()
    harness.store.away.add("fan")
    harness.publish(1)
    await harness.until(lambda: len(harness.store.log) == 1000, seconds=10)
    harness.reopen(watches[-1], lane=9999)
    await session.registry.refresh()
    harness.store.away.clear()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 2499}
