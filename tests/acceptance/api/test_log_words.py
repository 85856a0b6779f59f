"""What the contract's words say of the log, of mirrored paths and of owners, where no other test of them asks."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.acceptance.api.callers import new_tenant
from tests.acceptance.api.mirrored import APPOINTMENT, CONFERENCE, EVENT, QUEUE, SAMPLES, SESSION, A, C, E, Own, Q, S
from tests.receiver import Receiver, Reply
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def delivered(service: Service, **filters: str) -> dict[str, Any]:
    found = await wait_until(lambda: service.deliveries(status="delivered", **filters))
    shown: dict[str, Any] = await service.ask("GET", f"/v1/deliveries/{found[0]['id']}", expect=200)
    return shown


async def test_what_was_sent_and_what_was_received_is_found_by_its_text(service: Service, receiver: Receiver) -> None:
    mine, sent, said = (uuid.uuid4().hex for _ in range(3))
    watch = await service.create_watch(receiver.on("/said", Reply(body=f"<p>{said}</p>".encode())), company=mine)
    await service.publish(event("1", company=mine, resource={"id": "1", "notes": f"before {sent} after"}))
    found = await delivered(service, watchId=watch)
    for text in (sent, said, sent[5:20], f"before {sent}"):
        page = await service.ask("GET", "/v1/deliveries", expect=200, params={"q": text})
        assert [each["id"] for each in page["data"]] == [found["id"]], text
        assert page["searched"]["since"] < found["created"] < page["searched"]["until"]


async def test_an_answer_that_is_no_text_is_shown_as_one(service: Service, receiver: Receiver) -> None:
    mine = uuid.uuid4().hex
    watch = await service.create_watch(receiver.on("/bytes", Reply(body=b"a\xff\0z")), company=mine)
    await service.publish(event("1", company=mine))
    [attempt] = (await delivered(service, watchId=watch))["attempts"]
    body = attempt["response"]["body"]
    assert (type(body), body[0], body[-1], attempt["response"]["truncated"]) == (str, "a", "z", False)


async def test_a_delivery_is_in_the_log_as_soon_as_its_attempt_is_recorded_with_any_status(
    service: Service, receiver: Receiver
) -> None:
    mine = uuid.uuid4().hex
    failing = receiver.on("/no", Reply(status=500))
    watches = {
        "delivered": await service.create_watch(receiver.url + "/yes", company=mine),
        "failed": await service.create_watch(failing, company=mine, retry={"schedule": []}),
        "retrying": await service.create_watch(failing, company=mine, retry={"schedule": ["1h"]}),
        "pending": await service.create_watch(receiver.url + "/later", company=mine, status="paused"),
        "cancelled": await service.create_watch(receiver.url + "/never", company=mine, status="paused"),
    }
    published = await service.publish(event("1", company=mine))

    async def all_five() -> bool:
        return len(await service.deliveries(eventId=published)) == len(watches)

    await wait_until(all_five)
    await service.ask("DELETE", f"/v1/watches/{watches['cancelled']}", expect=204)

    async def each_its_own() -> dict[str, Any] | None:
        found = {each["watch"]["id"]: each for each in await service.deliveries(eventId=published)}
        return found if all(found[watch]["status"] == status for status, watch in watches.items()) else None

    log = await wait_until(each_its_own)
    for status, watch in watches.items():
        [found] = await service.deliveries(eventId=published, status=status)
        assert found == log[watch]
        ended = status in {"delivered", "failed", "cancelled"}
        assert (found["finished"] is not None, found["nextAttempt"] is not None) == (ended, not ended), status
        assert (found["statusReason"] is not None) == (status in {"failed", "cancelled"}), status


MIRRORED = [(CONFERENCE, C), (QUEUE, Q), (APPOINTMENT, A), (EVENT, E), (SESSION, S)]


@pytest.mark.parametrize(("name", "path"), MIRRORED, ids=[name for name, _ in MIRRORED])
@pytest.mark.parametrize("prefix", ["", "/api/2.3"])
async def test_a_mirrored_path_answers_below_a_prefix_and_ignores_queries_that_it_does_not_know(
    own: Own, name: str, path: str, prefix: str
) -> None:
    await own.watch(name)
    resource = {**SAMPLES[name], "ClientID": own.number} if name == SESSION else SAMPLES[name]
    query = "?lang=fr&force=true&force=false&unheard.of=1&limit=0&%00=%FF&scope=x"
    status, answer, _ = await own.send("POST", prefix + path + query, resource)
    assert (status, list(answer)) == (202, ["id"])
    [document] = await own.heard()
    assert document["event"] == "created"


async def test_an_event_of_a_batch_that_is_refused_has_a_whole_problem(service: Service) -> None:
    given = {"events": [event("1"), {"resourceType": "appointment"}, 7]}
    results = (await service.ask("POST", "/v1/events/batch", expect=202, json=given))["results"]
    assert [list(each) for each in results] == [["id"], ["error"], ["error"]]
    for result in results[1:]:
        assert result["error"].keys() == {"type", "title", "status", "detail", "requestId", "errors"}
        assert result["error"]["status"] == 422
        assert all("pointer" in each and each["message"] for each in result["error"]["errors"])


async def test_the_crypto_keys_of_an_owners_key_are_stamped_with_it_and_seen_by_it_alone(service: Service) -> None:
    tenant = await new_tenant(service)
    owners = {name: await tenant.new_key("watches", owner=name) for name in ("north", "south")}
    made = {}
    for name, key in owners.items():
        created = await tenant.ask("POST", "/v1/crypto-keys", expect=201, json={"name": "k"}, key=key)
        given = {"resourceType": "appointment", "address": "https://example.com/", "signature": {"enabled": True}}
        watch = await tenant.ask("POST", "/v1/watches", expect=201, json=given, key=key)
        made[name] = {created["id"], *watch["signature"]["cryptoKeyIds"]}
        assert (created["owner"], watch["owner"]) == (name, name)
    for name, key in owners.items():
        page = await tenant.ask("GET", "/v1/crypto-keys", expect=200, key=key)
        assert {each["id"] for each in page["data"]} == made[name]
        assert {each["owner"] for each in page["data"]} == {name}
    every = await tenant.ask("GET", "/v1/crypto-keys", expect=200)
    assert {each["id"] for each in every["data"]} == made["north"] | made["south"]
