"""What a worker does with what was accepted, on fakes and virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import pytest

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome
from hookward.domain.delivery.request import OutgoingRequest
from tests.fakes.worker_harness import LOOP_FACTORIES, WorkerHarness, hang, ok, status

__all__ = ["LOOP_FACTORIES"]

DELIVERED, FAILED, RETRYING = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.RETRYING
CANCELLED, PENDING = DeliveryStatus.CANCELLED, DeliveryStatus.PENDING


async def test_every_event_reaches_every_watch_once(house: WorkerHarness) -> None:
    for name in "abc":
        house.watch(f"http://{name}.test/")
    await house.begin()
    house.publish(300)
    await house.settled()
    assert Counter({f"http://{name}.test/": 300 for name in "abc"}) == Counter(
        request.address for request in house.endpoints.received
    )


async def test_an_event_that_nobody_watches_leaves_the_outbox(house: WorkerHarness) -> None:
    await house.begin()
    house.publish()
    await house.settled()
    assert house.store.log == {}


async def test_a_failed_attempt_is_retried_on_schedule_with_the_same_id_and_body(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    answers = [503, 500, 200]

    def answer(request: OutgoingRequest) -> Outcome | float:
        return status(answers.pop(0))(request)

    house.endpoints.script["http://a.test/"] = answer
    await house.begin()
    began = house.clock.monotonic()
    house.publish()
    await house.until(lambda: house.statuses() == {DELIVERED: 1})
    assert house.clock.monotonic() - began == pytest.approx(305, abs=2)
    assert len(set(house.endpoints.ids())) == 1
    assert len({request.body for request in house.endpoints.received}) == 1
    assert [dict(request.changing)["hookward-attempt"] for request in house.endpoints.received] == ["1", "2", "3"]
    assert [attempt.code for attempt in next(iter(house.store.log.values())).attempts] == [503, 500, 200]


async def test_a_delivery_that_never_succeeds_ends_failed_with_every_attempt(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = status(500)
    await house.begin()
    house.publish()
    await house.settled()
    logged = next(iter(house.store.log.values()))
    assert (logged.status, logged.reason, len(logged.attempts)) == (FAILED, "no success in 3 attempts", 3)


async def test_gone_fails_at_once(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = status(410)
    await house.begin()
    house.publish()
    await house.settled()
    assert house.statuses() == {FAILED: 1}


async def test_a_template_that_fails_ends_the_delivery_visibly(house: WorkerHarness) -> None:
    house.watch("http://a.test/", schema={"all": "${$.resource}" * 900})
    await house.begin()
    house.store.publish(house.event(b'{"id":"1","text":"' + b"x" * 20_000 + b'"}'))
    await house.settled()
    logged = next(iter(house.store.log.values()))
    assert (logged.status, [attempt.error for attempt in logged.attempts]) == (FAILED, ["template"])


async def test_no_more_sends_at_a_time_than_the_watch_has_slots(house: WorkerHarness) -> None:
    house.watch("http://a.test/", slots=3)
    house.endpoints.script["http://a.test/"] = lambda _request: 0.2
    await house.begin()
    await house.begin()
    house.publish(200, together=False)
    await house.settled()
    assert house.statuses() == {DELIVERED: 200}
    assert house.endpoints.most_in_flight["http://a.test/"] == 3


async def test_an_endpoint_that_hangs_does_not_hold_up_another_watch(house: WorkerHarness) -> None:
    house.watch("http://dead.test/")
    house.watch("http://a.test/")
    house.endpoints.script["http://dead.test/"] = hang
    await house.begin()
    for number in range(1, 41):
        began = house.clock.monotonic()
        house.publish(20)
        await house.until(partial(house.endpoints.have_received, "http://a.test/", 20 * number))
        assert house.clock.monotonic() - began < 0.1
        await asyncio.sleep(0.1)
    assert house.endpoints.most_in_flight["http://dead.test/"] == 16


async def test_a_batch_closes_within_a_second_and_what_is_in_flight_waits_under_our_lease(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 10.0
    await house.begin()
    house.publish(20)
    await house.until(lambda: not house.store.outbox, seconds=1.1)
    held = Counter(row.token is not None for row in house.store.waiting.values())
    assert house.statuses() == {PENDING: 20}
    assert Counter({True: 16, False: 4}) == held
    await house.settled()
    assert (house.statuses()[DELIVERED], len(house.endpoints.received)) == (20, 20)


async def test_a_killed_worker_s_work_is_taken_over_and_only_what_was_in_flight_is_sent_twice(
    house: WorkerHarness,
) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 0.05
    first = await house.begin()
    house.publish(200, together=False)
    await house.until(lambda: len(house.endpoints.received) > 60)
    in_flight = house.endpoints.in_flight
    await house.kill(first)
    await house.begin()
    await house.settled()
    assert in_flight > 0
    assert house.statuses() == {DELIVERED: 200}
    recorded_late = 16 * 2
    assert len(house.endpoints.received) <= 200 + in_flight + recorded_late


async def test_a_worker_whose_lease_ended_changes_nothing(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 5.0
    await house.begin()
    house.publish(10)
    await house.until(lambda: house.endpoints.in_flight == 10)
    for token in list(house.store.leases):
        await house.store.abandon(token)
    await house.store.take_over()
    await house.until(lambda: "house.lease_lost" in house.log.events)
    assert {id_: row for id_, row in house.store.waiting.items() if row.token is not None} == {}
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 10}


@pytest.mark.parametrize("lost", ["claim", "pull", "acquire", "record", "events", "changes_since", "stopped"])
async def test_a_lost_answer_of_the_store_loses_no_event(house: WorkerHarness, lost: str) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 0.02
    house.endpoints.script["http://b.test/"] = status(500)
    house.watch("http://b.test/")
    for _ in range(4):
        await house.begin()
        house.publish(50, together=False)
        await asyncio.sleep(0.05)
        house.store.lost.add(lost)
        await asyncio.sleep(6)
        house.store.lost.clear()
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 200, FAILED: 200}


async def test_an_outage_of_the_store_is_waited_out(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    await house.begin()
    house.publish(100)
    await house.until(lambda: len(house.endpoints.received) > 10)
    house.store.down = True
    await asyncio.sleep(20)
    house.store.down = False
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 100}
    assert len(house.endpoints.received) == 100


async def test_a_graceful_stop_lets_what_is_in_flight_land_and_frees_the_rest(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 3.0
    await house.begin()
    house.publish(100)
    await house.until(lambda: house.endpoints.in_flight == 16)
    await house.close()
    assert house.statuses() == {DELIVERED: 16, PENDING: 84}
    assert {None} == {row.token for row in house.store.waiting.values()}
    assert house.store.leases == {}


async def test_what_does_not_land_within_the_grace_time_is_left_to_the_next_worker(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = hang
    await house.begin(grace=2.0)
    house.publish(3)
    await house.until(lambda: house.endpoints.in_flight == 3)
    await house.close()
    assert "worker.grace_over" in house.log.events
    house.stop.clear()
    house.endpoints.script["http://a.test/"] = ok
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 3}


async def test_a_paused_watch_s_deliveries_wait_and_cost_nothing(house: WorkerHarness) -> None:
    house.watch("http://a.test/", paused=True)
    await house.begin()
    house.publish(30)
    await house.until(lambda: not house.store.outbox)
    assert (house.statuses(), len(house.endpoints.received)) == ({PENDING: 30}, 0)
    house.resume(1)
    await house.settled()
    assert house.statuses() == {DELIVERED: 30}


async def test_what_waits_for_a_closed_lane_is_cancelled_with_the_reason(house: WorkerHarness) -> None:
    house.watch("http://a.test/", paused=True)
    await house.begin()
    house.publish(30)
    await house.until(lambda: not house.store.outbox)
    house.store.lanes[1].closing = "the watch was deleted"
    house.store.lanes[1].wake_at = house.clock.monotonic()
    await house.until(lambda: not house.store.waiting)
    assert {(CANCELLED, "the watch was deleted")} == {(each.status, each.reason) for each in house.store.log.values()}
