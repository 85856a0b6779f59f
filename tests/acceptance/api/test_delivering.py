"""What an integrator receives, and what ops see of it."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.receiver import OK, Received, Receiver, Reply, failing_first
from tests.service import Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def delivered(service: Service, count: int, **filters: str) -> list[dict[str, Any]]:
    async def finished() -> list[dict[str, Any]] | None:
        log = await service.deliveries(**filters)
        return log if len(log) == count and all(each["finished"] for each in log) else None

    found: list[dict[str, Any]] = await wait_until(finished)
    return found


async def one_request(receiver: Receiver, count: int = 1) -> Received:
    await wait_until(lambda: len(receiver.requests) >= count and not receiver.in_flight)
    return receiver.requests[count - 1]


async def test_the_request_is_what_the_contract_says(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    watch = await service.create_watch(
        receiver.url + "/hook?a=b%20c", company=mine, method="PUT",
        basicAuth={"username": "ü", "password": "p:w"}, httpRequestHeader={"X-Token": "canary"},
    )  # fmt: skip
    published = await service.publish(event("77", company=mine))
    received = await one_request(receiver)
    headers = {name.lower(): value for name, value in received.headers.items()}
    assert (received.method, received.path) == ("PUT", "/hook?a=b%20c")
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("Hookward/")
    assert headers["hookward-event"] == "appointment.updated"
    assert headers["hookward-attempt"] == "1"
    assert headers["webhook-id"].startswith("dlv_")
    assert len(headers["traceparent"]) == 55
    assert headers["x-token"] == "canary"
    assert headers["authorization"] == "Basic " + b64encode("ü:p:w".encode()).decode()
    body = json.loads(received.body)
    assert body["date"].keys() == {"dateTime", "timeZone"}
    assert {**body, "date": None} == {"event": "updated", "date": None, "id": "77"}
    (logged,) = await delivered(service, 1, eventId=published)
    assert logged["watch"] == {"id": watch, "name": None, "address": receiver.url + "/hook?a=b%20c"}
    shown = await service.ask("GET", f"/v1/deliveries/{logged['id']}", expect=200)
    assert "canary" not in json.dumps(shown)
    assert shown["attempts"][0]["request"]["body"] == received.body.decode()
    assert shown["attempts"][0]["response"]["body"] == "ok"
    assert shown["attempts"][0]["remoteAddress"] == f"127.0.0.1:{receiver.port}"


async def test_methods_without_a_body_send_none(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url + "/delete", company=mine, method="DELETE")
    await service.publish(event("1", company=mine))
    received = await one_request(receiver)
    names = {name.lower() for name in received.headers}
    assert (received.method, received.body, "content-type" in names) == ("DELETE", b"", False)


async def test_a_delivery_verifies_with_two_keys_at_once_and_so_does_its_retry(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    keys = [
        await service.ask("POST", "/v1/crypto-keys", expect=201, json={"name": f"key {number}"}) for number in range(2)
    ]
    await service.create_watch(
        receiver.on("/signed", failing_first(1, Reply(status=503))),
        company=mine,
        signature={"enabled": True, "cryptoKeyIds": [key["id"] for key in keys]},
    )
    await service.publish(event("1", company=mine, resource={"id": "1", "notes": "é\u2028"}))
    second = await one_request(receiver, 2)
    first = receiver.requests[0]
    for received in (first, second):
        for key in keys:
            Webhook(key["secret"]).verify(received.body, received.headers)
    assert (first.id, first.body, first.attempt) == (second.id, second.body, second.attempt - 1)
    assert int(second.headers["webhook-timestamp"]) >= int(first.headers["webhook-timestamp"])


async def test_a_watch_signed_without_keys_gets_one_and_its_secret_once(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    given = {"address": receiver.url + "/made", "signature": {"enabled": True}}
    watch = await service.ask("POST", f"/companies/{mine}/appointments/watch", expect=201, json=given)
    again = await service.ask("GET", f"/v1/watches/{watch['id']}", expect=200)
    await service.publish(event("1", company=mine))
    received = await one_request(receiver)
    Webhook(watch["signature"]["secret"]).verify(received.body, received.headers)
    assert "secret" not in again["signature"]


async def test_a_json_template_renders_text(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    schema = {
        "id": "${$.id}", "staff": "${$.staff.firstName} ${$.staff.lastName}",
        "datetime": {"start": "${$.start.dateTime}"},
    }  # fmt: skip
    await service.create_watch(receiver.url + "/template", company=mine, schema=schema)
    resource = {
        "id": "a1", "staff": {"firstName": "Zoë", "lastName": 'O"Hara'}, "start": {"dateTime": "2026-11-20T10:00:00"}
    }  # fmt: skip
    await service.publish(event("a1", company=mine, resource=resource))
    assert json.loads((await one_request(receiver)).body) == {
        "id": "a1", "staff": 'Zoë O"Hara', "datetime": {"start": "2026-11-20T10:00:00"},
    }  # fmt: skip


async def test_a_text_template_keeps_numbers_numbers(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    given = {
        "address": receiver.url + "/seats",
        "schema": '{"seats": ${$.seats}, "who": "${$.client.firstName}"}',
    }
    await service.ask("POST", f"/conferences/{mine}/sessions/0/registrations/watch", expect=201, json=given)
    await service.publish(
        {
            "resourceType": "conference.registration",
            "scope": {"conferenceId": mine, "sessionId": 7},
            "event": "created",
            "resource": {"id": "r", "seats": 3, "client": {"firstName": "Ana"}},
        }
    )
    assert (await one_request(receiver)).body == b'{"seats": 3, "who": "Ana"}'


async def test_a_failing_endpoint_is_retried_and_every_attempt_is_in_the_log(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    await service.create_watch(receiver.on("/sick", failing_first(2, Reply(status=500, body=b"sorry"))), company=mine)
    published = await service.publish(event("1", company=mine))
    (logged,) = await delivered(service, 1, eventId=published)
    shown = await service.ask("GET", f"/v1/deliveries/{logged['id']}", expect=200)
    assert [each["response"]["statusCode"] for each in shown["attempts"]] == [500, 500, 200]
    assert [each["response"]["body"] for each in shown["attempts"]] == ["sorry", "sorry", "ok"]
    assert len({each["request"]["body"] for each in shown["attempts"]}) == 1
    assert (shown["status"], shown["attemptCount"], shown["nextAttempt"]) == ("delivered", 3, None)


async def test_what_never_succeeds_ends_failed_with_the_kind_of_error(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.on("/closes", Reply(close=True)), company=mine)
    await service.create_watch(receiver.on("/gone", Reply(status=410)), company=mine)
    await service.create_watch("http://10.1.2.3/", company=mine)
    published = await service.publish(event("1", company=mine))
    log = await delivered(service, 3, eventId=published, status="failed")
    shown = {each["watch"]["address"].rpartition("/")[2]: each for each in log}
    assert (shown["closes"]["attemptCount"], shown["closes"]["lastError"]) == (4, "connection")
    assert (shown["gone"]["attemptCount"], shown["gone"]["lastStatusCode"]) == (1, 410)
    assert (shown[""]["attemptCount"], shown[""]["lastError"]) == (1, "forbidden_address")
    assert "10.0.0.0/8" in shown[""]["statusReason"]


async def test_a_watch_sees_only_the_kinds_it_asked_for(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url + "/some", company=mine, events=["deleted", "created"])
    for kind in ("updated", "deleted", "merged", "created"):
        await service.publish(event("1", company=mine, event=kind))
    await wait_until(lambda: len(receiver.requests) >= 2)
    assert [received.headers["hookward-event"] for received in receiver.requests] == [
        "appointment.deleted", "appointment.created"
    ]  # fmt: skip


async def test_deliveries_of_a_paused_watch_wait_and_are_cancelled_when_it_is_deleted(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.url + "/paused", company=mine, status="paused")
    await service.publish_batch([event(str(number), company=mine) for number in range(30)])
    await wait_until(lambda: _count(service, 30, watchId=watch, status="pending"))
    assert await service.ask("DELETE", f"/v1/watches/{watch}", expect=204) is None
    log = await delivered(service, 30, watchId=watch)
    assert {(each["status"], each["statusReason"]) for each in log} == {("cancelled", "the watch was deleted")}
    assert receiver.requests == []
    await service.ask("GET", f"/v1/watches/{watch}", expect=404)


async def _count(service: Service, count: int, **filters: str) -> bool:
    return len(await service.deliveries(**filters)) == count


async def test_the_log_is_listed_by_watch_event_and_status_page_by_page(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    good = await service.create_watch(receiver.url + "/good", company=mine)
    bad = await service.create_watch(receiver.on("/bad", Reply(status=404)), company=mine, retry={"schedule": []})
    published = await service.publish_batch([event(str(number), company=mine) for number in range(25)])
    ended = await delivered(service, 25, watchId=bad)  # the first 410 disables it: what still waits is cancelled
    assert {"failed"} <= {each["status"] for each in ended} <= {"failed", "cancelled"}
    for status in ("failed", "cancelled", "delivered"):
        listed = [each["id"] for each in await service.deliveries(watchId=bad, status=status)]
        assert listed == [each["id"] for each in ended if each["status"] == status]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await service.ask("GET", "/v1/deliveries", expect=200, params={"watchId": good, "limit": "10", **cursor})
        seen += [each["event"]["id"] for each in page["data"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert sorted(seen) == sorted(published)
    assert {each["watch"]["id"] for each in await service.deliveries(eventId=published[3])} == {good, bad}


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"limit": "0"}, "limit"), ({"limit": "201"}, "limit"), ({"limit": "x"}, "limit"), ({"cursor": "x"}, "cursor"),
        ({"status": "lost"}, "status"), ({"watchId": "evt_1"}, "watchId"), ({"eventID": "x"}, "eventID"),
    ],
)  # fmt: skip
async def test_a_bad_parameter_is_named(service: Service, parameters: dict[str, str], named: str) -> None:
    problem = await service.ask("GET", "/v1/deliveries", expect=400, params=parameters)
    assert [each["parameter"] for each in problem["errors"]] == [named]


async def test_what_does_not_exist_is_404(service: Service) -> None:
    for path in ("/v1/deliveries/dlv_" + "0" * 32, "/v1/deliveries/x", "/v1/watches/wat_" + "0" * 32, "/v1/watches/y"):
        await service.ask("GET", path, expect=404)


async def test_a_slow_endpoint_times_out_and_is_retried(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    hangs_once = failing_first(1, Reply(hang=True), OK)
    await service.create_watch(receiver.on("/slow", hangs_once), company=mine)
    published = await service.publish(event("1", company=mine))
    (logged,) = await delivered(service, 1, eventId=published)
    shown = await service.ask("GET", f"/v1/deliveries/{logged['id']}", expect=200)
    assert [each["error"] and each["error"]["type"] for each in shown["attempts"]] == ["timeout", None]
