"""An event for very many watches, on fakes and virtual time."""

from __future__ import annotations

from functools import partial

import msgspec

from hookward.application.delivery.dispatcher import FAN_OUT, MAX_FAN_OUTS
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.resource_types.operations import ChangeKind
from tests.fakes.worker_harness import LOOP_FACTORIES, WorkerHarness

__all__ = ["LOOP_FACTORIES"]

DELIVERED = DeliveryStatus.DELIVERED


async def test_an_event_for_very_many_watches_is_written_in_chunks_and_reaches_each_once(house: WorkerHarness) -> None:
    for number in range(2500):
        house.watch(f"http://{number}.test/")
    await house.begin()
    house.publish(3)
    await house.settled()
    assert house.statuses() == {DELIVERED: 7500}
    assert len(house.endpoints.received) == 7500


async def test_a_fan_out_that_was_interrupted_goes_on_where_it_stopped(house: WorkerHarness) -> None:
    for number in range(2500):
        house.watch(f"http://{number}.test/")
    shift = await house.begin()
    house.store.lost.add("fan")
    house.publish(1)
    await house.until(lambda: len(house.store.log) == 1000)
    await house.kill(shift)
    assert len(house.store.outbox) == 1
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 2500}


async def test_a_fan_out_that_breaks_ends_the_shift_and_the_next_one_finishes_it(house: WorkerHarness) -> None:
    for number in range(400):
        house.watch(f"http://{number}.test/")
    house.store.refused = lambda entry: entry.attempt is None
    await house.begin()
    house.publish(1)
    await house.until(lambda: any(task.done() for task in house.tasks), seconds=100)
    assert type(house.tasks[0].exception()) is ValueError
    house.tasks.clear()
    house.store.refused = lambda _entry: False
    for token in list(house.store.leases):
        await house.store.abandon(token)
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 400}


async def test_a_fan_out_whose_lease_ended_writes_no_more_and_the_next_shift_finishes_it(house: WorkerHarness) -> None:
    for number in range(2500):
        house.watch(f"http://{number}.test/")
    await house.begin()
    house.store.lost.add("fan")
    house.publish(1)
    await house.until(lambda: len(house.store.log) == 1000)
    await house.store.abandon(1)
    await house.until(lambda: "house.lease_lost" in house.log.events)
    assert len(house.store.log) == 1000
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 2500}


async def test_an_outage_in_the_middle_of_a_fan_out_is_waited_out(house: WorkerHarness) -> None:
    for number in range(2500):
        house.watch(f"http://{number}.test/")
    await house.begin()
    house.store.away.add("fan")
    house.publish(1)
    await house.until(lambda: house.log.events.count("dispatch.store_unavailable") > 3)
    house.store.away.clear()
    await house.settled()
    assert house.statuses() == {DELIVERED: 2500}


async def test_many_fan_outs_come_one_after_the_other_and_hold_nobody_up(house: WorkerHarness) -> None:
    other = house.watch("http://other.test/", events=("created",))
    for number in range(FAN_OUT + 1):
        house.watch(f"http://{number}.test/", events=("updated",))
    await house.begin()
    house.publish(MAX_FAN_OUTS + 1)
    house.store.publish(msgspec.structs.replace(house.event(), kind=ChangeKind.CREATED))
    await house.until(partial(house.endpoints.have_received, "http://other.test/", 1), seconds=1.0)
    await house.settled()
    assert house.statuses() == {DELIVERED: (FAN_OUT + 1) * (MAX_FAN_OUTS + 1) + 1}
    assert other.id in house.store.watches


async def test_a_watch_that_is_disabled_and_enabled_during_a_fan_out_gets_nothing_of_it(house: WorkerHarness) -> None:
    watches = [house.watch(f"http://{number}.test/") for number in range(2500)]
    shift = await house.begin()
    house.store.away.add("fan")
    house.publish(1)
    await house.until(lambda: len(house.store.log) == 1000, seconds=10)
    house.reopen(watches[-1], lane=9999)
    await shift.dispatcher._definitions.refresh()
    house.store.away.clear()
    await house.settled()
    assert house.statuses() == {DELIVERED: 2499}
