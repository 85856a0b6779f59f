"""How much a worker takes and has in flight, on fakes and virtual time."""

from __future__ import annotations

import asyncio
from functools import partial

from hookward.application.delivery.admission import PROBES, SLOW_SECONDS
from hookward.application.delivery.lanes import FORGET_SECONDS
from hookward.domain.delivery.model import DeliveryStatus
from tests.fakes.worker_harness import LOOP_FACTORIES, WorkerHarness, hang

__all__ = ["LOOP_FACTORIES"]

DELIVERED = DeliveryStatus.DELIVERED


async def test_a_worker_has_no_more_in_flight_than_its_bound(house: WorkerHarness) -> None:
    for name in "abc":
        house.watch(f"http://{name}.test/")
        house.endpoints.script[f"http://{name}.test/"] = lambda _request: 0.1
    await house.begin(in_flight=8)
    house.publish(50)
    await house.settled()
    assert (house.endpoints.most_in_all, house.statuses()) == (8, {DELIVERED: 150})


async def test_a_worker_without_room_leaves_events_to_others(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 0.1
    house.publish(300, together=False)
    await house.begin(in_flight=64)
    await house.until(lambda: house.endpoints.in_flight > 0)
    assert len([row for row in house.store.outbox.values() if row.token is None]) == 44
    await house.settled()
    assert house.statuses() == {DELIVERED: 300}


async def test_endpoints_that_hang_leave_a_share_of_a_worker_to_those_that_answer(house: WorkerHarness) -> None:
    for name in ("dead", "gone"):
        house.watch(f"http://{name}.test/")
        house.endpoints.script[f"http://{name}.test/"] = hang
    house.watch("http://a.test/")
    await house.begin(in_flight=8, room=256)
    house.publish(30)
    await house.until(partial(house.endpoints.have_received, "http://a.test/", 30))
    for _ in range(20):
        await asyncio.sleep(1)
        assert house.endpoints.in_flight <= 6
        sent = sum(request.address == "http://a.test/" for request in house.endpoints.received)
        began = house.clock.monotonic()
        house.publish(10)
        await house.until(partial(house.endpoints.have_received, "http://a.test/", sent + 10))
        assert house.clock.monotonic() - began < 0.1


async def test_an_endpoint_that_answered_a_second_ago_is_known_to_answer(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    await house.begin(in_flight=8, room=256)
    house.publish()
    await house.until(partial(house.endpoints.have_received, "http://a.test/", 1))
    await asyncio.sleep(1)
    for name in ("b", "c", "d"):
        house.watch(f"http://{name}.test/")
        house.endpoints.script[f"http://{name}.test/"] = hang
    house.publish(30)
    await house.until(lambda: house.endpoints.in_flight >= 6)
    began = house.clock.monotonic()
    house.publish()
    await house.until(partial(house.endpoints.have_received, "http://a.test/", 32))
    assert house.clock.monotonic() - began < 0.1


async def test_what_has_just_become_slow_leaves_its_share_to_those_that_wait_for_a_first_try(
    house: WorkerHarness,
) -> None:
    house.watch("http://dead.test/")
    house.endpoints.script["http://dead.test/"] = hang
    await house.begin(in_flight=8)
    house.publish(2)
    await house.until(lambda: house.endpoints.in_flight == 2)
    house.watch("http://a.test/")
    began = house.clock.monotonic()
    house.publish()
    await house.until(partial(house.endpoints.have_received, "http://a.test/", 1))
    assert house.clock.monotonic() - began < 0.6


async def test_an_endpoint_that_nothing_was_sent_to_for_long_is_tried_anew(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    await house.begin()
    house.publish(40)
    await house.settled()
    await asyncio.sleep(FORGET_SECONDS + 1)
    house.endpoints.script["http://a.test/"] = hang
    house.publish(40)
    await house.until(lambda: house.endpoints.in_flight > 0)
    await asyncio.sleep(SLOW_SECONDS / 2)
    assert house.endpoints.in_flight == PROBES


async def test_an_answer_about_slots_that_was_lost_ends_the_shift_and_holds_nothing(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.watch("http://b.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 1.0
    await house.begin()
    house.publish()
    await house.until(lambda: house.statuses()[DELIVERED] == 1)
    house.watch("http://c.test/")
    house.store.lost.add("acquire")
    house.publish(5)
    await house.until(lambda: "lanes.store_unavailable" in house.log.events)
    await asyncio.wait(house.tasks)
    assert sum(lane.in_use for lane in house.store.lanes.values()) == 0
    await house.begin()
    await house.settled()
    assert house.statuses() == {DELIVERED: 17}


async def test_however_many_endpoints_hang_one_that_answers_is_served_at_once(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    await house.begin(in_flight=128)
    house.publish()
    await house.until(partial(house.endpoints.have_received, "http://a.test/", 1))
    for number in range(20):
        house.watch(f"http://{number}.test/")
        house.endpoints.script[f"http://{number}.test/"] = hang
    waits: list[float] = []
    for number in range(50):
        began = house.clock.monotonic()
        house.publish(2)
        await house.until(partial(house.endpoints.have_received, "http://a.test/", 3 + 2 * number))
        waits.append(house.clock.monotonic() - began)
        await asyncio.sleep(0.5)
    assert max(waits) < 0.1
    assert house.endpoints.most_in_all <= 128


async def test_a_watch_that_proved_itself_gets_all_its_slots_at_once(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    house.endpoints.script["http://a.test/"] = lambda _request: 0.1
    await house.begin()
    house.publish(40)
    await house.until(lambda: house.endpoints.in_flight > 0)
    assert house.endpoints.in_flight == 2
    await house.until(lambda: house.endpoints.in_flight == 16, seconds=0.15)


async def test_a_lane_that_has_rested_for_long_is_forgotten(house: WorkerHarness) -> None:
    house.watch("http://a.test/")
    shift = await house.begin()
    house.publish()
    await house.settled()
    assert len(shift.lanes._lanes) == 1
    await house.until(lambda: not shift.lanes._lanes, seconds=700)


async def test_what_is_queued_here_waits_when_its_watch_is_paused(house: WorkerHarness) -> None:
    house.watch("http://a.test/", slots=1)
    house.endpoints.script["http://a.test/"] = lambda _request: 0.2
    await house.begin()
    house.publish(20)
    await house.until(lambda: house.endpoints.in_flight == 1)
    house.store.lanes[1].paused = True
    await asyncio.sleep(1)
    sent = len(house.endpoints.received)
    await asyncio.sleep(30)
    assert len(house.endpoints.received) == sent < 20
    house.resume(1)
    await house.settled()
    assert house.statuses() == {DeliveryStatus.DELIVERED: 20}
