"""What a watch may ask for, as an integrator sees it: one test for each row of the contract's table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.receiver import Received, Receiver, Reply, failing_first
from tests.service import Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

WATCH = "/companies/{}/appointments/watch"


async def received(receiver: Receiver, count: int = 1) -> list[Received]:
    await wait_until(lambda: len(receiver.requests) >= count and not receiver.in_flight)
    return receiver.requests


async def logged(service: Service, published: str) -> dict[str, Any]:
    """The one delivery of an event, once it has ended."""

    async def ended() -> Any:
        found = await service.deliveries(eventId=published)
        return found if found and all(each["finished"] for each in found) else None

    [found] = await wait_until(ended)
    shown: dict[str, Any] = await service.ask("GET", f"/v1/deliveries/{found['id']}", expect=200)
    return shown


async def test_every_property_is_answered_as_it_was_given(service: Service) -> None:
    given = {
        "address": "https://example.com/${$.id}?e=${$.event}", "filter": "$.id", "levelDetails": "extraFull",
        "addPreviousData": True, "timeZone": "Europe/Paris", "retry": {"schedule": ["5s", "5m", "2h"]},
        "timeout": "3s", "concurrency": 8, "storeBodies": "failed",
    }  # fmt: skip
    watch = await service.ask("POST", WATCH.format(new_company()), expect=201, json=given)
    assert {name: watch[name] for name in given} == given
    assert await service.ask("GET", f"/v1/watches/{watch['id']}", expect=200) == watch


async def test_a_change_takes_effect_and_what_is_put_back_as_it_reads_changes_nothing(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.on("/p", Reply(status=500)), company=mine, filter="$.no")
    change = {"filter": None, "retry": {"schedule": ["0s"]}, "concurrency": 3, "storeBodies": "none"}
    changed = await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json=change)
    assert {name: changed[name] for name in change} == change
    assert await service.ask("PUT", f"/v1/watches/{watch}", expect=200, json=changed) == changed
    delivery = await logged(service, await service.publish(event("1", company=mine)))
    assert [each["request"]["body"] for each in delivery["attempts"]] == [None, None]


async def test_the_address_is_filled_from_the_document_and_no_value_leaves_its_place(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    await service.create_watch(
        receiver.url + "/a/${$.id}/b?name=${$.client.firstName}&n=${$.no}", company=mine, method="GET"
    )
    resource = {"id": "../x?y#z", "client": {"firstName": "Zoë & co"}}
    published = await service.publish(event("1", company=mine, resource=resource))
    [request] = await received(receiver)
    path = "/a/..%2Fx%3Fy%23z/b?name=Zo%C3%AB%20%26%20co&n="
    assert (request.method, request.path) == ("GET", path)
    assert (await logged(service, published))["attempts"][0]["request"]["address"] == receiver.url + path


async def test_a_retry_goes_to_the_address_that_was_filled_first(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    receiver.on("/r/7", failing_first(1, Reply(status=500)))
    await service.create_watch(receiver.url + "/r/${$.id}", company=mine)
    await service.publish(event("7", company=mine))
    assert [each.path for each in await received(receiver, 2)] == ["/r/7", "/r/7"]


async def test_an_address_that_would_lead_elsewhere_fails_visibly(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url + "/a/${$.id}", company=mine)
    delivery = await logged(service, await service.publish(event("..", company=mine)))
    assert (delivery["status"], delivery["lastError"], receiver.requests) == ("failed", "template", [])
    assert "means another path" in delivery["statusReason"]


async def test_only_what_the_filter_selects_is_delivered(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url + "/f", company=mine, filter="$[?$.notes == 'yes']")
    unwanted = await service.publish(event("1", company=mine, resource={"id": "1", "notes": "no"}))
    await service.publish(event("2", company=mine, resource={"id": "2", "notes": "yes"}))
    [request] = await received(receiver)
    assert json.loads(request.body)["id"] == "2"
    assert await service.deliveries(eventId=unwanted) == []


async def test_extra_details_and_previous_data_come_to_who_asked_for_them(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url + "/all", company=mine, levelDetails="extraFull", addPreviousData="true")
    await service.create_watch(receiver.url + "/some", company=mine, addPreviousData="false")
    await service.publish(
        event("1", company=mine, extraFull={"id": "1", "notes": "extra"}, previousData={"id": "1", "notes": "old"})
    )
    bodies = {each.path: json.loads(each.body) for each in await received(receiver, 2)}
    assert (bodies["/all"]["notes"], bodies["/all"]["previousData"]) == ("extra", {"id": "1", "notes": "old"})
    assert ("notes" in bodies["/some"], "previousData" in bodies["/some"]) == (False, False)


async def test_the_date_is_in_the_zone_of_the_event_else_of_the_watch(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url + "/z", company=mine, timeZone="Europe/Paris")
    await service.publish(event("1", company=mine))
    await service.publish(event("2", company=mine, timeZone="Asia/Tokyo"))
    zones = {(body := json.loads(each.body))["id"]: body["date"]["timeZone"] for each in await received(receiver, 2)}
    assert zones == {"1": "Europe/Paris", "2": "Asia/Tokyo"}


@pytest.mark.parametrize(("schedule", "attempts"), [([], 1), (["0s", "10ms"], 3)])
async def test_a_watch_is_retried_by_its_own_schedule(
    service: Service, receiver: Receiver, schedule: list[str], attempts: int
) -> None:
    mine = new_company()
    await service.create_watch(receiver.on("/s", Reply(status=500)), company=mine, retry={"schedule": schedule})
    delivery = await logged(service, await service.publish(event("1", company=mine)))
    assert (delivery["status"], delivery["attemptCount"], len(receiver.requests)) == ("failed", attempts, attempts)


async def test_a_watch_has_a_timeout_of_its_own(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(
        receiver.on("/t", Reply(hang=True)), company=mine, timeout="100ms", retry={"schedule": []}
    )
    delivery = await logged(service, await service.publish(event("1", company=mine)))
    [attempt] = delivery["attempts"]
    assert attempt["error"]["type"] == "timeout"
    assert attempt["durationMs"] < 1900  # the default is 2 s


async def test_a_watch_has_as_many_requests_in_flight_as_it_asked_for(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    most = 0

    def script(_request: Received) -> Reply:
        nonlocal most
        most = max(most, len(receiver.in_flight))
        return Reply(delay=0.02)

    await service.create_watch(receiver.on("/c", script), company=mine, concurrency=2)
    await service.publish_batch([event(str(number), company=mine) for number in range(30)])
    await received(receiver, 30)
    assert most == 2


@pytest.mark.parametrize(("keep", "kept"), [("all", [True, True]), ("failed", [True, False]), ("none", [False, False])])
async def test_the_log_keeps_the_bodies_that_the_watch_says(
    service: Service, receiver: Receiver, keep: str, kept: list[bool]
) -> None:
    mine = new_company()
    script = failing_first(1, Reply(status=500, body=b"sorry"))
    await service.create_watch(receiver.on("/b", script), company=mine, storeBodies=keep)
    delivery = await logged(service, await service.publish(event("1", company=mine)))
    first, second = receiver.requests
    assert first.body == second.body  # what a retry sends again is kept apart
    expected = [first.body.decode() if each else None for each in kept]
    answers = [body if each else None for each, body in zip(kept, ["sorry", "ok"], strict=True)]
    assert [each["request"]["body"] for each in delivery["attempts"]] == expected
    assert [each["response"]["body"] for each in delivery["attempts"]] == answers
    assert [each["response"]["statusCode"] for each in delivery["attempts"]] == [500, 200]


async def test_all_that_is_wrong_with_a_watch_is_named_at_once_with_its_place(service: Service) -> None:
    given = {
        "scope": {"queueId": 1}, "address": "https://${$.host}/a b", "filter": "$..id", "levelDetails": "most",
        "addPreviousData": "perhaps", "timeZone": "Mars/Olympus", "retry": {"schedule": ["5s", "soon"], "max": 1},
        "timeout": "1h", "concurrency": 0, "storeBodies": "few", "schema": {"staff": {"name": "${$.a"}},
        "signature": {"enabled": True, "cryptoKeyIds": ["key_" + "0" * 32, "x"]}, "colour": "red",
    }  # fmt: skip
    rest = {
        "/address", "/filter", "/levelDetails", "/addPreviousData", "/timeZone", "/retry/schedule/1", "/retry/max",
        "/timeout", "/concurrency", "/storeBodies", "/schema/staff/name", "/signature/cryptoKeyIds/0",
        "/signature/cryptoKeyIds/1", "/colour",
    }  # fmt: skip
    for name, more in (("appointment", "/scope/queueId"), ("nothing", "/resourceType")):
        problem = await service.ask("POST", "/v1/watches", expect=422, json={"resourceType": name, **given})
        assert {each["pointer"] for each in problem["errors"]} == rest | {more}
        assert all(each["message"] for each in problem["errors"])


async def test_a_timeout_that_the_lease_leaves_no_room_for_is_refused_with_what_is_allowed(service: Service) -> None:
    given = {"address": "https://example.com", "timeout": "30s"}
    problem = await service.ask("POST", WATCH.format(new_company()), expect=422, json=given)
    assert [each["message"] for each in problem["errors"]] == [
        'timeout must be a duration from 50ms to 4s, such as "2s"'
    ]
