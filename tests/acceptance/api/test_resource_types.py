"""Resource types that accounts add, as they use them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.receiver import Receiver
from tests.service import Service, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

TYPES = "/v1/resource-types"


def new_type(**more: Any) -> dict[str, Any]:
    return {
        "name": f"shop.order{uuid.uuid4().hex[:12]}", "scope": ["shopId"], "identity": ["id"],
        "schema": {"type": "object", "properties": {"id": {"type": "string"}, "total": {"type": "number"}}},
        "sample": {"id": "o-1", "total": 12.5}, **more,
    }  # fmt: skip


def order(name: str, shop: str = "7", **resource: Any) -> dict[str, Any]:
    return {"resourceType": name, "scope": {"shopId": shop}, "event": "created", "resource": {"id": "o-1", **resource}}


async def test_a_type_is_added_read_replaced_and_deleted(service: Service) -> None:
    given = new_type(title="An order", body="merged", keepState=False)
    async with service.client.post(TYPES, json=given) as answer:
        made = await answer.json()
        assert (answer.status, answer.headers["Location"]) == (201, f"{TYPES}/{given['name']}")
    assert {name: made[name] for name in given} == given
    assert (made["version"], made["builtIn"], made["paths"], made["watchRoutes"]) == (1, False, None, [])
    path = f"{TYPES}/{given['name']}"
    assert await service.ask("GET", path, expect=200) == made
    changed = await service.ask("PUT", path, expect=200, json={**made, "title": "Changed"})
    assert (changed["version"], changed["title"], changed["created"]) == (2, "Changed", made["created"])
    again = await service.ask("PUT", path, expect=200, json=changed)
    assert again["version"] == 2
    await service.ask("DELETE", path, expect=204)
    for method in ("GET", "DELETE"):
        await service.ask(method, path, expect=404)
    await service.ask("PUT", path, expect=404, json=given)
    assert (await service.ask("POST", TYPES, expect=201, json=given))["version"] == 3


async def test_a_name_that_is_taken_is_a_conflict(service: Service) -> None:
    given = new_type()
    await service.ask("POST", TYPES, expect=201, json=given)
    problem = await service.ask("POST", TYPES, expect=409, json=given)
    assert given["name"] in problem["detail"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_built_in_type_cannot_be_changed(service: Service, method: str) -> None:
    problem = await service.ask(method, f"{TYPES}/appointment", expect=409, json=new_type(name="appointment"))
    assert "built in" in problem["detail"]


async def test_a_built_in_type_reads_with_schema_and_sample(service: Service) -> None:
    found = await service.ask("GET", f"{TYPES}/queue.registration", expect=200)
    assert (found["builtIn"], found["scope"], found["body"]) == (True, ["queueId"], "merged")
    assert found["sample"]["id"]
    assert found["schema"]["properties"]


async def test_all_types_are_listed_page_by_page(service: Service) -> None:
    mine = {(await service.ask("POST", TYPES, expect=201, json=new_type()))["name"] for _ in range(3)}
    seen: list[str] = []
    parameters = {"limit": "3"}
    while True:
        page = await service.ask("GET", TYPES, expect=200, params=parameters)
        seen += [each["name"] for each in page["data"]]
        if page["nextCursor"] is None:
            break
        parameters["cursor"] = page["nextCursor"]
    assert seen == sorted(set(seen))
    assert mine | {"appointment", "event.registration"} <= set(seen)
    for wrong in ({"limit": "0"}, {"cursor": "no name!"}, {"name": "x"}):
        await service.ask("GET", TYPES, expect=400, params=wrong)


async def test_everything_wrong_with_a_type_is_named_at_once(service: Service) -> None:
    given = {
        "name": "9 lives", "scope": ["a b", "x", "x"], "identity": [], "body": "flat", "keepState": "yes", "more": 1,
        "title": 7, "schema": {"type": "nope", "properties": {"a": {"pattern": "(?=x)"}, "b": {"$ref": "#/no"}}},
        "sample": [],
    }  # fmt: skip
    problem = await service.ask("POST", TYPES, expect=422, json=given)
    assert {each["pointer"] for each in problem["errors"]} == {
        "/more", "/name", "/scope/0", "/scope/2", "/identity", "/body", "/keepState", "/title", "/sample",
        "/schema/type", "/schema/properties/a/pattern", "/schema/properties/b/$ref",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["date", "event"])
async def test_merged_and_a_property_that_the_document_has_do_not_go_together(service: Service, name: str) -> None:
    given = new_type(body="merged")
    given["schema"]["properties"][name] = {"type": "string"}
    problem = await service.ask("POST", TYPES, expect=422, json=given)
    [found] = problem["errors"]
    assert (found["pointer"], f"hide {name} " in found["message"]) == ("/body", True)
    made = await service.ask("POST", TYPES, expect=201, json={**given, "body": "wrapped"})
    problem = await service.ask("PUT", f"{TYPES}/{made['name']}", expect=422, json=given)
    assert [each["pointer"] for each in problem["errors"]] == ["/body"]


async def test_a_sample_must_fit_the_schema_and_say_which_it_is(service: Service) -> None:
    problem = await service.ask("POST", TYPES, expect=422, json=new_type(sample={"total": "many"}))
    assert {each["pointer"] for each in problem["errors"]} == {"/sample/id", "/sample/total"}


@pytest.mark.parametrize("body", ["wrapped", "merged"])
async def test_an_event_of_an_own_type_is_judged_and_delivered(service: Service, receiver: Receiver, body: str) -> None:
    name = (await service.ask("POST", TYPES, expect=201, json=new_type(body=body)))["name"]
    watch = {"resourceType": name, "scope": {"shopId": "7"}, "address": receiver.url}
    await service.ask("POST", "/v1/watches", expect=201, json=watch)
    problem = await service.ask("POST", "/v1/events", expect=422, json=order(name, total="x"))
    assert [each["pointer"] for each in problem["errors"]] == ["/resource/total"]
    await service.publish(order(name, total=0.1))
    await wait_until(lambda: receiver.requests)
    sent = json.loads(receiver.requests[0].body)
    resource = sent if body == "merged" else sent["resource"]
    assert (sent["event"], resource["total"]) == ("created", 0.1)
    assert ("resource" in sent) == (body == "wrapped")


async def test_a_batch_may_hold_events_of_own_types(service: Service) -> None:
    name = (await service.ask("POST", TYPES, expect=201, json=new_type()))["name"]
    events = [order(name), order("nothing.of.the.kind"), order(name, total="x"), order(name)]
    results = (await service.ask("POST", "/v1/events/batch", expect=202, json={"events": events}))["results"]
    assert ["id" in each for each in results] == [True, False, False, True]
    [unknown] = results[1]["error"]["errors"]
    assert (unknown["pointer"], name in unknown["message"]) == ("/resourceType", True)


async def test_a_watched_type_cannot_be_deleted_nor_change_its_scope(service: Service) -> None:
    given = new_type()
    path = f"{TYPES}/{given['name']}"
    await service.ask("POST", TYPES, expect=201, json=given)
    watch = {"resourceType": given["name"], "address": "https://example.com/hook"}
    made = [(await service.ask("POST", "/v1/watches", expect=201, json=watch))["id"] for _ in range(2)]
    assert "2 watches" in (await service.ask("DELETE", path, expect=409))["detail"]
    assert "2 watches" in (await service.ask("PUT", path, expect=409, json={**given, "scope": ["x"]}))["detail"]
    assert (await service.ask("PUT", path, expect=200, json={**given, "body": "merged"}))["version"] == 2
    for each in made:
        await service.ask("DELETE", f"/v1/watches/{each}", expect=204)
    await service.ask("DELETE", path, expect=204)
    await service.ask("POST", "/v1/watches", expect=422, json=watch)
    await service.ask("POST", "/v1/events", expect=422, json=order(given["name"]))


@pytest.mark.parametrize("prefix", ["", "/api/2.3"])
async def test_a_type_with_paths_has_a_watch_route(service: Service, receiver: Receiver, prefix: str) -> None:
    word = "shops" + uuid.uuid4().hex
    made = await service.ask(
        "POST", TYPES, expect=201, json=new_type(paths={"collection": f"/{word}/{{shopId}}/orders"})
    )
    assert made["paths"] == {"collection": f"/{word}/{{shopId}}/orders", "item": f"/{word}/{{shopId}}/orders/{{id}}"}
    assert made["watchRoutes"] == [f"/{word}/{{shopId}}/orders/watch"]
    route = f"{prefix}/{word}/a%20b/orders/watch"
    watch = await service.ask("POST", route, expect=201, json={"address": receiver.url})
    assert (watch["resourceType"], watch["scope"]) == (made["name"], {"shopId": "a b"})
    await service.publish(order(made["name"], shop="a b"))
    await wait_until(lambda: receiver.requests)
    await service.ask("GET", route, expect=405)
    await service.ask("POST", f"/{word}/7/nothing/watch", expect=404, json={"address": receiver.url})
    async with service.client.post(route, json={"address": receiver.url}, headers={"Authorization": "no"}) as answer:
        assert answer.status == 401


async def test_paths_that_are_taken_or_make_no_sense_are_refused(service: Service) -> None:
    word = "shops" + uuid.uuid4().hex
    await service.ask("POST", TYPES, expect=201, json=new_type(paths={"collection": f"/{word}/{{shopId}}"}))
    for collection in (
        f"/{word}/{{shopId}}", "/companies/{shopId}/appointments", "/v1/{shopId}", "/x/{shopId}/watch", "/x/{other}",
        "x", "/x//{shopId}", "/{shopId}", 7, "/queues/{shopId}/registrations", "/x/{shopId}/é",
    ):  # fmt: skip
        problem = await service.ask("POST", TYPES, expect=422, json=new_type(paths={"collection": collection}))
        assert {each["pointer"] for each in problem["errors"]} == {"/paths/collection"}, collection


HOSTILE: dict[str, Any] = {
    "circle": {"$ref": "#"},
    "circle of two": {
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a",
    },
    "doubling": {
        "$defs": {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(60)} | {"d60": {}},
        "$ref": "#/$defs/d0",
    },
    "doubling by level": {
        "$defs": {"t": {"anyOf": [{"properties": {"a": {"$ref": "#/$defs/t"}}}] * 2}}, "$ref": "#/$defs/t",
    },
    "long way down": {
        "$defs": {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(500)} | {"d500": {}}, "$ref": "#/$defs/d0",
    },
    "look-around": {"pattern": "^(?!x)"},
    "back-reference": {"pattern": r"(a)\1"},
    "huge pattern": {"pattern": "(((a{1,100}){1,100}){1,100}){1,100}"},
    "many patterns": {"patternProperties": {f"[01]*1[01]{{{i}}}": {} for i in range(900, 999)}},
    "remote": {"$ref": "http://127.0.0.1:1/schema"},
    "file": {"$ref": "file:///etc/passwd"},
    "dialect": {"$schema": "http://127.0.0.1:1/schema"},
    "dynamic": {"$dynamicRef": "#x", "$dynamicAnchor": "x"},
    "nested id": {"properties": {"a": {"$id": "http://127.0.0.1:1/"}}},
    "enum of numbers": {"items": {"enum": [None, *range(20000)]}},
    "enum of objects": {"enum": [{"a": i} for i in range(5000)]},
    "alternatives": {"anyOf": [{"minimum": i} for i in range(2000)]},
    "too many": {"anyOf": [{}] * 6000},
    "too large": {"description": "x" * 300_000},
    "too deep": json.loads('{"not":' * 70 + "{}" + "}" * 70),
    "not a schema": {"properties": 7, "minimum": "x"},
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_schema_is_refused(service: Service, what: str) -> None:
    problem = await service.ask("POST", TYPES, expect=422, json=new_type(schema=HOSTILE[what]))
    assert all(each["pointer"].startswith("/schema") for each in problem["errors"]), problem
    assert len(json.dumps(problem)) < 100_000


async def test_a_large_event_that_is_wrong_everywhere_is_refused_with_one_reason(service: Service) -> None:
    schema = {"properties": {"list": {"items": {"type": "string"}}}}
    name = (await service.ask("POST", TYPES, expect=201, json=new_type(schema=schema)))["name"]
    problem = await service.ask("POST", "/v1/events", expect=422, json=order(name, list=[1] * 300_000))
    assert [each["pointer"] for each in problem["errors"]] == ["/resource/list/0"]
    few = await service.ask("POST", "/v1/events", expect=422, json=order(name, list=[1] * 3))
    assert [each["pointer"] for each in few["errors"]] == [f"/resource/list/{index}" for index in range(3)]
