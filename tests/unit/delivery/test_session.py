"""What a worker does with what was accepted, on fakes and virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import pytest

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome
from hookward.domain.delivery.request import OutgoingRequest
from tests.fakes.worker_harness import WorkerHarness, hang, ok, status

pytestmark = pytest.mark.virtual_time

DELIVERED, FAILED, RETRYING = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.RETRYING
CANCELLED, PENDING = DeliveryStatus.CANCELLED, DeliveryStatus.PENDING


async def test_every_event_reaches_every_watch_once(harness: WorkerHarness) -> None:
    for name in "abc":
        harness.watch(f"http://{name}.test/")
    await harness.start_session()
    harness.publish(300)
    await harness.settled()
    assert Counter({f"http://{name}.test/": 300 for name in "abc"}) == Counter(
        request.address for request in harness.endpoints.received
    )


async def test_an_event_without_a_watch_leaves_the_outbox(harness: WorkerHarness) -> None:
    await harness.start_session()
    harness.publish()
    await harness.settled()
    assert harness.store.log == {}


async def test_a_failed_attempt_is_retried_on_schedule_with_the_same_id_and_body(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    answers = [503, 500, 200]

    def answer(request: OutgoingRequest) -> Outcome | float:
        return status(answers.pop(0))(request)

    harness.endpoints.script["http://a.test/"] = answer
    await harness.start_session()
    began = harness.clock.monotonic()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {DELIVERED: 1})
    assert harness.clock.monotonic() - began == pytest.approx(305, abs=2)
    assert len(set(harness.endpoints.ids())) == 1
    assert len({request.body for request in harness.endpoints.received}) == 1
    assert [dict(request.changing)["hookward-attempt"] for request in harness.endpoints.received] == ["1", "2", "3"]
    assert [attempt.code for attempt in next(iter(harness.store.log.values())).attempts] == [503, 500, 200]


async def test_a_delivery_that_never_succeeds_ends_failed_with_every_attempt(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = status(500)
    await harness.start_session()
    harness.publish()
    await harness.settled()
    logged = next(iter(harness.store.log.values()))
    assert (logged.status, logged.reason, len(logged.attempts)) == (FAILED, "no success in 3 attempts", 3)


async def test_gone_fails_at_once(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = status(410)
    await harness.start_session()
    harness.publish()
    await harness.settled()
    assert harness.statuses() == {FAILED: 1}


async def test_a_template_that_fails_ends_the_delivery_visibly(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", schema={"all": "${$.resource}" * 900})
    await harness.start_session()
    harness.store.publish(harness.event(b'{"id":"1","text":"' + b"x" * 20_000 + b'"}'))
    await harness.settled()
    logged = next(iter(harness.store.log.values()))
    assert (logged.status, [attempt.error for attempt in logged.attempts]) == (FAILED, ["template"])


async def test_no_more_sends_at_a_time_than_the_watch_has_slots(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", slots=3)
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.2
    await harness.start_session()
    await harness.start_session()
    harness.publish(200, together=False)
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 200}
    assert harness.endpoints.most_in_flight["http://a.test/"] == 3


async def test_an_endpoint_that_hangs_does_not_hold_up_another_watch(harness: WorkerHarness) -> None:
    harness.watch("http://dead.test/")
    harness.watch("http://a.test/")
    harness.endpoints.script["http://dead.test/"] = hang
    await harness.start_session()
    for number in range(1, 41):
        began = harness.clock.monotonic()
        harness.publish(20)
        await harness.until(partial(harness.endpoints.have_received, "http://a.test/", 20 * number))
        assert harness.clock.monotonic() - began < 0.1
        await asyncio.sleep(0.1)
    assert harness.endpoints.most_in_flight["http://dead.test/"] == 16


async def test_a_batch_closes_within_a_second_and_what_is_in_flight_waits_under_a_lease(
    harness: WorkerHarness,
) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 10.0
    await harness.start_session()
    harness.publish(20)
    await harness.until(lambda: not harness.store.outbox, seconds=1.1)
    held = Counter(row.token is not None for row in harness.store.waiting.values())
    assert harness.statuses() == {PENDING: 20}
    assert Counter({True: 16, False: 4}) == held
    await harness.settled()
    assert (harness.statuses()[DELIVERED], len(harness.endpoints.received)) == (20, 20)


async def test_a_killed_worker_s_work_is_taken_over_and_only_what_was_in_flight_is_sent_twice(
    harness: WorkerHarness,
) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.05
    first = await harness.start_session()
    harness.publish(200, together=False)
    await harness.until(lambda: len(harness.endpoints.received) > 60)
    in_flight = harness.endpoints.in_flight
    await harness.kill(first)
    await harness.start_session()
    await harness.settled()
    assert in_flight > 0
    assert harness.statuses() == {DELIVERED: 200}
    recorded_late = 16 * 2
    assert len(harness.endpoints.received) <= 200 + in_flight + recorded_late


async def test_a_worker_whose_lease_ended_changes_nothing(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 5.0
    await harness.start_session()
    harness.publish(10)
    await harness.until(lambda: harness.endpoints.in_flight == 10)
    for token in list(harness.store.leases):
        await harness.store.abandon(token)
    await harness.store.take_over()
    await harness.until(lambda: "harness.lease_lost" in harness.log.events)
    assert {id_: row for id_, row in harness.store.waiting.items() if row.token is not None} == {}
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 10}


@pytest.mark.parametrize("lost", ["claim", "pull", "acquire", "record", "events", "changes_since", "stopped"])
async def test_a_lost_answer_of_the_store_loses_no_event(harness: WorkerHarness, lost: str) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.02
    harness.endpoints.script["http://b.test/"] = status(500)
    harness.watch("http://b.test/")
    for _ in range(4):
        await harness.start_session()
        harness.publish(50, together=False)
        await asyncio.sleep(0.05)
        harness.store.lost.add(lost)
        await asyncio.sleep(6)
        harness.store.lost.clear()
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 200, FAILED: 200}


async def test_an_outage_of_the_store_is_waited_out(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    await harness.start_session()
    harness.publish(100)
    await harness.until(lambda: len(harness.endpoints.received) > 10)
    harness.store.down = True
    await asyncio.sleep(20)
    harness.store.down = False
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 100}
    assert len(harness.endpoints.received) == 100


async def test_a_graceful_stop_lets_what_is_in_flight_land_and_frees_the_rest(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 3.0
    await harness.start_session()
    harness.publish(100)
    await harness.until(lambda: harness.endpoints.in_flight == 16)
    await harness.close()
    assert harness.statuses() == {DELIVERED: 16, PENDING: 84}
    assert {None} == {row.token for row in harness.store.waiting.values()}
    assert harness.store.leases == {}


async def test_what_does_not_land_within_the_grace_time_is_left_to_the_next_worker(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = hang
    await harness.start_session(grace=2.0)
    harness.publish(3)
    await harness.until(lambda: harness.endpoints.in_flight == 3)
    await harness.close()
    assert "worker.grace_over" in harness.log.events
    harness.stop.clear()
    harness.endpoints.script["http://a.test/"] = ok
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 3}


async def test_a_paused_watch_s_deliveries_wait_and_cost_nothing(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", paused=True)
    await harness.start_session()
    harness.publish(30)
    await harness.until(lambda: not harness.store.outbox)
    assert (harness.statuses(), len(harness.endpoints.received)) == ({PENDING: 30}, 0)
    harness.resume(1)
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 30}


async def test_what_waits_for_a_closed_lane_is_cancelled_with_the_reason(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", paused=True)
    await harness.start_session()
    harness.publish(30)
    await harness.until(lambda: not harness.store.outbox)
    harness.store.lanes[1].closing = "the watch was deleted"
    harness.store.lanes[1].wake_at = harness.clock.monotonic()
    await harness.until(lambda: not harness.store.waiting)
    assert {(CANCELLED, "the watch was deleted")} == {(each.status, each.reason) for each in harness.store.log.values()}
