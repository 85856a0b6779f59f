"""What a worker holds in memory when deliveries are large, on fakes and virtual time."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
import pytest

from hookward.application.delivery.admission import BodyMemory, CapacityShare
from hookward.application.delivery.lane import EndpointSpeed
from hookward.application.delivery.task import LARGE_BYTES, DeliveryTask, LoadedEvent
from hookward.domain.delivery.model import DeliveryStatus, Payload
from hookward.domain.ids import DeliveryId, WatchId
from hookward.domain.resource_types.operations import ChangeKind
from tests.fakes.worker_harness import WorkerHarness, hang

pytestmark = pytest.mark.virtual_time

DELIVERED, PENDING = DeliveryStatus.DELIVERED, DeliveryStatus.PENDING
QUICK, NEW, SLOW = EndpointSpeed.QUICK, EndpointSpeed.NEW, EndpointSpeed.SLOW
LARGE = b'{"id":"1","text":"%b"}' % (b"x" * 100_000)
LOAD = 10 * len(LARGE)


def parcel(event: LoadedEvent, *, payload: bytes | None = None) -> DeliveryTask:
    sent = None if payload is None else Payload(method="POST", address="http://a.test/", body=payload)
    return DeliveryTask(DeliveryId(bytes(16)), event, watch=WatchId(bytes(16)), lane=1, payload=sent)


async def test_large_sends_in_flight_are_bounded_by_their_bytes(harness: WorkerHarness) -> None:
    for name in "abc":
        harness.watch(f"http://{name}.test/")
        harness.endpoints.script[f"http://{name}.test/"] = lambda _request: 0.1
    await harness.start_session(load=LOAD)
    harness.publish(50, body=LARGE)
    await harness.settled()
    assert (harness.endpoints.most_in_all, harness.statuses()) == (10, {DELIVERED: 150})


async def test_each_of_many_lanes_has_its_turn_at_what_memory_takes(harness: WorkerHarness) -> None:
    for name in "abcdefghijkl":
        harness.watch(f"http://{name}.test/")
        harness.endpoints.script[f"http://{name}.test/"] = lambda _request: 0.1
    await harness.start_session(load=LOAD)
    harness.publish(20, body=LARGE)
    await harness.until(lambda: len(harness.endpoints.received) >= 120)
    addresses = [request.address for request in harness.endpoints.received]
    assert all(addresses.count(f"http://{name}.test/") >= 4 for name in "abcdefghijkl")
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 240}


async def test_one_delivery_is_sent_however_large(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    await harness.start_session(load=1)
    harness.publish(3, body=LARGE)
    await harness.settled()
    assert (harness.endpoints.most_in_all, harness.statuses()) == (1, {DELIVERED: 3})


async def test_small_deliveries_do_not_wait_for_large_ones_that_hang(harness: WorkerHarness) -> None:
    for name in "abcd":
        harness.watch(f"http://{name}.test/", events=["deleted"])
        harness.endpoints.script[f"http://{name}.test/"] = hang
    harness.watch("http://small.test/", events=["updated"])
    await harness.start_session(load=LOAD)
    for _ in range(20):
        harness.publish(10, body=LARGE, kind=ChangeKind.DELETED)
        await asyncio.sleep(1)
        sent = sum(request.address == "http://small.test/" for request in harness.endpoints.received)
        began = harness.clock.monotonic()
        harness.publish(5)
        await harness.until(partial(harness.endpoints.have_received, "http://small.test/", sent + 5))
        assert harness.clock.monotonic() - began < 0.1


async def test_a_worker_whose_memory_is_taken_leaves_events_to_others(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", slots=100)
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.1
    harness.publish(600, together=False, body=LARGE)
    await harness.start_session(load=LOAD)
    await harness.until(lambda: harness.endpoints.in_flight > 0)
    assert any(row.token is None for row in harness.store.outbox.values())
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 600}


async def test_what_is_large_waits_while_large_records_are_not_written(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", slots=100)
    harness.store.slow = 1.0
    began = harness.clock.monotonic()
    await harness.start_session(load=LOAD)
    harness.publish(100, body=LARGE)
    await harness.until(lambda: len(harness.endpoints.received) >= 100)
    assert harness.clock.monotonic() - began > 4.0
    harness.store.slow = 0.0
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 100}


async def test_a_group_of_records_is_bounded_by_bytes(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", slots=1000)
    harness.store.slow = 0.1
    await harness.start_session(load=1 << 30)
    harness.publish(100, body=b'{"id":"1","text":"%b"}' % (b"x" * 1_000_000))
    await harness.settled()
    assert (max(harness.store.groups), harness.statuses()) == (4, {DELIVERED: 100})


@pytest.mark.parametrize(("size", "kept"), [(LARGE_BYTES, True), (LARGE_BYTES + 1, False)], ids=["small", "large"])
def test_what_is_large_is_not_kept_decoded(harness: WorkerHarness, size: int, kept: bool) -> None:
    extra, previous = b'{"extra":1}', b'{"previous":1}'
    body = b'{"id":"1","text":"%b"}'
    body %= b"x" * (size - len(body) + 2 - len(extra) - len(previous))
    loaded = LoadedEvent(msgspec.structs.replace(harness.event(body), extra=extra, previous=previous))
    assert (loaded.size, loaded.extra(), loaded.previous()) == (size, {"extra": 1}, {"previous": 1})
    for each in (loaded.resource, loaded.extra, loaded.previous):
        assert (each() is each()) == kept


def test_an_event_counts_once_however_many_hold_it(harness: WorkerHarness) -> None:
    large, event, other = BodyMemory(), LoadedEvent(harness.event(LARGE)), LoadedEvent(harness.event(LARGE))
    held = []
    parcels = [parcel(event), parcel(event), parcel(other), parcel(LoadedEvent(harness.event()))]
    for each in parcels:
        large.add(each)
        held.append(large.bytes // len(LARGE))
    for each in parcels:
        large.drop(each)
        held.append(large.bytes // len(LARGE))
    assert held == [1, 1, 2, 2, 2, 1, 0, 0]


def test_a_payload_counts_for_itself(harness: WorkerHarness) -> None:
    large, event = BodyMemory(), LoadedEvent(harness.event(b""))
    first, second = parcel(event, payload=LARGE), parcel(event, payload=LARGE + b" ")
    large.add(first)
    large.add(second)
    assert large.bytes == 2 * len(LARGE) + 1
    large.drop(first)
    assert large.bytes == len(LARGE) + 1
    large.drop(second)
    assert large.bytes == 0


@pytest.mark.parametrize(
    ("used", "free"),
    [
        ({}, {QUICK, NEW, SLOW}),
        ({NEW: 24}, {QUICK, NEW, SLOW}),
        ({NEW: 25}, {QUICK, SLOW}),
        ({SLOW: 49}, {QUICK, NEW, SLOW}),
        ({SLOW: 50}, {QUICK, NEW}),
        ({SLOW: 51, NEW: 24}, {QUICK}),
        ({QUICK: 99}, {QUICK, NEW, SLOW}),
        ({QUICK: 100}, set()),
        ({QUICK: 300, SLOW: -200}, set()),
    ],
)
def test_a_share_is_kept_for_those_that_answer(used: dict[EndpointSpeed, int], free: set[EndpointSpeed]) -> None:
    share = CapacityShare(100)
    for standing, amount in used.items():
        share.take(standing, amount)
    assert {standing for standing in EndpointSpeed if share.is_free(standing)} == free


def test_what_is_in_flight_moves_with_the_standing_of_its_lane() -> None:
    share = CapacityShare(100)
    share.take(NEW, 30)
    share.move(NEW, SLOW, 30)
    assert (share.is_free(NEW), share.total) == (True, 30)
    share.take(SLOW, 20)
    assert (share.is_free(SLOW), share.total) == (False, 50)
