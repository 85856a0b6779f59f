"""Changing watches, as an integrator sees it."""

from __future__ import annotations

import asyncio
import json
import uuid
from functools import partial
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.acceptance.api.callers import new_tenant
from tests.receiver import Receiver, Reply, failing_first
from tests.service import Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDRESS = "https://example.com/hook"
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


async def make(service: Service, **more: Any) -> dict[str, Any]:
    given = {"resourceType": "appointment", "scope": {"companyId": new_company()}, "address": ADDRESS, **more}
    made: dict[str, Any] = await service.ask("POST", "/v1/watches", expect=201, json=given)
    return made


async def patch(service: Service, id_: str, *, expect: int = 200, **changes: Any) -> Any:
    return await service.ask("PATCH", f"/v1/watches/{id_}", expect=expect, json=changes)


async def statuses(service: Service, watch: str) -> list[tuple[str, str | None]]:
    return sorted((each["status"], each["statusReason"]) for each in await service.deliveries(watchId=watch))


async def test_a_put_replaces_all_that_may_change(service: Service) -> None:
    watch = await make(service, name="before", events=["created"], method="PUT", schema={"a": "b"})
    put = await service.ask("PUT", f"/v1/watches/{watch['id']}", expect=200, json={"address": ADDRESS + "/new"})
    assert await service.ask("GET", f"/v1/watches/{watch['id']}", expect=200) == put
    changed = {name: put[name] for name in watch if put[name] != watch[name]}
    assert changed.keys() == {"address", "name", "events", "method", "schema", "updated"}
    assert (changed["address"], changed["name"], changed["schema"]) == (ADDRESS + "/new", None, None)


async def test_a_put_of_what_was_read_changes_nothing(service: Service) -> None:
    watch = await make(
        service, name="mine", basicAuth={"username": "u", "password": "p"}, httpRequestHeader={"X-A": "a"},
        signature={"enabled": True}, schema={"id": "${$.id}"},
    )  # fmt: skip
    read = await service.ask("GET", f"/v1/watches/{watch['id']}", expect=200)
    assert await service.ask("PUT", f"/v1/watches/{watch['id']}", expect=200, json=read) == read
    assert await patch(service, watch["id"]) == read


async def test_secrets_are_kept_by_who_repeats_their_block_and_go_with_it(service: Service, receiver: Receiver) -> None:
    watch = await make(
        service, address=receiver.url + "/test", basicAuth={"username": "u", "password": "pass"},
        httpRequestHeader={"X-A": "a", "X-B": "b"},
    )  # fmt: skip
    path = f"/v1/watches/{watch['id']}"
    given = {
        "address": receiver.url + "/test", "basicAuth": {"username": "u"},
        "httpRequestHeader": {"x-a": None, "X-C": "c"},
    }  # fmt: skip
    await service.ask("PUT", path, expect=200, json=given)
    await service.ask("POST", path + "/test", expect=200)
    await service.ask("PUT", path, expect=200, json={"address": receiver.url + "/test"})
    await service.ask("POST", path + "/test", expect=200)
    names = ("authorization", "x-a", "x-b", "x-c")
    assert [[each.headers.get(name) for name in names] for each in receiver.requests] == [
        ["Basic dTpwYXNz", "a", None, "c"],
        [None, None, None, None],
    ]


async def test_a_patch_changes_what_it_names_and_null_removes(service: Service, receiver: Receiver) -> None:
    watch = await make(
        service, address=receiver.url + "/x", name="mine", basicAuth={"username": "u", "password": "pass"},
        httpRequestHeader={"X-A": "a", "X-B": "b"}, schema={"a": "1", "b": "2"},
    )  # fmt: skip
    path = f"/v1/watches/{watch['id']}"
    changes = {
        "name": None, "httpRequestHeader": {"x-b": None, "X-C": "c"}, "basicAuth": {"password": "new"},
        "schema": {"b": None, "c": "3"},
    }  # fmt: skip
    async with service.client.patch(path, data=json.dumps(changes), headers=MERGE_PATCH) as answer:
        shown = await answer.json()
        assert answer.status == 200
    assert (shown["name"], shown["schema"], list(shown["httpRequestHeader"])) == (
        None,
        {"a": "1", "c": "3"},
        ["X-A", "X-C"],
    )
    await service.ask("POST", path + "/test", expect=200)
    headers = receiver.requests[0].headers
    assert [headers.get(name) for name in ("authorization", "x-a", "x-b", "x-c")] == ["Basic dTpuZXc=", "a", None, "c"]


async def test_a_signature_turned_on_makes_one_key_and_answers_its_secret_once(
    service: Service, receiver: Receiver
) -> None:
    watch = await make(service, address=receiver.url + "/signed")
    on = await patch(service, watch["id"], signature={"enabled": True})
    again = await patch(service, watch["id"], signature={"enabled": True, "cryptoKeyIds": []})
    assert again["signature"] == {"enabled": True, "cryptoKeyIds": on["signature"]["cryptoKeyIds"]}
    await service.ask("POST", f"/v1/watches/{watch['id']}/test", expect=200)
    received = receiver.requests[0]
    Webhook(on["signature"]["secret"]).verify(received.body, received.headers)
    off = await patch(service, watch["id"], signature=None)
    assert off["signature"] == {"enabled": False, "cryptoKeyIds": []}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_everything_wrong_with_a_change_is_named_and_nothing_of_it_done(service: Service, method: str) -> None:
    watch = await make(service, name="mine")
    given = {
        "address": "ftp://x", "unknown": 1, "resourceType": "queue.registration", "scope": {"companyId": "other"},
        "name": 7, "status": "asleep", "httpRequestHeader": {"X-A": "a\r\nb", "Host": "x", "X-New": None},
        "basicAuth": {"username": "u"}, "id": "wat_0", "created": None, "statusReason": "mine",
    }  # fmt: skip
    expected = {
        "/address", "/unknown", "/resourceType", "/scope", "/name", "/status", "/httpRequestHeader/X-A",
        "/httpRequestHeader/Host", "/httpRequestHeader/X-New", "/basicAuth/password",
    }  # fmt: skip
    if method == "PATCH":
        expected.remove("/httpRequestHeader/X-New")  # there is nothing to remove, and nothing is
    problem = await service.ask(method, f"/v1/watches/{watch['id']}", expect=422, json=given)
    assert {each["pointer"] for each in problem["errors"]} == expected
    assert await service.ask("GET", f"/v1/watches/{watch['id']}", expect=200) == watch


@pytest.mark.parametrize("scope", [{"companyId": 1}, {}, {"queueId": "1"}, [], 7])
async def test_another_scope_is_refused_and_the_same_one_ignored(service: Service, scope: Any) -> None:
    watch = await make(service)
    same = await service.ask(
        "PUT", f"/v1/watches/{watch['id']}", expect=200,
        json={"address": ADDRESS, "scope": watch["scope"], "resourceType": "appointment"},
    )  # fmt: skip
    assert same == watch
    given = {"address": ADDRESS, "scope": scope}
    problem = await service.ask("PUT", f"/v1/watches/{watch['id']}", expect=422, json=given)
    assert problem["errors"][-1]["pointer"] == "/scope"


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", "[]", 422), ("application/json", '"x"', 422), ("application/json", "null", 422),
        ("application/json", "{", 400), ("application/json", "", 400), ("application/json-patch+json", "[]", 415),
        ("text/plain", "{}", 415), ("application/merge-patch+json; charset=utf-8", "{}", 200),
    ],
)  # fmt: skip
async def test_what_is_no_patch_is_refused(service: Service, kind: str, body: str, status: int) -> None:
    watch = await make(service)
    async with service.client.patch(f"/v1/watches/{watch['id']}", data=body, headers={"Content-Type": kind}) as answer:
        assert answer.status == status


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("id_", ["wat_" + "0" * 32, "wat_x", "dlv_" + "0" * 32])
async def test_a_watch_that_is_not_there_cannot_be_touched(service: Service, method: str, id_: str) -> None:
    await service.ask(method, f"/v1/watches/{id_}", expect=404, json=None if method == "GET" else {"address": ADDRESS})
    await service.ask("POST", f"/v1/watches/{id_}/test", expect=404)


# Entity tags.


async def test_every_answer_names_the_version_and_a_change_makes_a_new_one(service: Service) -> None:
    given = {"resourceType": "appointment", "scope": {"companyId": new_company()}, "address": ADDRESS}
    async with service.client.post("/v1/watches", json=given) as answer:
        path, tag = answer.headers["Location"], answer.headers["ETag"]
    async with service.client.get(path) as answer:
        assert answer.headers["ETag"] == tag
    tags = {tag}
    for method, change in (("PUT", {"address": ADDRESS + "/1"}), ("PATCH", {"address": ADDRESS + "/2"})):
        async with service.client.request(method, path, json=change) as answer:
            tags.add(answer.headers["ETag"])
    assert len(tags) == 3
    async with service.client.get(path, headers={"If-None-Match": f'"x", W/{max(tags)}'}) as answer:
        assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", max(tags))
    async with service.client.get("/v1/watches", params={"limit": "1"}) as answer:
        tag = answer.headers["ETag"]
    async with service.client.get("/v1/watches", params={"limit": "1"}, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET"])
async def test_a_stale_tag_changes_nothing(service: Service, method: str) -> None:
    watch = await make(service)
    path = f"/v1/watches/{watch['id']}"
    async with service.client.get(path) as answer:
        stale = answer.headers["ETag"]
    now = await patch(service, watch["id"], name="newer")
    json_ = None if method == "GET" else {"address": ADDRESS, "name": "mine"}
    for tag in (stale, f"W/{stale}", f'"", {stale}', '"x"'):
        async with service.client.request(method, path, json=json_, headers={"If-Match": tag}) as answer:
            assert (answer.status, answer.content_type) == (412, "application/problem+json")
    assert await service.ask("GET", path, expect=200) == now
    async with service.client.request(method, path, json=json_, headers={"If-Match": "*"}) as answer:
        assert answer.status in (200, 204)


@pytest.mark.parametrize("tag", ["x", '"x', "*, *", 'w/"1"', '"1" "2"', ""])
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
async def test_what_is_no_entity_tag_is_refused(service: Service, header: str, tag: str) -> None:
    watch = await make(service)
    async with service.client.delete(f"/v1/watches/{watch['id']}", headers={header: tag}) as answer:
        assert (answer.status, header in (await answer.json(content_type=None))["detail"]) == (400, True)


async def test_a_change_unless_it_is_there_is_refused(service: Service) -> None:
    watch = await make(service)
    async with service.client.put(
        f"/v1/watches/{watch['id']}", json={"address": ADDRESS}, headers={"If-None-Match": "*"}
    ) as answer:
        assert answer.status == 412


async def test_no_patch_is_lost_among_many_at_once(service: Service) -> None:
    watch = await make(service)
    names = [f"X-{number}" for number in range(20)]
    await asyncio.gather(*(patch(service, watch["id"], httpRequestHeader={name: "v"}) for name in names))
    shown = await service.ask("GET", f"/v1/watches/{watch['id']}", expect=200)
    assert sorted(shown["httpRequestHeader"]) == sorted(names)


async def test_of_many_changes_to_one_version_exactly_one_is_made(service: Service) -> None:
    watch = await make(service)
    path = f"/v1/watches/{watch['id']}"
    async with service.client.get(path) as answer:
        headers = {"If-Match": answer.headers["ETag"]}

    async def rename(name: str) -> int:
        async with service.client.patch(path, json={"name": name}, headers=headers) as answer:
            return answer.status

    outcomes = await asyncio.gather(*(rename(str(number)) for number in range(10)))
    assert sorted(outcomes) == [200] + [412] * 9


# Status.


async def test_a_change_applies_to_the_next_event(service: Service, receiver: Receiver) -> None:
    for number in range(20):
        mine = new_company()
        watch = await service.create_watch(receiver.url + "/old", company=mine)
        await service.publish(event(f"{number}-1", company=mine))
        await patch(service, watch, address=f"{receiver.url}/new", schema={"id": "${$.id}"})
        await service.publish(event(f"{number}-2", company=mine))
    await wait_until(lambda: len(receiver.requests) >= 40)
    second = [each for each in receiver.requests if json.loads(each.body)["id"].endswith("-2")]
    assert [(each.path, b"date" in each.body) for each in second] == [("/new", False)] * 20


async def test_a_paused_watch_lets_nothing_out_until_it_is_enabled_and_then_all(
    service: Service, receiver: Receiver
) -> None:
    for _ in range(10):
        mine, before = new_company(), len(receiver.requests)
        watch = await service.create_watch(receiver.url + "/paused", company=mine)
        await service.publish(event("first", company=mine))
        await wait_until(partial(have_come, receiver, before + 1))  # slots are held just now
        await patch(service, watch, status="paused")
        for number in range(3):
            await service.publish(event(str(number), company=mine))
        await wait_until(partial(waiting, service, watch, 3))
        assert len(receiver.requests) == before + 1
        await patch(service, watch, status="enabled")
        await wait_until(partial(have_come, receiver, before + 4))


def have_come(receiver: Receiver, count: int) -> bool:
    return len(receiver.requests) >= count


async def waiting(service: Service, watch: str, count: int) -> bool:
    return (await statuses(service, watch)).count(("pending", None)) == count


async def test_disabling_cancels_what_waits_and_enabling_starts_again(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.url + "/again", company=mine, status="paused")
    for number in range(5):
        await service.publish(event(f"before-{number}", company=mine))
    await wait_until(lambda: waiting(service, watch, 5))
    await patch(service, watch, status="disabled")
    await service.publish(event("disabled", company=mine))
    await patch(service, watch, status="enabled")  # cancelling may not have begun
    await service.publish(event("after", company=mine))
    expected = [("cancelled", "the watch was disabled")] * 5 + [("delivered", None)]

    async def settled() -> bool:
        return await statuses(service, watch) == expected

    await wait_until(settled)
    assert [json.loads(each.body)["id"] for each in receiver.at("/again")] == ["after"]


async def test_what_retries_when_its_watch_is_disabled_is_cancelled_though_it_is_enabled_again(
    service: Service, receiver: Receiver
) -> None:
    receiver.on("/retry", failing_first(1, Reply(status=500)))
    mine = new_company()
    watch = await service.create_watch(receiver.url + "/retry", company=mine)
    await service.publish(event("1", company=mine))
    await wait_until(lambda: len(receiver.at("/retry")) == 1)
    await patch(service, watch, status="disabled")
    await patch(service, watch, status="paused")
    await patch(service, watch, status="enabled")

    async def cancelled() -> bool:
        return await statuses(service, watch) == [("cancelled", "the watch was disabled")]

    await wait_until(cancelled)
    assert len(receiver.at("/retry")) == 1


@pytest.mark.parametrize("steps", [("paused", "enabled"), ("disabled", "enabled"), ("disabled", "paused", "enabled")])
async def test_whatever_happens_to_a_watch_under_load_what_was_sent_is_delivered_and_the_rest_says_why_not(
    service: Service, receiver: Receiver, steps: tuple[str, ...]
) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.on("/load", Reply(delay=0.02)), company=mine)
    turned = asyncio.Event()

    async def publish() -> None:
        while not turned.is_set():
            await service.publish(event("before", company=mine))

    async def turn() -> None:
        for _ in range(6):
            for status in steps:
                await patch(service, watch, status=status)
        turned.set()

    await asyncio.gather(*(publish() for _ in range(4)), turn())
    last = {await service.publish(event("last", company=mine)) for _ in range(20)}

    async def log() -> list[dict[str, Any]] | None:
        found = await service.deliveries(watchId=watch)
        ended = all(each["finished"] for each in found)
        return found if ended and last <= {each["event"]["id"] for each in found} else None

    found = await wait_until(log)
    reasons = {each["statusReason"] for each in found if each["status"] == "cancelled"}
    assert reasons <= {"the watch was disabled", "the watch is disabled or was deleted"}
    assert {each["status"] for each in found if each["event"]["id"] in last} == {"delivered"}
    assert {each["id"] for each in found if each["status"] == "delivered"} == receiver.ids
    assert {each["status"] for each in found} <= ({"delivered", "cancelled"} if "disabled" in steps else {"delivered"})


# Lists.


async def test_lists_are_filtered_by_everything_at_once(service: Service) -> None:
    mine = uuid.uuid4().hex
    made = [
        await make(service, name=f"{mine} {word}", status=status, address=f"{ADDRESS}/{word}")
        for word, status in (("One", "enabled"), ("Two", "paused"), ("Three", "disabled"))
    ]

    async def listed(**parameters: str) -> list[str]:
        page = await service.ask("GET", "/v1/watches", expect=200, params=parameters)
        return [each["id"] for each in page["data"]]

    ids = [each["id"] for each in made]
    assert await listed(q=mine.upper()) == ids
    assert await listed(q=mine, status="paused") == ids[1:2]
    assert await listed(name=f"{mine} Two") == ids[1:2]
    assert await listed(name=mine) == []
    assert await listed(q="/three", name=f"{mine} Three", resourceType="appointment") == ids[2:]
    assert await listed(q=mine, owner="unknown") == []
    first = await service.ask("GET", "/v1/watches", expect=200, params={"q": mine, "limit": "2"})
    rest = await service.ask("GET", "/v1/watches", expect=200, params={"q": mine, "cursor": first["nextCursor"]})
    assert [each["id"] for each in first["data"] + rest["data"]] == ids


async def test_the_watches_of_an_owner_are_found_by_the_account_which_alone_may_ask_whose(service: Service) -> None:
    tenant = await new_tenant(service)
    made = {}
    for owner in ("north", "south", None):
        key = await tenant.new_key("watches", owner=owner)
        given = {"resourceType": "appointment", "address": ADDRESS}
        made[owner] = key, (await tenant.ask("POST", "/v1/watches", expect=201, json=given, key=key))["id"]

    async def listed(owner: str, key: str | None = None) -> list[str]:
        page = await tenant.ask("GET", "/v1/watches", expect=200, params={"owner": owner}, key=key)
        return [each["id"] for each in page["data"]]

    assert await listed("north") == [made["north"][1]]
    assert (await listed("unknown"), await listed("south", made[None][0])) == ([], [made["south"][1]])
    await tenant.ask("GET", "/v1/watches?owner=north", expect=400, key=made["north"][0])


async def test_every_bad_parameter_of_a_list_is_named_at_once(service: Service) -> None:
    query = "limit=0&cursor=x&status=asleep&resourceType=y&name=&q=%00&owner=%00&what=1"
    problem = await service.ask("GET", f"/v1/watches?{query}", expect=400)
    names = [each["parameter"] for each in problem["errors"]]
    assert sorted(names) == ["cursor", "limit", "name", "owner", "q", "resourceType", "status", "what"]
    assert "what is unknown; this list takes resourceType" in problem["detail"]
