"""How much a worker takes and has in flight, on fakes and virtual time."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from hookward.application.delivery.admission import PROBES
from hookward.application.delivery.lane import SLOW_SECONDS
from hookward.application.delivery.lane_upkeep import FORGET_SECONDS
from hookward.domain.delivery.model import DeliveryStatus
from tests.fakes.worker_harness import WorkerHarness, hang

pytestmark = pytest.mark.virtual_time

DELIVERED = DeliveryStatus.DELIVERED


async def test_a_worker_has_no_more_in_flight_than_its_bound(harness: WorkerHarness) -> None:
    for name in "abc":
        harness.watch(f"http://{name}.test/")
        harness.endpoints.script[f"http://{name}.test/"] = lambda _request: 0.1
    await harness.start_session(in_flight=8)
    harness.publish(50)
    await harness.settled()
    assert (harness.endpoints.most_in_all, harness.statuses()) == (8, {DELIVERED: 150})


async def test_a_worker_without_room_leaves_events_to_others(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.1
    harness.publish(300, together=False)
    await harness.start_session(in_flight=64)
    await harness.until(lambda: harness.endpoints.in_flight > 0)
    assert len([row for row in harness.store.outbox.values() if row.token is None]) == 44
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 300}


async def test_endpoints_that_hang_leave_a_share_of_a_worker_to_those_that_answer(harness: WorkerHarness) -> None:
    for name in ("dead", "gone"):
        harness.watch(f"http://{name}.test/")
        harness.endpoints.script[f"http://{name}.test/"] = hang
    harness.watch("http://a.test/")
    await harness.start_session(in_flight=8, room=256)
    harness.publish(30)
    await harness.until(partial(harness.endpoints.have_received, "http://a.test/", 30))
    for _ in range(20):
        await asyncio.sleep(1)
        assert harness.endpoints.in_flight <= 6
        sent = sum(request.address == "http://a.test/" for request in harness.endpoints.received)
        began = harness.clock.monotonic()
        harness.publish(10)
        await harness.until(partial(harness.endpoints.have_received, "http://a.test/", sent + 10))
        assert harness.clock.monotonic() - began < 0.1


async def test_an_endpoint_that_answered_a_second_ago_is_known_to_answer(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    await harness.start_session(in_flight=8, room=256)
    harness.publish()
    await harness.until(partial(harness.endpoints.have_received, "http://a.test/", 1))
    await asyncio.sleep(1)
    for name in ("b", "c", "d"):
        harness.watch(f"http://{name}.test/")
        harness.endpoints.script[f"http://{name}.test/"] = hang
    harness.publish(30)
    await harness.until(lambda: harness.endpoints.in_flight >= 6)
    began = harness.clock.monotonic()
    harness.publish()
    await harness.until(partial(harness.endpoints.have_received, "http://a.test/", 32))
    assert harness.clock.monotonic() - began < 0.1


async def test_what_has_just_become_slow_leaves_its_share_to_those_that_wait_for_a_first_try(
    harness: WorkerHarness,
) -> None:
    harness.watch("http://dead.test/")
    harness.endpoints.script["http://dead.test/"] = hang
    await harness.start_session(in_flight=8)
    harness.publish(2)
    await harness.until(lambda: harness.endpoints.in_flight == 2)
    harness.watch("http://a.test/")
    began = harness.clock.monotonic()
    harness.publish()
    await harness.until(partial(harness.endpoints.have_received, "http://a.test/", 1))
    assert harness.clock.monotonic() - began < 0.6


async def test_an_endpoint_that_nothing_was_sent_to_for_long_is_tried_again(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    await harness.start_session()
    harness.publish(40)
    await harness.settled()
    await asyncio.sleep(FORGET_SECONDS + 1)
    harness.endpoints.script["http://a.test/"] = hang
    harness.publish(40)
    await harness.until(lambda: harness.endpoints.in_flight > 0)
    await asyncio.sleep(SLOW_SECONDS / 2)
    assert harness.endpoints.in_flight == PROBES


async def test_an_answer_about_slots_that_was_lost_ends_the_shift_and_holds_nothing(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.watch("http://b.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 1.0
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses()[DELIVERED] == 1)
    harness.watch("http://c.test/")
    harness.store.lost.add("acquire")
    harness.publish(5)
    await harness.until(lambda: "lanes.store_unavailable" in harness.log.events)
    await asyncio.wait(harness.tasks)
    assert sum(lane.in_use for lane in harness.store.lanes.values()) == 0
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 17}


async def test_however_many_endpoints_hang_one_that_answers_is_served_at_once(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    await harness.start_session(in_flight=128)
    harness.publish()
    await harness.until(partial(harness.endpoints.have_received, "http://a.test/", 1))
    for number in range(20):
        harness.watch(f"http://{number}.test/")
        harness.endpoints.script[f"http://{number}.test/"] = hang
    waits: list[float] = []
    for number in range(50):
        began = harness.clock.monotonic()
        harness.publish(2)
        await harness.until(partial(harness.endpoints.have_received, "http://a.test/", 3 + 2 * number))
        waits.append(harness.clock.monotonic() - began)
        await asyncio.sleep(0.5)
    assert max(waits) < 0.1
    assert harness.endpoints.most_in_all <= 128


async def test_a_watch_that_proved_itself_gets_all_its_slots_at_once(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.1
    await harness.start_session()
    harness.publish(40)
    await harness.until(lambda: harness.endpoints.in_flight > 0)
    assert harness.endpoints.in_flight == 2
    await harness.until(lambda: harness.endpoints.in_flight == 16, seconds=0.15)


async def test_a_lane_that_has_rested_for_long_is_forgotten(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    session = await harness.start_session()
    harness.publish()
    await harness.settled()
    assert len(session.lanes.table) == 1
    await harness.until(lambda: len(session.lanes.table) == 0, seconds=700)


async def test_what_is_queued_here_waits_when_its_watch_is_paused(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", slots=1)
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.2
    await harness.start_session()
    harness.publish(20)
    await harness.until(lambda: harness.endpoints.in_flight == 1)
    harness.store.lanes[1].paused = True
    await asyncio.sleep(1)
    sent = len(harness.endpoints.received)
    await asyncio.sleep(30)
    assert len(harness.endpoints.received) == sent < 20
    harness.resume(1)
    await harness.settled()
    assert harness.statuses() == {DeliveryStatus.DELIVERED: 20}
