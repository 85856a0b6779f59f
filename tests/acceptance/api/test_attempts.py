"""What the log tells of each attempt, and what it keeps to itself."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from hookward.adapters.clock import SystemClock
from tests.receiver import Receiver, Reply, failing_first
from tests.service import Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ITEM = {
    "id", "status", "statusReason", "event", "watch", "attemptCount", "created", "nextAttempt", "finished",
    "lastStatusCode", "lastError",
}  # fmt: skip
ATTEMPT = {"number", "sent", "durationMs", "request", "response", "error", "remoteAddress"}
LOGGED_BYTES = 16 * 1024


async def logged(service: Service, watch: str, **expected: object) -> dict[str, Any]:
    """The only delivery of a watch, whole, once the log says what is expected of it."""

    async def so() -> dict[str, Any] | None:
        for each in await service.deliveries(watchId=watch):
            if expected.items() <= each.items():
                return each
        return None

    found = await wait_until(so, what=f"the log says {expected}")
    shown: dict[str, Any] = await service.ask("GET", f"/v1/deliveries/{found['id']}", expect=200)
    return shown


def is_recent(moment: str) -> bool:
    return abs(datetime.fromisoformat(moment).timestamp() - SystemClock().now_us() / 1e6) < 60


async def test_a_delivery_tells_all_that_was_sent_and_said(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    said = Reply(status=500, body=b"x" * (LOGGED_BYTES + 1), headers={"X-Why": "because", "Set-Cookie": "secret"})
    address = receiver.on("/told", failing_first(1, said, Reply(status=201, body="schön".encode(), delay=0.1)))
    watch = await service.create_watch(address, company=mine, name="told")
    published = await service.publish(event("r1", company=mine))
    shown = await logged(service, watch, status="delivered")

    [item] = await service.deliveries(watchId=watch)
    assert item.keys() == ITEM
    assert shown == {**item, "attempts": shown["attempts"]}
    assert item["event"] == {"id": published, "resourceType": "appointment", "event": "updated", "resourceId": "r1"}
    assert item["watch"] == {"id": watch, "name": "told", "address": address}
    assert (item["attemptCount"], item["lastStatusCode"], item["lastError"]) == (2, 201, None)
    assert (item["statusReason"], item["nextAttempt"]) == (None, None)

    requests = receiver.at("/told")
    assert [each["number"] for each in shown["attempts"]] == [1, 2]
    for attempt, received in zip(shown["attempts"], requests, strict=True):
        assert attempt.keys() == ATTEMPT
        assert attempt["request"].keys() == {"method", "address", "headers", "body"}
        assert (attempt["request"]["method"], attempt["request"]["address"]) == ("POST", address)
        assert attempt["request"]["body"] == received.body.decode()
        sent = {name.lower(): value for name, value in attempt["request"]["headers"].items()}
        left_out = {"host", "content-length", "accept-encoding", "accept", "connection"}  # the connection's own
        assert {name: value for name, value in received.headers.items() if name not in left_out} == sent
        assert attempt["remoteAddress"] == f"127.0.0.1:{receiver.port}"
        assert attempt["error"] is None
    first, second = shown["attempts"]
    assert all(map(is_recent, (item["created"], first["sent"], second["sent"], item["finished"])))
    assert datetime.fromisoformat(first["sent"]) < datetime.fromisoformat(second["sent"])
    assert first["durationMs"] > 0
    assert 50 <= second["durationMs"] < 2000
    assert first["response"].keys() == second["response"].keys() == {"statusCode", "headers", "body", "truncated"}
    assert (first["response"]["statusCode"], first["response"]["truncated"]) == (500, True)
    assert first["response"]["body"] == "x" * LOGGED_BYTES
    assert first["response"]["headers"]["X-Why"] == "because"
    assert "secret" not in json.dumps(shown)
    assert second["response"] == {
        "statusCode": 201, "headers": {"Content-Length": "6"}, "body": "schön", "truncated": False,
    }  # fmt: skip


async def test_an_answer_holds_the_newest_bodies_and_says_which_it_leaves_out(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    retry = {"schedule": ["0s"] * 5}
    watch = await service.create_watch(receiver.on("/large", Reply(status=500)), company=mine, retry=retry)
    await service.publish(event("1", company=mine, resource={"id": "1", "unknown": "x" * 1_000_000}))
    shown = await logged(service, watch, status="failed")
    sent = receiver.requests[0].body.decode()
    requests = [each["request"] for each in shown["attempts"]]
    assert [each["body"] for each in requests] == [None] * 2 + [sent] * 4
    assert [each.get("bodyOmitted") for each in requests] == [True] * 2 + [None] * 4


async def test_an_attempt_without_an_answer_tells_why(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    address = receiver.on("/broken", Reply(close=True))
    watch = await service.create_watch(address, company=mine, retry={"schedule": []})
    await service.publish(event("1", company=mine))
    shown = await logged(service, watch, status="failed", lastError="connection", lastStatusCode=None)
    [attempt] = shown["attempts"]
    assert attempt["response"] is None
    assert attempt["error"].keys() == {"type", "message"}
    assert attempt["error"]["type"] == "connection"
    assert attempt["error"]["message"]
    assert attempt["request"]["body"] == receiver.requests[0].body.decode()
    assert attempt["remoteAddress"] == f"127.0.0.1:{receiver.port}"
    refused = await service.create_watch("http://10.1.2.3/", company=mine)
    await service.publish(event("2", company=mine))
    [attempt] = (await logged(service, refused, status="failed"))["attempts"]
    assert (attempt["error"]["type"], attempt["response"], attempt["remoteAddress"]) == (
        "forbidden_address", None, None,
    )  # fmt: skip


@pytest.mark.parametrize(("username", "password"), [("me", "pass:wörd-геслo"), ("ключ", "")])
async def test_basic_auth_reaches_the_endpoint_as_utf_8_and_no_other(
    service: Service, receiver: Receiver, username: str, password: str
) -> None:
    mine = new_company()
    sick = failing_first(1, Reply(status=500))
    auth = {"username": username, "password": password}
    watch = await service.create_watch(receiver.on("/auth", sick), company=mine, basicAuth=auth)
    await service.publish(event("1", company=mine))
    shown = await logged(service, watch, status="delivered")
    encoded = b64encode(f"{username}:{password}".encode()).decode()
    assert [each.headers["authorization"] for each in receiver.at("/auth")] == [f"Basic {encoded}"] * 2
    for attempt in shown["attempts"]:
        assert attempt["request"]["headers"]["Authorization"] == "Basic ********"
    tried = await service.ask("POST", f"/v1/watches/{watch}/test", expect=200, json={})
    assert receiver.at("/auth")[-1].headers["authorization"] == f"Basic {encoded}"
    watched = await service.ask("GET", f"/v1/watches/{watch}", expect=200)
    for answer in (shown, tried, watched, await service.deliveries(watchId=watch)):
        text = json.dumps(answer, ensure_ascii=False)
        assert encoded not in text
        assert encoded.rstrip("=") not in text
        assert not password or password not in text


async def test_what_retries_stays_visible_while_its_watch_is_paused_and_goes_out_afterwards(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    receiver.on("/paused", Reply(status=500))
    retry = {"schedule": ["1s", "500ms"]}
    watch = await service.create_watch(f"{receiver.url}/paused", company=mine, retry=retry)
    await service.publish(event("old", company=mine))
    await logged(service, watch, status="retrying")
    await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"status": "paused"})
    # A watch that began later and waits longer shows that the time for the next attempt came and went.
    clock = await service.create_watch(f"{receiver.url}/clock", company=mine, retry=retry)
    receiver.on("/clock", Reply(status=500))
    await service.publish(event("new", company=mine))
    await logged(service, clock, status="failed", attemptCount=3)

    held = {each["event"]["resourceId"]: each for each in await service.deliveries(watchId=watch)}
    assert {name: (each["status"], each["attemptCount"]) for name, each in held.items()} == {
        "old": ("retrying", 1), "new": ("pending", 0),
    }  # fmt: skip
    assert len(receiver.at("/paused")) == 1
    shown = await service.ask("GET", f"/v1/deliveries/{held['old']['id']}", expect=200)
    assert [each["response"]["statusCode"] for each in shown["attempts"]] == [500]

    receiver.on("/paused", Reply())
    await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"status": "enabled"})
    await wait_until(partial(both_delivered, service, watch))
    assert sorted((each.id, each.attempt) for each in receiver.at("/paused")) == sorted(
        [(held["old"]["id"], 1), (held["old"]["id"], 2), (held["new"]["id"], 1)]
    )


async def both_delivered(service: Service, watch: str) -> bool:
    return [each["status"] for each in await service.deliveries(watchId=watch)] == ["delivered"] * 2
