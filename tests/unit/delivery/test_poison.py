"""What workers die with, on fakes and virtual time."""

from __future__ import annotations

from functools import partial

import pytest

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.ids import IdPrefix, delivery_id_of, to_text
from tests.fakes.worker_harness import WorkerHarness, hang, ok, status

pytestmark = pytest.mark.virtual_time

DELIVERED, FAILED, CANCELLED = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED


async def dies(harness: WorkerHarness) -> None:
    """A worker begins, and dies with what it holds in flight."""
    session = await harness.start_session()
    await harness.until(lambda: harness.endpoints.in_flight > 0)
    await harness.kill(session)
    await harness.store.abandon(max(harness.store.leases))
    await harness.store.take_over()


async def test_an_event_that_kills_its_workers_ends_as_poison_and_its_neighbours_arrive(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    events = harness.publish(5)
    deadly = to_text(IdPrefix.DELIVERY, delivery_id_of(events[2].id, next(iter(harness.store.watches))))

    def answer(request: OutgoingRequest) -> Outcome | float:
        return hang(request) if dict(request.changing)["webhook-id"] == deadly else ok(request)

    harness.endpoints.script["http://a.test/"] = answer
    while "delivery.poison" not in harness.log.events:
        session = await harness.start_session()
        await harness.until(lambda: harness.endpoints.in_flight > 0 or "delivery.poison" in harness.log.events)
        await harness.kill(session)
        await harness.store.abandon(max(harness.store.leases))
        await harness.store.take_over()
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 4, FAILED: 1}
    assert {"poison"} == {each.reason for each in harness.store.log.values() if each.status is FAILED}


async def test_an_event_that_kills_its_workers_alone_and_at_once_ends_as_poison(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = hang
    harness.publish(1)
    for _ in range(3):
        await dies(harness)
    await harness.start_session()
    await harness.settled()
    reasons = [(each.status, each.reason) for each in harness.store.log.values()]
    assert (reasons, len(harness.endpoints.received)) == ([(FAILED, "poison")], 3)


async def test_an_event_erased_after_its_workers_died_with_it_leaves_the_outbox(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = hang
    harness.publish(1)
    for _ in range(3):
        await dies(harness)
    harness.store.event_rows.clear()
    await harness.start_session()
    await harness.settled()
    assert harness.store.log == {}


@pytest.mark.parametrize(("crashes", "few"), [(3, 64), (4, 16), (5, 4), (6, 1), (9, 1)])
async def test_of_what_many_workers_died_with_fewer_are_tried_at_a_time_each_time(
    harness: WorkerHarness, crashes: int, few: int
) -> None:
    harness.watch("http://a.test/", slots=100, paused=True)
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.2
    await harness.start_session()
    harness.publish(80)
    await harness.until(lambda: not harness.store.outbox)
    for row in harness.store.waiting.values():
        row.crashes = crashes
    harness.resume(1)
    await harness.settled()
    assert (harness.endpoints.most_in_all, harness.statuses()) == (few, {DELIVERED: 80})


async def test_a_suspect_that_has_to_stand_in_line_keeps_its_attempts(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = status(500)
    await harness.start_session()
    harness.publish(2)
    await harness.until(partial(harness.endpoints.have_received, "http://a.test/", 2))
    await harness.until(lambda: harness.statuses() == {DeliveryStatus.RETRYING: 2})
    for row in harness.store.waiting.values():
        row.crashes = 6
    harness.endpoints.script["http://a.test/"] = lambda _request: 1.0
    await harness.settled()
    attempts = [[attempt.code for attempt in each.attempts] for each in harness.store.log.values()]
    assert (attempts, harness.statuses()) == ([[500, 200], [500, 200]], {DELIVERED: 2})


async def test_a_delivery_whose_event_was_erased_while_it_waited_is_cancelled(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = status(500)
    await harness.start_session()
    harness.publish(1)
    await harness.until(lambda: harness.statuses() == {DeliveryStatus.RETRYING: 1})
    harness.store.event_rows.clear()
    await harness.settled()
    (logged,) = harness.store.log.values()
    assert (logged.status, logged.reason, len(logged.attempts)) == (CANCELLED, "the event was erased", 1)
