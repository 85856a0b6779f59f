"""Registering watches, as an integrator sees it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from hookward.adapters.catalog import load_catalog
from tests.receiver import Receiver
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUTES = [(each.name, route) for each in load_catalog() for route in each.watch_routes]
PAST_HEADER_LIMIT = "x" * 9000


@pytest.mark.parametrize(("name", "route"), ROUTES)
@pytest.mark.parametrize("prefix", ["", "/api/2.3"])
async def test_every_watch_route_registers_a_watch(service: Service, name: str, route: str, prefix: str) -> None:
    path = route
    for parameter in ("conferenceId", "sessionId", "queueId", "companyId", "tenantId", "ClientID", "EventID"):
        path = path.replace("{" + parameter + "}", "42")
    watch = await service.ask("POST", prefix + path, expect=201, json={"address": "https://example.com/hook"})
    assert (watch["resourceType"], set(watch["scope"].values())) == (name, {"42"})


async def test_a_watch_answers_what_it_was_given_and_its_defaults_but_no_secret(service: Service) -> None:
    given = {
        "resourceType": "appointment", "scope": {"companyId": 42}, "address": "https://example.com/hook",
        "name": "mine", "basicAuth": {"username": "u", "password": "canary"}, "httpRequestHeader": {"X-Key": "canary"},
        "schema": {"id": "${$.id}"}, "retry": None, "levelDetails": "full",
    }  # fmt: skip
    async with service.client.post("/v1/watches", json=given) as answer:
        text = await answer.text()
        watch = await answer.json()
        assert answer.headers["Location"] == f"/v1/watches/{watch['id']}"
    assert "canary" not in text
    again = await service.ask("GET", f"/v1/watches/{watch['id']}", expect=200)
    assert again == watch
    shown = {name: watch[name] for name in ("scope", "name", "method", "status", "events", "schema", "basicAuth")}
    assert shown == {
        "scope": {"companyId": "42"}, "name": "mine", "method": "POST", "status": "enabled",
        "events": ["created", "updated", "deleted", "merged"], "schema": {"id": "${$.id}"},
        "basicAuth": {"username": "u"},
    }  # fmt: skip


async def test_everything_wrong_with_a_watch_is_named_at_once(service: Service) -> None:
    given: dict[str, Any] = {
        "resourceType": "appointment", "address": "ftp://example.com", "name": 7, "events": ["created", "gone"],
        "method": "TRACE", "status": "asleep", "basicAuth": {"username": "a:b"}, "unknown": 1, "ordered": True,
        "httpRequestHeader": {"Host": "x", "webhook-id": "x", "X-A": "a\r\nb", "Authorization": "x", "bad name": "x",
                              "X-Big": PAST_HEADER_LIMIT},
        "schema": {"a": "${$.id", "b": {"c": "${$..x}"}}, "signature": {"enabled": "yes", "cryptoKeyIds": ["x"]},
    }  # fmt: skip
    problem = await service.ask("POST", "/v1/watches", expect=422, json=given)
    assert {each["pointer"] for each in problem["errors"]} == {
        "/address", "/name", "/events/1", "/method", "/status", "/basicAuth/username", "/basicAuth/password",
        "/unknown", "/ordered", "/httpRequestHeader/Host", "/httpRequestHeader/webhook-id", "/httpRequestHeader/X-A",
        "/httpRequestHeader/Authorization", "/httpRequestHeader/bad name", "/httpRequestHeader/X-Big", "/schema/a",
        "/schema/b/c", "/signature/enabled", "/signature/cryptoKeyIds/0",
    }  # fmt: skip


@pytest.mark.parametrize("given", [{"changed": ["id"]}, {"ordered": True}, {"rateLimit": "5/s"}])
async def test_what_is_not_there_yet_says_so(service: Service, given: dict[str, Any]) -> None:
    watch = {"resourceType": "appointment", "address": "https://example.com", **given}
    problem = await service.ask("POST", "/v1/watches", expect=422, json=watch)
    assert [(each["pointer"], "not yet" in each["message"]) for each in problem["errors"]] == [
        ("/" + next(iter(given)), True)
    ]


@pytest.mark.parametrize("given", [[], "x", {}, {"resourceType": "nothing"}, {"resourceType": 7}])
async def test_an_unknown_type_is_refused_with_those_that_exist(service: Service, given: Any) -> None:
    problem = await service.ask("POST", "/v1/watches", expect=422, json=given)
    messages = {each["pointer"]: each["message"] for each in problem["errors"]}
    assert "appointment" in messages["/resourceType"]
    assert len(messages) == 2  # and there is no address, or it is no object


async def test_a_scope_of_another_type_is_refused(service: Service) -> None:
    given = {"resourceType": "appointment", "scope": {"queueId": "1"}, "address": "https://example.com"}
    problem = await service.ask("POST", "/v1/watches", expect=422, json=given)
    assert [each["pointer"] for each in problem["errors"]] == ["/scope/queueId"]


async def test_watches_are_listed_page_by_page_and_by_type(service: Service) -> None:
    tenant = uuid.uuid4().hex
    made = [
        (await service.ask(
            "POST", f"/registrations/{tenant}/watch", expect=201, json={"address": "https://example.com"}
        ))["id"]
        for _ in range(5)
    ]  # fmt: skip
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        parameters = {"resourceType": "event.registration", "limit": "2", **cursor}
        page = await service.ask("GET", "/v1/watches", expect=200, params=parameters)
        seen += [each["id"] for each in page["data"] if each["scope"] == {"tenantId": tenant}]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == made


async def test_a_watch_of_any_session_hears_of_every_session(service: Service, receiver: Receiver) -> None:
    mine = uuid.uuid4().hex
    given = {"address": receiver.url + "/any"}
    await service.ask("POST", f"/conferences/{mine}/sessions/0/registrations/watch", expect=201, json=given)
    registration = {"resourceType": "conference.registration", "event": "created", "resource": {"id": "r"}}
    for session in ("1", "2"):
        await service.publish({**registration, "scope": {"conferenceId": mine, "sessionId": session}})
    await service.publish({**registration, "scope": {"conferenceId": uuid.uuid4().hex, "sessionId": "1"}})
    zero = {**registration, "scope": {"conferenceId": mine, "sessionId": "0"}}
    problem = await service.ask("POST", "/v1/events", expect=422, json=zero)
    assert [each["pointer"] for each in problem["errors"]] == ["/scope/sessionId"]
    await wait_until(lambda: len(receiver.requests) >= 2)
    assert len(receiver.requests) == 2


async def test_a_watch_made_a_moment_before_an_event_receives_it(service: Service, receiver: Receiver) -> None:
    for number in range(50):
        mine = uuid.uuid4().hex
        await service.create_watch(f"{receiver.url}/{number}", company=mine)
        await service.publish(event("1", company=mine))
    await wait_until(lambda: len(receiver.requests) >= 50)
    assert {received.path for received in receiver.requests} == {f"/{number}" for number in range(50)}


@pytest.mark.parametrize("scope", [0, False, "", []])
async def test_a_scope_that_is_no_object_is_refused_and_means_not_every_scope(service: Service, scope: Any) -> None:
    given = {"resourceType": "appointment", "scope": scope, "address": "https://example.com"}
    problem = await service.ask("POST", "/v1/watches", expect=422, json=given)
    assert [each["pointer"] for each in problem["errors"]] == ["/scope"]


async def test_a_list_of_watches_of_an_unknown_type_is_refused(service: Service) -> None:
    problem = await service.ask("GET", "/v1/watches?resourceType=%00", expect=400)
    assert [each["parameter"] for each in problem["errors"]] == ["resourceType"]
