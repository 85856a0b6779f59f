"""Trying watches: test sends and previews, as an integrator sees them."""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from typing import Any

import pytest
from standardwebhooks import Webhook

from hookward.adapters.catalog import load_catalog
from tests.receiver import Receiver, Reply
from tests.service import Service, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAMPLES = {each.name: each.sample for each in load_catalog()}


async def make(service: Service, address: str, **more: Any) -> str:
    given = {"resourceType": "appointment", "scope": {"companyId": uuid.uuid4().hex}, "address": address, **more}
    return str((await service.ask("POST", "/v1/watches", expect=201, json=given))["id"])


async def try_out(service: Service, id_: str, given: Any = None, *, expect: int = 200) -> Any:
    return await service.ask("POST", f"/v1/watches/{id_}/test", expect=expect, json=given)


async def preview(service: Service, given: Any, *, expect: int = 200) -> Any:
    return await service.ask("POST", "/v1/watches/preview", expect=expect, json=given)


async def test_a_test_sends_the_sample_as_a_delivery_would_and_answers_the_attempt(
    service: Service, receiver: Receiver
) -> None:
    address = receiver.on("/hook?a=b", Reply(status=202, body=b"thanks", headers={"Set-Cookie": "canary"}))
    given = {
        "resourceType": "appointment", "scope": {"companyId": "42"}, "address": address, "method": "PUT",
        "signature": {"enabled": True}, "basicAuth": {"username": "u", "password": "canary"},
        "httpRequestHeader": {"X-Token": "canary"},
    }  # fmt: skip
    watch = await service.ask("POST", "/v1/watches", expect=201, json=given)
    attempt = await try_out(service, watch["id"])
    (received,) = receiver.requests
    headers = {name.lower(): value for name, value in received.headers.items()}
    Webhook(watch["signature"]["secret"]).verify(received.body, headers)
    assert (received.method, received.path, headers["x-token"]) == ("PUT", "/hook?a=b", "canary")
    assert (headers["hookward-event"], headers["hookward-attempt"], headers["hookward-test"]) == (
        "appointment.updated", "1", "true",
    )  # fmt: skip
    assert headers["webhook-id"].startswith("dlv_")
    body = json.loads(received.body)
    assert {**body, "date": None} == {**SAMPLES["appointment"], "event": "updated", "date": None}
    assert "canary" not in json.dumps(attempt)
    assert attempt["number"] == 1
    assert attempt["request"]["body"] == received.body.decode()
    assert attempt["request"]["headers"]["hookward-test"] == "true"
    assert attempt["response"] | {"headers": None} == {
        "statusCode": 202, "headers": None, "body": "thanks", "truncated": False,
    }  # fmt: skip
    assert (attempt["error"], attempt["remoteAddress"]) == (None, f"127.0.0.1:{receiver.port}")
    assert await service.deliveries(watchId=watch["id"]) == []


async def test_every_test_is_a_message_of_its_own(service: Service, receiver: Receiver) -> None:
    watch = await make(service, receiver.url + "/own")
    for _ in range(3):
        await try_out(service, watch)
    assert len(receiver.ids) == 3


async def test_a_test_says_what_it_is_told_to(service: Service, receiver: Receiver) -> None:
    watch = await make(service, receiver.url + "/told", schema={"it": "${$.event} ${$.id}"}, events=["deleted"])
    await try_out(service, watch, {"event": "created", "resource": {"id": "mine"}})
    assert json.loads(receiver.requests[0].body) == {"it": "created mine"}


@pytest.mark.parametrize("status", ["paused", "disabled"])
async def test_a_watch_that_does_not_deliver_can_be_tested(service: Service, receiver: Receiver, status: str) -> None:
    attempt = await try_out(service, await make(service, receiver.url + "/off", status=status))
    assert attempt["response"]["statusCode"] == 200


async def test_what_goes_wrong_with_a_test_is_part_of_its_answer(service: Service, receiver: Receiver) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{unheard.getsockname()[1]}/"
        addresses = {
            receiver.on("/hang", Reply(hang=True)): "timeout",
            refusing: "connection",
            "http://10.0.0.1/": "forbidden_address",
            "http://hookward.invalid/": "dns",
        }
        found = {}
        for address in addresses:
            attempt = await try_out(service, await make(service, address))
            assert attempt["response"] is None
            found[address] = attempt["error"]["type"]
    assert found == addresses


async def test_a_template_that_fails_on_what_is_sent_is_said_without_a_request(
    service: Service, receiver: Receiver
) -> None:
    big = {"id": "1", "form": [{"id": "x" * 4000} for _ in range(200)]}
    watch = await make(service, receiver.url + "/never", schema={"a": "${$.form}" * 3})
    attempt = await try_out(service, watch, {"resource": big})
    assert (attempt["error"]["type"], attempt["response"], receiver.requests) == ("template", None, [])


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ([], [""]), ({"event": "gone"}, ["/event"]),
        ({"event": 1, "resource": 2, "more": 3}, ["/more", "/event", "/resource"]),
        ({"resource": {"id": {}}}, ["/resource/id"]),
    ],
)  # fmt: skip
async def test_everything_wrong_with_a_test_is_named(
    service: Service, receiver: Receiver, given: Any, pointers: list[str]
) -> None:
    problem = await try_out(service, await make(service, receiver.url), given, expect=422)
    assert [each["pointer"] for each in problem["errors"]] == pointers
    assert receiver.requests == []


async def test_a_few_tests_may_be_under_way_and_then_no_more(service: Service, receiver: Receiver) -> None:
    watch = await make(service, receiver.on("/slow", Reply(hang=True)))
    under_way = [asyncio.create_task(try_out(service, watch)) for _ in range(4)]
    await wait_until(lambda: len(receiver.requests) == 4)
    async with service.client.post(f"/v1/watches/{watch}/test") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
    assert {(await each)["error"]["type"] for each in under_way} == {"timeout"}
    receiver.on("/slow", Reply())
    assert (await try_out(service, watch))["response"]["statusCode"] == 200


# Previews.


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_preview_renders_the_sample_of_a_type(service: Service, name: str) -> None:
    body = (await preview(service, {"schema": {"event": "${$.event}"}, "resourceType": name, "event": "deleted"}))[
        "body"
    ]
    assert body == {"event": "deleted"}
    assert (await preview(service, {"resourceType": name}))["body"]["event"] == "updated"


async def test_a_preview_keeps_types_and_numbers(service: Service) -> None:
    template = b'"{\\"n\\": ${$.n}, \\"all\\": ${$.list[*]}}"'
    given = b'{"schema": ' + template + b', "document": {"n": 12345678901234567890.10, "list": [1, null]}}'
    async with service.client.post(
        "/v1/watches/preview", data=given, headers={"Content-Type": "application/json"}
    ) as answer:
        assert await answer.read() == b'{"body":{"n": 12345678901234567890.10, "all": [1,null]}}'


async def test_a_preview_shows_what_a_watch_would_add(service: Service) -> None:
    given = {
        "resourceType": "event.registration", "scope": {"tenantId": 7}, "resource": {"id": "1"},
        "extraFull": {"id": "extra"}, "levelDetails": "extraFull", "addPreviousData": "true",
        "previousData": {"id": "0"}, "timeZone": "Asia/Tokyo",
    }  # fmt: skip
    body = (await preview(service, given))["body"]
    assert body.pop("date")["timeZone"] == "Asia/Tokyo"
    assert body == {
        "event": "updated", "resourceType": "event.registration", "scope": {"tenantId": "7"},
        "resource": {"id": "extra"}, "previousData": {"id": "0"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ({}, [""]),
        ({"schema": {"a": ["${$.x", "${$..y}"]}, "resourceType": "x"}, ["/schema/a/0", "/schema/a/1", "/resourceType"]),
        ({"schema": 7, "document": [], "event": "created", "more": 1}, ["/more", "/schema", "/document", "/event"]),
        ({"document": {}, "resourceType": "appointment"}, [""]),
        (
            {"resourceType": "appointment", "scope": {"queueId": 1}, "event": "x", "resource": {"id": {}},
             "extraFull": 1, "previousData": 1, "levelDetails": "x", "timeZone": "Mars", "addPreviousData": 1},
            ["/scope/queueId", "/event", "/resource/id", "/extraFull", "/previousData", "/levelDetails", "/timeZone",
             "/addPreviousData"],
        ),
        ({"schema": {"a": "${$.a}" * 3}, "document": {"a": "x" * 400_000}}, ["/schema"]),
    ],
)  # fmt: skip
async def test_everything_wrong_with_a_preview_is_named(service: Service, given: Any, pointers: list[str]) -> None:
    problem = await preview(service, given, expect=422)
    assert [each["pointer"] for each in problem["errors"]] == pointers
