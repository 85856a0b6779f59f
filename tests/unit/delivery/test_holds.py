"""What an answer means for a whole watch: it is left alone for as long as its endpoint asked, or for good."""

from __future__ import annotations

import asyncio

import pytest

from hookward.application.delivery.admission import SLOW_SECONDS
from hookward.application.delivery.lanes import LEFT_ALONE_SECONDS, UPKEEP_SECONDS
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome, Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.watches.model import WatchStatus
from tests.fakes.worker_harness import LOOP_FACTORIES, Endpoint, WorkerHarness, ok, status

__all__ = ["LOOP_FACTORIES"]

DELIVERED, FAILED, CANCELLED = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED
HERE = "http://a.test/"


def busy(seconds: object, code: int = 429) -> Endpoint:
    headers = (("Retry-After", str(seconds)),)
    return lambda _request: Outcome(duration_us=1000, answer=Response(status=code, headers=headers, body=b""))


def in_turn(*answers: Endpoint) -> Endpoint:
    """Each once, the last for ever."""
    left = list(answers)

    def answer(request: OutgoingRequest) -> Outcome | float:
        endpoint = left.pop(0) if len(left) > 1 else left[0]
        return endpoint(request)

    return answer


def once(first: Endpoint, then: Endpoint = ok) -> Endpoint:
    return in_turn(first, then)


async def proven(house: WorkerHarness) -> None:
    """Let the endpoint answer often enough to get all its slots at once."""
    house.publish(20)
    await house.until(lambda: house.statuses() == {DELIVERED: 20})
    house.endpoints.received.clear()


def numbers(house: WorkerHarness) -> list[int]:
    """How many attempts each delivery took."""
    return sorted(len(logged.attempts) for logged in house.store.log.values())


async def test_a_held_watch_is_left_alone_and_what_waits_spends_no_attempts(house: WorkerHarness) -> None:
    house.watch(HERE)
    await house.begin()
    await proven(house)
    house.endpoints.script[HERE] = once(busy(60))
    house.publish(200)
    await asyncio.sleep(59)
    held_off = len(house.endpoints.received)
    house.publish(100)
    await asyncio.sleep(0.5)
    assert held_off == len(house.endpoints.received) <= 16
    await house.settled(seconds=10)
    assert (house.statuses(), numbers(house)[-2:]) == ({DELIVERED: 320}, [1, 2])
    assert len(house.endpoints.received) == 301


async def test_other_watches_go_on_while_one_is_held(house: WorkerHarness) -> None:
    house.watch(HERE)
    house.watch("http://b.test/")
    house.endpoints.script[HERE] = busy(3600)
    await house.begin()
    for count in range(1, 6):
        house.publish(10)
        await house.until(lambda count=count: house.endpoints.have_received("http://b.test/", 10 * count), seconds=0.5)  # type: ignore[misc]
        await asyncio.sleep(1)


async def test_every_worker_leaves_a_held_watch_alone_within_moments(house: WorkerHarness) -> None:
    house.watch(HERE)
    for _ in range(3):
        await house.begin()
    house.endpoints.script[HERE] = lambda _request: SLOW_SECONDS / 5
    house.publish(600, together=False)
    await house.until(lambda: len(house.endpoints.received) > 100)
    house.endpoints.script[HERE] = once(busy(60), lambda _request: SLOW_SECONDS / 5)
    await asyncio.sleep(2 * UPKEEP_SECONDS)
    seen = len(house.endpoints.received)
    await asyncio.sleep(55)
    assert len(house.endpoints.received) == seen < 600
    await house.settled()
    assert house.statuses() == {DELIVERED: 600}


async def test_when_a_hold_ends_no_more_go_out_at_a_time_than_the_watch_has_slots(house: WorkerHarness) -> None:
    house.watch(HERE, slots=3)
    house.endpoints.script[HERE] = once(busy(60), lambda _request: 0.1)
    for _ in range(2):
        await house.begin()
    house.publish(100)
    await house.settled()
    assert (house.statuses(), house.endpoints.most_in_flight[HERE]) == ({DELIVERED: 100}, 3)


async def test_a_hold_is_not_shortened_by_an_answer_that_asks_for_less(house: WorkerHarness) -> None:
    house.watch(HERE)
    house.endpoints.script[HERE] = in_turn(busy(600), busy(10), ok)
    await house.begin()
    house.publish(2)
    await asyncio.sleep(590)
    assert len(house.endpoints.received) == 2
    await house.settled(seconds=20)
    assert house.statuses() == {DELIVERED: 2}


async def test_an_answer_to_the_last_attempt_holds_the_watch_too(house: WorkerHarness) -> None:
    house.schedule = ()
    house.watch(HERE)
    house.endpoints.script[HERE] = once(busy(60, 503))
    await house.begin()
    house.publish()
    await house.until(lambda: house.statuses() == {FAILED: 1})
    house.publish()
    await asyncio.sleep(55)
    assert len(house.endpoints.received) == 1
    await house.settled(seconds=10)
    assert house.statuses() == {FAILED: 1, DELIVERED: 1}


async def test_a_hold_outlives_the_worker_that_was_told(house: WorkerHarness) -> None:
    house.watch(HERE)
    house.endpoints.script[HERE] = once(busy(120))
    first = await house.begin()
    house.publish(50)
    await house.until(lambda: len(house.store.log) == 50 and not house.store.outbox)
    await house.kill(first)
    sent = len(house.endpoints.received)
    await house.begin()
    await asyncio.sleep(110)
    assert len(house.endpoints.received) == sent
    await house.settled(seconds=20)
    assert (house.statuses(), numbers(house)[-2:]) == ({DELIVERED: 50}, [1, 2])


async def test_what_was_pulled_as_its_watch_was_held_goes_back_to_wait(house: WorkerHarness) -> None:
    house.schedule = (1.0,)
    house.watch(HERE, slots=2)
    house.endpoints.script[HERE] = status(500)
    shift = await house.begin()
    house.publish(2)
    await house.until(lambda: len(house.store.waiting) == 2)
    lane = shift.lanes._lanes[1]
    await house.until(lambda: lane.granted == 0, seconds=0.9)
    lane.alone_until = house.clock.monotonic() + LEFT_ALONE_SECONDS
    house.store.lanes[1].wake_at = house.clock.monotonic()
    await asyncio.sleep(LEFT_ALONE_SECONDS / 2)
    assert len(house.endpoints.received) == 2
    await house.settled()
    assert (house.statuses(), numbers(house)) == ({FAILED: 2}, [2, 2])


async def test_gone_disables_the_watch_and_cancels_what_waits_with_that_reason(house: WorkerHarness) -> None:
    watch = house.watch(HERE)
    await house.begin()
    await house.begin()
    house.endpoints.script[HERE] = once(status(410), lambda _request: 0.1)
    house.publish(200)
    await house.settled()
    row = house.store.watches[watch.id]
    assert (row.status, row.status_reason) == (WatchStatus.DISABLED, "gone")
    reasons = {(each.status, each.reason) for each in house.store.log.values()}
    assert reasons - {(DELIVERED, None)} == {(FAILED, "the endpoint answered 410 Gone"), (CANCELLED, "gone")}
    sent = len(house.endpoints.received)
    house.publish(10)
    await house.settled()
    assert (len(house.store.log), len(house.endpoints.received)) == (200, sent)
    assert sent <= 16 * 2


async def test_a_watch_that_was_changed_meanwhile_is_not_disabled_by_an_answer_to_what_it_was(
    house: WorkerHarness,
) -> None:
    watch = house.watch(HERE)

    def change_and_be_gone(request: OutgoingRequest) -> Outcome | float:
        house.change(watch, status_reason=None)
        return status(410)(request)

    house.endpoints.script[HERE] = once(change_and_be_gone)
    await house.begin()
    house.publish()
    await house.until(lambda: house.statuses() == {FAILED: 1})
    house.publish()
    await house.settled()
    assert (house.statuses(), house.store.watches[watch.id].status) == ({FAILED: 1, DELIVERED: 1}, WatchStatus.ENABLED)


@pytest.mark.parametrize("answer", [status(410), busy(3600)])
async def test_what_an_old_address_answers_to_a_retry_says_nothing_of_the_new_one(
    house: WorkerHarness, answer: Endpoint
) -> None:
    watch = house.watch(HERE)
    house.endpoints.script[HERE] = once(status(500), answer)
    await house.begin()
    house.publish()
    await house.until(lambda: len(house.store.waiting) == 1)
    house.change(watch, definition=watch.definition.replace(b"a.test", b"b.test"))
    await house.until(lambda: len(house.endpoints.received) == 2)
    house.publish()
    await house.until(lambda: house.endpoints.have_received("http://b.test/", 1), seconds=5)
    await house.until(lambda: house.statuses()[DELIVERED] == 1)
    assert house.store.watches[watch.id].status is WatchStatus.ENABLED


async def test_a_lost_answer_to_the_record_of_gone_disables_once(house: WorkerHarness) -> None:
    watch = house.watch(HERE)
    house.endpoints.script[HERE] = status(410)
    await house.begin()
    before = house.store.version
    house.store.lost.add("record")
    house.publish()
    await house.settled()
    assert (house.store.version - before, house.store.watches[watch.id].status_reason) == (1, "gone")
