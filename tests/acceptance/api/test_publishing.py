"""Publishing, as an upstream service sees it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest

from tests.receiver import Receiver
from tests.service import Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def send(service: Service, body: bytes | str, **headers: str) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    data = body.encode() if isinstance(body, str) else body
    given = {"Content-Type": "application/json", **headers}
    async with service.client.post("/v1/events", data=BytesIO(data), headers=given) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


async def test_an_accepted_event_arrives_at_every_watch_of_its_scope(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url + "/a", company=mine)
    await service.create_watch(receiver.url + "/b", company=mine)
    await service.create_watch(receiver.url + "/other", company=new_company())
    await service.publish(event("1", company=mine))
    await wait_until(lambda: len(receiver.requests) >= 2)
    assert sorted(received.path for received in receiver.requests) == ["/a", "/b"]


async def test_problems_of_an_event_are_all_named_at_once(service: Service) -> None:
    given = {
        "resourceType": "appointment", "event": "exploded", "timeZone": "Mars/Olympus", "more": 1,
        "scope": {"companyId": "1"}, "resource": {"id": "1", "status": "bogus"}, "id": "no blanks",
    }  # fmt: skip
    status, problem, headers = await send(service, json.dumps(given))
    assert (status, headers["Content-Type"]) == (422, "application/problem+json")
    pointers = {each["pointer"] for each in problem["errors"]}
    assert pointers == {"/event", "/timeZone", "/more", "/id", "/resource/status"}
    assert problem["requestId"] == headers["X-Request-Id"]


async def test_a_schema_violation_points_into_the_resource(service: Service) -> None:
    given = event("1")
    given["resource"] = {"id": "1", "client": {"firstName": "x" * 128}, "status": "bogus"}
    status, problem, _ = await send(service, json.dumps(given))
    assert status == 422
    assert {each["pointer"] for each in problem["errors"]} == {"/resource/client/firstName", "/resource/status"}


async def test_an_unknown_type_is_refused_with_those_that_exist(service: Service) -> None:
    given = {"resourceType": "nothing", "event": "updated", "scope": {}, "resource": {}}
    status, problem, _ = await send(service, json.dumps(given))
    (found,) = problem["errors"]
    assert (status, found["pointer"]) == (422, "/resourceType")
    assert "appointment, conference.registration, event.registration" in found["message"]


async def test_what_has_the_wrong_type_is_named_property_by_property(service: Service) -> None:
    given = {
        "resourceType": 1, "event": [], "scope": "1", "resource": [], "previousData": 1, "extraFull": "x",
        "resourceId": {}, "occurredAt": 5, "timeZone": 1, "id": 1,
    }  # fmt: skip
    status, problem, _ = await send(service, json.dumps(given))
    assert (status, {each["pointer"] for each in problem["errors"]}) == (422, {f"/{name}" for name in given})


@pytest.mark.parametrize("session", ["0", 0])
async def test_an_event_of_every_session_cannot_be_published(service: Service, session: Any) -> None:
    scope = {"conferenceId": "1", "sessionId": session}
    given = {"resourceType": "conference.registration", "event": "updated", "scope": scope, "resource": {"id": "1"}}
    status, problem, _ = await send(service, json.dumps(given))
    assert (status, [each["pointer"] for each in problem["errors"]]) == (422, ["/scope/sessionId"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400), ("{", 400), ("[1,]", 400), ('{"a": NaN}', 400), ('{"a": 1e400}', 400), ('{"a": "\\ud800"}', 400),
        (b'{"a": "\xff"}', 400), ("[" * 101 + "]" * 101, 422), ("[" * 100_000, 422), ("[]", 422), ('"text"', 422),
        ("{}", 422), ('{"a": ' + "9" * 400 + "}", 400), (b'{"a":"' + b"x" * (1 << 20) + b'"}', 413),
    ],
)  # fmt: skip
async def test_what_is_no_event_is_refused(service: Service, body: bytes | str, status: int) -> None:
    assert (await send(service, body))[0] == status


async def test_a_wrong_content_type_is_415(service: Service) -> None:
    status, problem, _ = await send(service, "a=1", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert (status, "Content-Type: application/json" in problem["detail"]) == (415, True)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 401), ("Bearer wrong", 401), ("Basic !!!", 401), ("Digest x", 401), ("Bearer ", 401)],
)
async def test_without_a_known_key_nothing_is_taken(service: Service, authorization: str, status: int) -> None:
    answered, _, headers = await send(service, json.dumps(event("1")), Authorization=authorization)
    assert (answered, headers["WWW-Authenticate"]) == (status, "Bearer")


async def test_the_key_is_understood_bare_and_as_basic_user_name(service: Service) -> None:
    from base64 import b64encode  # noqa: PLC0415

    for header in (service.key, "Basic " + b64encode(f"{service.key}:".encode()).decode(), f"bearer {service.key}"):
        assert (await send(service, json.dumps(event("1")), Authorization=header))[0] == 202


async def test_the_same_id_again_answers_the_first_event_and_another_body_is_refused(service: Service) -> None:
    key = uuid.uuid4().hex
    first = await send(service, json.dumps(event("1", id=key)))
    again = await send(service, json.dumps(event("1")), **{"Idempotency-Key": key})
    other = await send(service, json.dumps(event("2", id=key)))
    assert (first[0], again[0], other[0]) == (202, 202, 422)
    assert first[1]["id"] == again[1]["id"] != key


async def test_a_refused_event_does_not_use_up_its_id(service: Service) -> None:
    key = uuid.uuid4().hex
    refused = await send(service, json.dumps(event("1", id=key, timeZone="nowhere")))
    assert (refused[0], (await send(service, json.dumps(event("1", id=key))))[0]) == (422, 202)


async def test_many_at_once_of_one_id_give_one_event(service: Service, receiver: Receiver) -> None:
    mine, key = new_company(), uuid.uuid4().hex
    await service.create_watch(receiver.url + "/once", company=mine)
    sent = await asyncio.gather(*[send(service, json.dumps(event("1", company=mine, id=key))) for _ in range(30)])
    assert {(status, answer["id"]) for status, answer, _ in sent} == {(202, sent[0][1]["id"])}
    await service.publish(event("2", company=mine))
    await wait_until(lambda: len(receiver.requests) >= 2)
    assert len(receiver.requests) == 2


async def test_hostile_events_of_a_batch_hurt_only_themselves(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url + "/batch", company=mine)
    nul = event("nul", company=mine)
    nul["resource"]["notes"] = "a\0b"
    large = event("large", company=mine)
    large["resource"]["notes2"] = "x" * (1 << 20)
    deep = event("deep", company=mine)
    deep["resource"]["deep"] = json.loads("[" * 100 + "]" * 100)
    good = [event(f"good {number}", company=mine) for number in range(20)]
    texts = [json.dumps(each) for each in (*good[:10], nul, large, deep, *good[10:])]
    surrogate = json.dumps(event("surrogate", company=mine)).replace('"surrogate"', '"\\ud800"')
    huge = json.dumps(event("huge", company=mine)).replace('"huge"', "1e999")
    abyss = json.dumps(event("abyss", company=mine)).replace('"abyss"', "[" * 5000 + "]" * 5000)
    body = '{"events": [' + ",".join([*texts, surrogate, huge, "null", abyss]) + "]}"
    async with service.client.post(
        "/v1/events/batch", data=BytesIO(body.encode()), headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 202
        results = (await answer.json())["results"]
    refused = {index: result["error"]["status"] for index, result in enumerate(results) if "error" in result}
    assert refused == {11: 413, 12: 422, 23: 400, 24: 400, 25: 422, 26: 422}
    await wait_until(lambda: len(receiver.requests) >= 21)
    arrived = {json.loads(received.body)["id"] for received in receiver.requests}
    assert arrived == {"nul", *(f"good {number}" for number in range(20))}
    assert "a\0b" in {json.loads(received.body).get("notes") for received in receiver.requests}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"events": []}', 422), ('{"events": {}}', 422), ("[]", 422), ("{", 400),
        ('{"events": [' + ",".join(["{}"] * 1001) + "]}", 422),
    ],
)  # fmt: skip
async def test_a_batch_that_is_none_is_refused_whole(service: Service, body: str, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    async with service.client.post("/v1/events/batch", data=body, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")


async def test_numbers_keep_their_value_on_the_whole_way(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url + "/numbers", company=mine)
    body = json.dumps(event("1", company=mine)).replace(
        '"id": "1"', '"id": "1", "big": 123456789012345678901234567890, "fine": 0.12345678901234567890123, "ten": 1.10'
    )
    assert (await send(service, body))[0] == 202
    await wait_until(lambda: receiver.requests)
    text = receiver.requests[0].body.decode()
    assert "123456789012345678901234567890" in text
    assert "0.12345678901234567890123" in text


async def test_unknown_paths_and_methods_are_problem_documents_too(service: Service) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("PUT", "/v1/events", 405)):
        async with service.client.request(method, path, headers={"X-Request-Id": "mine-1"}) as answer:
            problem = await answer.json(content_type="application/problem+json")
            assert (answer.status, problem["requestId"], answer.headers["X-Request-Id"]) == (status, "mine-1", "mine-1")


async def test_health_names_each_dependency(service: Service) -> None:
    ready = await service.ask("GET", "/readyz", expect=200)
    assert ready == {"status": "ok", "checks": {"database": "ok", "queue": "ok"}}
    assert (await service.ask("GET", "/livez", expect=200))["status"] == "ok"


async def test_an_idempotency_key_on_a_batch_is_refused(service: Service) -> None:
    given = {"events": [event("1")]}
    problem = await service.ask("POST", "/v1/events/batch", expect=422, json=given, headers={"Idempotency-Key": "k"})
    assert "each event" in problem["detail"]


async def test_a_problem_within_a_batch_carries_the_request_id(service: Service) -> None:
    answer = await service.ask(
        "POST", "/v1/events/batch", expect=202, json={"events": [{}]}, headers={"X-Request-Id": "mine-2"}
    )
    assert answer["results"][0]["error"]["requestId"] == "mine-2"
