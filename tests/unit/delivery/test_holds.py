"""What an answer means for a whole watch: it is left alone for as long as its endpoint asked, or for good."""

from __future__ import annotations

import asyncio

import pytest

from hookward.application.delivery.lane import SLOW_SECONDS
from hookward.application.delivery.lane_upkeep import UPKEEP_SECONDS
from hookward.application.delivery.lanes import PAUSED_SECONDS
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome, Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.watches.model import WatchStatus
from tests.fakes.worker_harness import Endpoint, WorkerHarness, ok, status

pytestmark = pytest.mark.virtual_time

DELIVERED, FAILED, CANCELLED = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED
HERE = "http://a.test/"


def busy(seconds: object, code: int = 429) -> Endpoint:
    headers = (("Retry-After", str(seconds)),)
    return lambda _request: Outcome(duration_us=1000, response=Response(status=code, headers=headers, body=b""))


def in_turn(*answers: Endpoint) -> Endpoint:
    """Each once, the last for ever."""
    left = list(answers)

    def answer(request: OutgoingRequest) -> Outcome | float:
        endpoint = left.pop(0) if len(left) > 1 else left[0]
        return endpoint(request)

    return answer


def once(first: Endpoint, then: Endpoint = ok) -> Endpoint:
    return in_turn(first, then)


async def proven(harness: WorkerHarness) -> None:
    """Let the endpoint answer often enough to get all its slots at once."""
    harness.publish(20)
    await harness.until(lambda: harness.statuses() == {DELIVERED: 20})
    harness.endpoints.received.clear()


def numbers(harness: WorkerHarness) -> list[int]:
    """How many attempts each delivery took."""
    return sorted(len(logged.attempts) for logged in harness.store.log.values())


async def test_a_held_watch_is_left_alone_and_what_waits_spends_no_attempts(harness: WorkerHarness) -> None:
    harness.watch(HERE)
    await harness.start_session()
    await proven(harness)
    harness.endpoints.script[HERE] = once(busy(60))
    harness.publish(200)
    await asyncio.sleep(59)
    held_off = len(harness.endpoints.received)
    harness.publish(100)
    await asyncio.sleep(0.5)
    assert held_off == len(harness.endpoints.received) <= 16
    await harness.settled(seconds=10)
    assert (harness.statuses(), numbers(harness)[-2:]) == ({DELIVERED: 320}, [1, 2])
    assert len(harness.endpoints.received) == 301


async def test_other_watches_go_on_while_one_is_held(harness: WorkerHarness) -> None:
    harness.watch(HERE)
    harness.watch("http://b.test/")
    harness.endpoints.script[HERE] = busy(3600)
    await harness.start_session()
    for count in range(1, 6):
        harness.publish(10)
        await asyncio.sleep(0.5)
        assert harness.endpoints.have_received("http://b.test/", 10 * count)
        await asyncio.sleep(1)


async def test_every_worker_leaves_a_held_watch_alone_within_moments(harness: WorkerHarness) -> None:
    harness.watch(HERE)
    for _ in range(3):
        await harness.start_session()
    harness.endpoints.script[HERE] = lambda _request: SLOW_SECONDS / 5
    harness.publish(600, together=False)
    await harness.until(lambda: len(harness.endpoints.received) > 100)
    harness.endpoints.script[HERE] = once(busy(60), lambda _request: SLOW_SECONDS / 5)
    await asyncio.sleep(2 * UPKEEP_SECONDS)
    seen = len(harness.endpoints.received)
    await asyncio.sleep(55)
    assert len(harness.endpoints.received) == seen < 600
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 600}


async def test_when_a_hold_ends_no_more_go_out_at_a_time_than_the_watch_has_slots(harness: WorkerHarness) -> None:
    harness.watch(HERE, slots=3)
    harness.endpoints.script[HERE] = once(busy(60), lambda _request: 0.1)
    for _ in range(2):
        await harness.start_session()
    harness.publish(100)
    await harness.settled()
    assert (harness.statuses(), harness.endpoints.most_in_flight[HERE]) == ({DELIVERED: 100}, 3)


async def test_a_hold_is_not_shortened_by_an_answer_that_asks_for_less(harness: WorkerHarness) -> None:
    harness.watch(HERE)
    harness.endpoints.script[HERE] = in_turn(busy(600), busy(10), ok)
    await harness.start_session()
    harness.publish(2)
    await asyncio.sleep(590)
    assert len(harness.endpoints.received) == 2
    await harness.settled(seconds=20)
    assert harness.statuses() == {DELIVERED: 2}


async def test_an_answer_to_the_last_attempt_holds_the_watch_too(harness: WorkerHarness) -> None:
    harness.schedule = ()
    harness.watch(HERE)
    harness.endpoints.script[HERE] = once(busy(60, 503))
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {FAILED: 1})
    harness.publish()
    await asyncio.sleep(55)
    assert len(harness.endpoints.received) == 1
    await harness.settled(seconds=10)
    assert harness.statuses() == {FAILED: 1, DELIVERED: 1}


async def test_a_hold_outlives_the_worker_that_was_told(harness: WorkerHarness) -> None:
    harness.watch(HERE)
    harness.endpoints.script[HERE] = once(busy(120))
    first = await harness.start_session()
    harness.publish(50)
    await harness.until(lambda: len(harness.store.log) == 50 and not harness.store.outbox)
    await harness.kill(first)
    sent = len(harness.endpoints.received)
    await harness.start_session()
    await asyncio.sleep(110)
    assert len(harness.endpoints.received) == sent
    await harness.settled(seconds=20)
    assert (harness.statuses(), numbers(harness)[-2:]) == ({DELIVERED: 50}, [1, 2])


async def test_what_was_pulled_as_its_watch_was_held_goes_back_to_wait(harness: WorkerHarness) -> None:
    harness.schedule = (1.0,)
    harness.watch(HERE, slots=2)
    harness.endpoints.script[HERE] = status(500)
    session = await harness.start_session()
    harness.publish(2)
    await harness.until(lambda: len(harness.store.waiting) == 2)
    lane = session.lanes.table[1]
    await harness.until(lambda: lane.granted == 0, seconds=0.9)
    lane.paused_until = harness.clock.monotonic() + PAUSED_SECONDS
    harness.store.lanes[1].wake_at = harness.clock.monotonic()
    await asyncio.sleep(PAUSED_SECONDS / 2)
    assert len(harness.endpoints.received) == 2
    await harness.settled()
    assert (harness.statuses(), numbers(harness)) == ({FAILED: 2}, [2, 2])


async def test_gone_disables_the_watch_and_cancels_what_waits_with_that_reason(harness: WorkerHarness) -> None:
    watch = harness.watch(HERE)
    await harness.start_session()
    await harness.start_session()
    harness.endpoints.script[HERE] = once(status(410), lambda _request: 0.1)
    harness.publish(200)
    await harness.settled()
    row = harness.store.watches[watch.id]
    assert (row.status, row.status_reason) == (WatchStatus.DISABLED, "gone")
    reasons = {(each.status, each.reason) for each in harness.store.log.values()}
    assert reasons - {(DELIVERED, None)} == {(FAILED, "the endpoint answered 410 Gone"), (CANCELLED, "gone")}
    sent = len(harness.endpoints.received)
    harness.publish(10)
    await harness.settled()
    assert (len(harness.store.log), len(harness.endpoints.received)) == (200, sent)
    assert sent <= 16 * 2


async def test_a_watch_that_was_changed_meanwhile_is_not_disabled_by_an_answer_to_what_it_was(
    harness: WorkerHarness,
) -> None:
    watch = harness.watch(HERE)

    def change_and_be_gone(request: OutgoingRequest) -> Outcome | float:
        harness.change(watch, status_reason=None)
        return status(410)(request)

    harness.endpoints.script[HERE] = once(change_and_be_gone)
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {FAILED: 1})
    harness.publish()
    await harness.settled()
    assert (harness.statuses(), harness.store.watches[watch.id].status) == (
        {FAILED: 1, DELIVERED: 1},
        WatchStatus.ENABLED,
    )


@pytest.mark.parametrize("answer", [status(410), busy(3600)])
async def test_what_an_old_address_answers_to_a_retry_says_nothing_of_the_new_one(
    harness: WorkerHarness, answer: Endpoint
) -> None:
    watch = harness.watch(HERE)
    harness.endpoints.script[HERE] = once(status(500), answer)
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: len(harness.store.waiting) == 1)
    harness.change(watch, definition=watch.definition.replace(b"a.test", b"b.test"))
    await harness.until(lambda: len(harness.endpoints.received) == 2)
    harness.publish()
    await harness.until(lambda: harness.endpoints.have_received("http://b.test/", 1), seconds=5)
    await harness.until(lambda: harness.statuses()[DELIVERED] == 1)
    assert harness.store.watches[watch.id].status is WatchStatus.ENABLED


async def test_a_lost_answer_to_the_record_of_gone_disables_once(harness: WorkerHarness) -> None:
    watch = harness.watch(HERE)
    harness.endpoints.script[HERE] = status(410)
    await harness.start_session()
    before = harness.store.version
    harness.store.lost.add("record")
    harness.publish()
    await harness.settled()
    assert (harness.store.version - before, harness.store.watches[watch.id].status_reason) == (1, "gone")
