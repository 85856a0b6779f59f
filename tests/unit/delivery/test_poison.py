"""What workers die with, on fakes and virtual time."""

from __future__ import annotations

from functools import partial

import pytest

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.ids import Prefix, delivery_id, to_text
from tests.fakes.worker_harness import LOOP_FACTORIES, WorkerHarness, hang, ok, status

__all__ = ["LOOP_FACTORIES"]

DELIVERED, FAILED, CANCELLED = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED


async def dies(house: WorkerHarness) -> None:
    """A worker begins, and dies with what it holds in flight."""
    shift = await house.begin()
    await house.until(lambda: house.endpoints.in_flight > 0)
    await house.kill(shift)
    await house.store.abandon(max(house.store.leases))
    await house.store.take_over()


async def test_an_event_that_kills_its_workers_ends_as_poison_and_its_neighbours_arrive(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    events = house.publish(5)
    deadly = to_text(Prefix.DELIVERY, delivery_id(events[2].id, next(iter(house.store.watches))))

    def answer(request: OutgoingRequest) -> Outcome | float:
        return hang(request) if dict(request.changing)["webhook-id"] == deadly else ok(request)

    house.endpoints.script["http://a.test/"] = answer
    while "delivery.poison" not in house.log.events:
        shift = await house.begin()
        await house.until(lambda: house.endpoints.in_flight > 0 or "delivery.poison" in house.log.events)
        await house.kill(shift)
        await house.store.abandon(max(house.store.leases))
        await house.store.take_over()
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 4, FAILED: 1}
    assert {"poison"} == {each.reason for each in house.store.log.values() if each.status is FAILED}


async def test_an_event_that_kills_its_workers_alone_and_at_once_ends_as_poison(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = hang
    house.publish(1)
    for _ in range(3):
        await dies(house)
    await house.begin()
    await house.settled()
    reasons = [(each.status, each.reason) for each in house.store.log.values()]
    assert (reasons, len(house.endpoints.received)) == ([(FAILED, "poison")], 3)


async def test_an_event_erased_after_its_workers_died_with_it_leaves_the_outbox(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = hang
    house.publish(1)
    for _ in range(3):
        await dies(house)
    house.store.event_rows.clear()
    await house.begin()
    await house.settled()
    assert house.store.log == {}


@pytest.mark.parametrize(("crashes", "few"), [(3, 64), (4, 16), (5, 4), (6, 1), (9, 1)])
async def test_of_what_many_workers_died_with_fewer_are_tried_at_a_time_each_time(
    house: WorkerHarness, crashes: int, few: int
) -> None:
    house.watch("http://a.test/", slots=100, paused=True)
    house.endpoints.script["http://a.test/"] = lambda _request: 0.2
    await house.begin()
    house.publish(80)
    await house.until(lambda: not house.store.outbox)
    for row in house.store.waiting.values():
        row.crashes = crashes
    house.resume(1)
    await house.settled()
    assert (house.endpoints.most_in_all, house.statuses()) == (few, {DELIVERED: 80})


async def test_a_suspect_that_has_to_stand_in_line_keeps_its_attempts(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = status(500)
    await house.begin()
    house.publish(2)
    await house.until(partial(house.endpoints.have_received, "http://a.test/", 2))
    await house.until(lambda: house.statuses() == {DeliveryStatus.RETRYING: 2})
    for row in house.store.waiting.values():
        row.crashes = 6
    house.endpoints.script["http://a.test/"] = lambda _request: 1.0
    await house.settled()
    attempts = [[attempt.code for attempt in each.attempts] for each in house.store.log.values()]
    assert (attempts, house.statuses()) == ([[500, 200], [500, 200]], {DELIVERED: 2})


async def test_a_delivery_whose_event_was_erased_while_it_waited_is_cancelled(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = status(500)
    await house.begin()
    house.publish(1)
    await house.until(lambda: house.statuses() == {DeliveryStatus.RETRYING: 1})
    house.store.event_rows.clear()
    await house.settled()
    (logged,) = house.store.log.values()
    assert (logged.status, logged.reason, len(logged.attempts)) == (CANCELLED, "the event was erased", 1)
