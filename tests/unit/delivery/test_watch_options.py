"""What a watch asks for, honoured by the worker: filter, address, details, schedule, timeout, concurrency, bodies."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from hookward.application.delivery.filtering import YIELD_STEPS, apply_filters
from hookward.application.delivery.task import LoadedEvent
from hookward.domain.delivery.model import NOT_KEPT, DeliveryStatus, StoreBodies
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.errors import StoreUnavailable
from hookward.domain.events.model import ChangeEvent
from hookward.domain.watches.model import LevelDetails
from tests.fakes.delivery_store import Logged
from tests.fakes.worker_harness import SHOP, WorkerHarness, hang, ok, status

pytestmark = pytest.mark.virtual_time

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
A = "http://a.test/"
COSTLY = "$.resource.list[?@ > 9]"
TOO_MANY = "the filter touches too many values of the document; select less"


def of(body: bytes, event: ChangeEvent, **changes: Any) -> ChangeEvent:
    return msgspec.structs.replace(event, body=body, **changes)


async def deliver(harness: WorkerHarness, *events: ChangeEvent) -> None:
    await harness.start_session()
    harness.store.publish(*events)
    harness.sessions[0].dispatcher.wake()
    await harness.settled()


def bodies(harness: WorkerHarness) -> list[Any]:
    return [msgspec.json.decode(request.body or b"null") for request in harness.endpoints.received]


def only(harness: WorkerHarness) -> Logged:
    [logged] = harness.store.log.values()
    return logged


# Filters


async def test_only_what_the_filter_selects_makes_a_delivery(harness: WorkerHarness) -> None:
    harness.watch(A, filter="$.resource[?@ > 3]")
    await deliver(harness, *(of(b'{"seats":%d}' % seats, harness.event()) for seats in (2, 4, 3, 5)))
    assert [body["resource"]["seats"] for body in bodies(harness)] == [4, 5]
    assert harness.statuses() == {DELIVERED: 2}


async def test_a_filter_that_wants_nothing_leaves_no_delivery_and_nothing_open(harness: WorkerHarness) -> None:
    harness.watch(A, filter="$.resource.no")
    await deliver(harness, harness.event())
    assert (harness.store.log, harness.store.outbox, harness.endpoints.received) == ({}, {}, [])


async def test_a_filter_of_one_watch_is_not_asked_for_another(harness: WorkerHarness) -> None:
    harness.watch(A, filter="$.resource.no")
    harness.watch("http://b.test/")
    await deliver(harness, harness.event())
    assert [request.address for request in harness.endpoints.received] == ["http://b.test/"]


async def test_a_null_that_is_there_is_selected(harness: WorkerHarness) -> None:
    harness.watch(A, filter="$.resource.gone")
    await deliver(harness, of(b'{"gone":null}', harness.event()))
    assert harness.statuses() == {DELIVERED: 1}


async def test_a_filter_sees_the_document_that_would_be_sent(harness: WorkerHarness) -> None:
    harness.watch(A, filter="$.resource.more", level_details=LevelDetails.EXTRA_FULL)
    harness.watch("http://b.test/", filter="$.previousData[?@ == 1]", add_previous_data=True)
    harness.watch("http://c.test/", filter="$.previousData")
    harness.watch("http://d.test/", filter="$.date[?@ == 'Asia/Tokyo']", time_zone="Asia/Tokyo")
    await deliver(harness, of(b'{"id":2}', harness.event(), extra=b'{"more":1}', previous=b'{"id":1}'))
    assert [request.address for request in harness.endpoints.received] == [A, "http://b.test/", "http://d.test/"]


async def test_a_filter_that_costs_too_much_fails_the_delivery_with_the_reason(harness: WorkerHarness) -> None:
    harness.watch(A, filter=COSTLY)
    harness.watch("http://b.test/")
    await deliver(harness, of(b'{"list":[' + b"1," * 30_000 + b"1]}", harness.event()))
    failed = [logged for logged in harness.store.log.values() if logged.status is FAILED]
    assert [(each.reason, each.entry.attempts) for each in failed] == [(TOO_MANY, 0)]
    assert [request.address for request in harness.endpoints.received] == ["http://b.test/"]


async def test_what_was_recorded_before_a_crash_is_not_failed_again(harness: WorkerHarness) -> None:
    harness.watch(A, filter=COSTLY)
    harness.endpoints.script["http://b.test/"] = hang
    harness.watch("http://b.test/")
    event = of(b'{"list":[' + b"1," * 30_000 + b"1]}", harness.event())
    session = await harness.start_session()
    harness.store.publish(event)
    session.dispatcher.wake()
    await harness.until(lambda: any(logged.status is FAILED for logged in harness.store.log.values()))
    await harness.kill(session)
    harness.endpoints.script.clear()
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {FAILED: 1, DELIVERED: 1}


async def test_a_fan_out_asks_every_filter(harness: WorkerHarness) -> None:
    for number in range(400):
        harness.watch(f"http://{number}.test/", filter="$.resource[?@ == '1']" if number % 2 else "$.resource.no")
    harness.watch(A, filter=COSTLY)
    await deliver(harness, of(b'{"id":"1","list":[' + b"1," * 30_000 + b"1]}", harness.event()))
    assert harness.statuses() == {DELIVERED: 200, FAILED: 1}


async def test_a_fan_out_that_cannot_load_its_event_again_waits_until_it_can(harness: WorkerHarness) -> None:
    for number in range(300):
        harness.watch(f"http://{number}.test/", filter="$.resource.id")
    loads = 0
    events = harness.store.events

    async def failing_second(ids: Any) -> Any:
        nonlocal loads
        loads += 1
        if loads == 2:
            raise StoreUnavailable("away")
        return await events(ids)

    harness.store.events = failing_second  # type: ignore[method-assign]
    await deliver(harness, harness.event())
    assert harness.statuses() == {DELIVERED: 300}
    assert "dispatch.store_unavailable" in harness.log.events


async def test_a_fan_out_whose_event_was_erased_meanwhile_ends(harness: WorkerHarness) -> None:
    for number in range(300):
        harness.watch(f"http://{number}.test/", filter="$.resource.id")
    loads = 0
    events = harness.store.events

    async def erased_after_first(ids: Any) -> Any:
        nonlocal loads
        loads += 1
        return await events(ids) if loads == 1 else {}

    harness.store.events = erased_after_first  # type: ignore[method-assign]
    await deliver(harness, harness.event())
    assert (harness.statuses(), harness.store.outbox) == ({}, {})


async def test_costly_filters_let_others_have_their_turn(harness: WorkerHarness) -> None:
    rows = [harness.watch(f"http://{number}.test/", filter=COSTLY) for number in range(4)]
    session = await harness.start_session()
    event = LoadedEvent(of(b'{"list":[' + b"1," * (YIELD_STEPS // 2) + b"1]}", harness.event()))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    filters = session.registry.filters
    assert (
        await apply_filters(filters, event, [row.id for row in rows], second=1, home=None, shape=SHOP.body)
    ).wanted == []
    task.cancel()
    assert turns >= len(rows)


async def test_a_filter_that_is_taken_away_is_asked_no_more(harness: WorkerHarness) -> None:
    watch = harness.watch(A, filter="$.resource.no", concurrency=2)
    session = await harness.start_session()
    definitions = session.registry
    assert (list(definitions.filters), definitions.slots) == ([watch.id], {watch.id: 2})
    harness.change(watch, definition=b'{"address":"http://a.test/"}')
    await definitions.refresh()
    assert (definitions.filters, definitions.slots) == ({}, {})


# Documents and addresses


async def test_the_address_is_filled_at_the_first_attempt_and_kept_for_the_others(harness: WorkerHarness) -> None:
    watch = harness.watch("http://a.test/${$.resource.id}?z=${$.date.timeZone}", time_zone="Europe/Paris")
    address = "http://a.test/a%2Fb?z=Europe%2FParis"
    harness.endpoints.script[address] = status(500)
    await harness.start_session()
    harness.store.publish(of(b'{"id":"a/b"}', harness.event()))
    harness.sessions[0].dispatcher.wake()
    await harness.until(lambda: len(harness.endpoints.received) == 2)
    harness.change(watch, definition=b'{"address":"http://b.test/${$.resource.no}"}')
    await harness.settled()
    assert [request.address for request in harness.endpoints.received] == [address] * 3
    requests = [msgspec.json.decode(each.request)["address"] for each in only(harness).attempts]
    assert requests == [address] * 3


async def test_an_address_that_cannot_be_filled_fails_the_delivery_with_the_reason(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/${$.resource.id}/b")
    await deliver(harness, of(b'{"id":".."}', harness.event()))
    reason = "a value would make a segment of the address `.` or `..`, which means another path"
    assert (only(harness).status, only(harness).reason, harness.endpoints.received) == (FAILED, reason, [])
    assert only(harness).attempts[0].error == "template"


async def test_a_method_without_body_fills_its_address_too(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/${$.resource.id}", method="DELETE", schema={"unused": "${$.resource.id}"})
    await deliver(harness, harness.event())
    assert [(each.method, each.address, each.body) for each in harness.endpoints.received] == [
        ("DELETE", "http://a.test/1", None)
    ]


@pytest.mark.parametrize("schema", [None, {"resource": "${$.resource}", "previousData": "${$.previousData.id}"}])
async def test_a_document_holds_what_the_watch_asked_for(harness: WorkerHarness, schema: Any) -> None:
    given = {} if schema is None else {"schema": schema}
    harness.watch(A, level_details=LevelDetails.EXTRA_FULL, add_previous_data=True, **given)
    harness.watch("http://b.test/", **given)
    await deliver(harness, of(b'{"id":"1"}', harness.event(), extra=b'{"id":"x"}', previous=b'{"id":"0"}'))
    asked, not_asked = bodies(harness)
    if schema is None:
        assert (asked["resource"], asked["previousData"]) == ({"id": "x"}, {"id": "0"})
        assert (not_asked["resource"], "previousData" in not_asked) == ({"id": "1"}, False)
    else:
        assert asked == {"resource": '{"id":"x"}', "previousData": "0"}
        assert not_asked == {"resource": '{"id":"1"}', "previousData": ""}


# Attempts


@pytest.mark.parametrize(("retry", "waits"), [((), []), (("1s", "2s"), [1, 2]), (("90s",), [90])])
async def test_a_watch_has_a_schedule_of_its_own(
    harness: WorkerHarness, retry: tuple[str, ...], waits: list[int]
) -> None:
    watch = harness.watch(A, retry=retry)
    harness.watch("http://b.test/")
    harness.endpoints.script[A] = harness.endpoints.script["http://b.test/"] = status(500)
    await deliver(harness, harness.event())
    sent = {
        logged.entry.watch == watch.id: [each.sent_us / 1_000_000 for each in logged.attempts]
        for logged in harness.store.log.values()
    }
    assert [round(after - before) for before, after in pairwise(sent[True])] == waits
    assert len(sent[False]) == len(harness.schedule) + 1


async def test_a_watch_has_a_timeout_of_its_own(harness: WorkerHarness) -> None:
    for address, timeout in ((A, "500ms"), ("http://b.test/", None), ("http://c.test/", "40s")):
        harness.endpoints.script[address] = hang
        harness.watch(address, timeout=timeout, retry=())
    await deliver(harness, harness.event())
    durations = [logged.attempts[0].duration_us for logged in harness.store.log.values()]
    assert sorted(durations) == [500_000, 15_000_000, 30_000_000]  # what a lease leaves no room for is cut


async def test_a_send_whose_own_timeout_could_outlast_the_lease_waits_for_the_renewal(harness: WorkerHarness) -> None:
    harness.watch(A, timeout="30s")
    harness.watch("http://b.test/", timeout="1s")
    await harness.start_session(lease=45.0)
    harness.store.away.add("renew")
    await asyncio.sleep(15)
    harness.publish()
    await asyncio.sleep(5)
    assert [request.address for request in harness.endpoints.received] == ["http://b.test/"]
    harness.store.away.clear()
    await harness.until(lambda: harness.statuses() == {DELIVERED: 2}, seconds=10)


async def test_a_watch_that_ends_while_a_send_waits_for_the_lease_is_not_sent_to(harness: WorkerHarness) -> None:
    watch = harness.watch(A)
    await harness.start_session(lease=45.0)
    harness.store.away.add("renew")
    await asyncio.sleep(30)
    harness.publish()
    await asyncio.sleep(5)
    harness.change(watch, deleted=True)
    await harness.sessions[0].registry.refresh()
    harness.store.away.clear()
    await harness.settled()
    assert (harness.statuses(), harness.endpoints.received) == ({CANCELLED: 1}, [])


@pytest.mark.parametrize("slots", [1, 3, 40])
async def test_a_watch_has_as_many_slots_as_it_asked_for(harness: WorkerHarness, slots: int) -> None:
    harness.watch(A, slots=slots)
    harness.watch("http://b.test/")
    for address in (A, "http://b.test/"):
        harness.endpoints.script[address] = lambda _request: 0.1
    await harness.start_session()
    harness.publish(200)
    await harness.settled()
    assert harness.endpoints.most_in_flight == {A: slots, "http://b.test/": harness.slots}


async def test_a_watch_that_is_given_fewer_slots_uses_fewer_and_gives_the_others_back(harness: WorkerHarness) -> None:
    watch = harness.watch(A, slots=10)
    harness.endpoints.script[A] = lambda _request: 0.1
    await harness.start_session()
    harness.publish(100)
    await harness.until(lambda: harness.endpoints.in_flight == 10)
    harness.change(watch, definition=msgspec.json.encode({"address": A, "concurrency": 2}))
    harness.store.lanes[watch.lane].slots = 2
    harness.publish(100)
    await harness.until(lambda: harness.endpoints.in_flight <= 2)
    harness.endpoints.most_in_flight.clear()
    await harness.settled()
    assert (harness.endpoints.most_in_flight[A], harness.statuses()) == (2, {DELIVERED: 200})


# The log


def failing_once(_request: OutgoingRequest, seen: list[int]) -> Any:
    seen.append(1)
    return (status(500) if len(seen) == 1 else ok)(_request)


@pytest.mark.parametrize(
    ("keep", "requests", "answers"),
    [
        (StoreBodies.ALL, [b"{", None], [b"no", b""]),
        (StoreBodies.FAILED, [b"{", NOT_KEPT], [b"no", None]),
        (StoreBodies.NONE, [NOT_KEPT, NOT_KEPT], [None, None]),
    ],
)
async def test_the_log_keeps_the_bodies_that_the_watch_says(
    harness: WorkerHarness, keep: StoreBodies, requests: list[bytes | None], answers: list[bytes | None]
) -> None:
    seen: list[int] = []
    harness.endpoints.script[A] = lambda request: failing_once(request, seen)
    harness.watch(A, store_bodies=keep)
    await deliver(harness, harness.event())
    attempts = only(harness).attempts
    assert [each.request_body and each.request_body[:1] for each in attempts] == requests
    assert [each.response_body for each in attempts] == answers
    assert [request.body for request in harness.endpoints.received] == [harness.endpoints.received[0].body] * 2


async def test_what_succeeds_at_once_leaves_no_body_where_only_failures_are_kept(harness: WorkerHarness) -> None:
    harness.watch(A, store_bodies=StoreBodies.FAILED)
    await deliver(harness, harness.event())
    assert [(each.request_body, each.response_body) for each in only(harness).attempts] == [(NOT_KEPT, None)]
