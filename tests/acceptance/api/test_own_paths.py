"""Resources of the types that accounts add, published at paths of the accounts' own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.acceptance.api.callers import Tenant, new_tenant
from tests.answers import checking
from tests.receiver import Receiver
from tests.service import Service, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

TYPES = "/v1/resource-types"
SCHEMA = {
    "type": "object", "required": ["total"],
    "properties": {"id": {"type": "integer"}, "total": {"type": "number"}, "lines": {"type": "array"}},
}  # fmt: skip


class Shop:
    """A type of its own, at paths of its own, whose events arrive at the receiver."""

    def __init__(self, service: Service, receiver: Receiver) -> None:
        self.service = service
        self.receiver = receiver
        self.word = "shops" + uuid.uuid4().hex
        self.name = "shop.order" + self.word[-12:]
        self.given = {
            "name": self.name, "scope": ["shopId"], "identity": ["id"], "schema": SCHEMA,
            "sample": {"id": 1, "total": 12.5}, "paths": {"collection": f"/{self.word}/{{shopId}}/orders"},
        }  # fmt: skip

    def path(self, rest: str = "", shop: str = "7") -> str:
        return f"/{self.word}/{shop}/orders{rest}"

    async def open(self, **more: Any) -> Shop:
        await self.service.ask("POST", TYPES, expect=201, json={**self.given, **more})
        await self.service.ask("POST", "/v1/watches", expect=201, json=self.watch())
        return self

    def watch(self) -> dict[str, Any]:
        return {"resourceType": self.name, "address": self.receiver.url}

    async def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        data = None if body is None else BytesIO(json.dumps(body).encode())
        given = {} if data is None else {"Content-Type": "application/json"}
        async with self.service.client.request(method, path, data=data, headers={**given, **headers}) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers

    async def heard(self, count: int = 1) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
        """What arrived: event, scope and resource, by event."""
        await wait_until(lambda: len(self.receiver.requests) >= count)
        found = [json.loads(each.body) for each in self.receiver.requests]
        return sorted(((each["event"], each["scope"], each["resource"]) for each in found), key=str)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(service: Service, receiver: Receiver) -> Shop:
    return await Shop(service, receiver).open()


@pytest.mark.parametrize("prefix", ["", "/api/2.3"])
@pytest.mark.parametrize(
    ("method", "rest", "body", "event", "resource"),
    [
        ("POST", "", {"id": 5, "total": 1}, "created", {"id": 5, "total": 1}),
        ("PUT", "/5", {"total": 1}, "updated", {"id": 5, "total": 1}),
        ("PATCH", "/5", {"total": 2, "id": 5}, "updated", {"id": 5, "total": 2}),
        ("DELETE", "/5", None, "deleted", {"id": 5}),
        ("DELETE", "/5", {}, "deleted", {"id": 5}),
        ("DELETE", "/5", {"total": 3}, "deleted", {"id": 5, "total": 3}),
    ],
)  # fmt: skip
async def test_each_operation_is_the_event_that_it_is(
    shop: Shop, prefix: str, method: str, rest: str, body: Any, event: str, resource: dict[str, Any]
) -> None:
    status, said, _ = await shop.send(method, prefix + shop.path(rest, "a%20b") + "?unknown=1", body)
    assert (status, list(said)) == (202, ["id"])
    assert await shop.heard() == [(event, {"shopId": "a b"}, resource)]


@pytest.mark.parametrize(
    ("method", "rest", "body", "places"),
    [
        ("PUT", "/5", {"id": 6, "total": "x"}, {"/id", "/total"}),
        ("PUT", "/abc", {"total": 1}, {"id"}),
        ("DELETE", "/5", {"id": 6, "total": 1}, {"/id"}),
        ("DELETE", "/abc", None, {"id"}),
        ("PATCH", "/5", [{"op": "replace", "path": "/total", "value": 2}], {""}),
        ("PATCH", "/5", [], {""}),
        ("POST", "", {"total": 1}, {"/id"}),
        ("POST", "", {"id": 5}, {""}),
        ("PUT", "/5", "text", {""}),
        ("PUT", "/5", {"total": 1, "lines": 7}, {"/lines"}),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named_where_it_stands(
    shop: Shop, method: str, rest: str, body: Any, places: set[str]
) -> None:
    status, problem, _ = await shop.send(method, shop.path(rest), body)
    assert (status, {each.get("pointer", each.get("parameter")) for each in problem["errors"]}) == (422, places)


async def test_a_path_takes_its_methods_only_and_others_are_nowhere(shop: Shop) -> None:
    for method, rest, allowed in (
        ("GET", "", "POST"), ("PUT", "", "POST"), ("GET", "/5", "DELETE, PATCH, PUT"),
        ("POST", "/5", "DELETE, PATCH, PUT"),
        ("PUT", "/watch", "POST"), ("DELETE", "/watch", "POST"),
    ):  # fmt: skip
        status, _, headers = await shop.send(method, shop.path(rest), {} if method != "GET" else None)
        got = ", ".join(sorted(each.strip() for each in headers.get("Allow", "").split(",")))
        assert (status, got) == (405, allowed), (method, rest)
    for path in (
        shop.path("/5/6"), shop.path("/"), shop.path("") + "x", "/api/9" + shop.path("/5"), "/v1" + shop.path("/5"),
        shop.path("/5", shop=""),
    ):  # fmt: skip
        assert (await shop.send("PUT", path, {"total": 1}))[0] == 404, path
    assert (await shop.send("PUT", shop.path("/%FF"), {"total": 1}))[0] in (400, 422)


async def test_bodies_are_read_as_anywhere(shop: Shop) -> None:
    assert (await shop.send("PUT", shop.path("/5")))[0] == 400
    async with shop.service.client.put(shop.path("/5"), data=b"{", headers={"Content-Type": "application/json"}) as bad:
        assert bad.status == 400
    async with shop.service.client.put(shop.path("/5"), data=b"{}", headers={"Content-Type": "text/plain"}) as strange:
        assert strange.status == 415
    assert (await shop.send("PUT", shop.path("/5"), {"total": 1, "note": "x" * (1 << 20)}))[0] == 413


async def test_a_key_stands_for_one_event(shop: Shop) -> None:
    answers = [
        await shop.send("PUT", shop.path("/5"), {"total": total}, **{"Idempotency-Key": shop.word})
        for total in (1, 1, 2)
    ]
    assert [status for status, _, _ in answers] == [202, 202, 422]
    assert answers[0][1] == answers[1][1]
    assert answers[2][1]["errors"][0]["parameter"] == "Idempotency-Key"
    assert await shop.service.ask("GET", f"/v1/events/{shop.word}", expect=200)
    assert await shop.heard() == [("updated", {"shopId": "7"}, {"id": 5, "total": 1})]


async def test_without_a_key_every_path_looks_the_same(shop: Shop) -> None:
    for path in (shop.path(), shop.path("/5"), shop.path("/watch"), "/nothing", "/nothing/5", "/nothing/watch"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            said = [await answered(shop, method, path, given) for given in (None, "Bearer wrong")]
            assert said == [401, 401], (method, path)
        assert [await answered(shop, "GET", path, given) for given in (None, "Bearer wrong")] == [404, 401], path
    assert await answered(shop, "PUT", "/v1/nothing", None) == 404


async def answered(shop: Shop, method: str, path: str, authorization: str | None) -> int:
    """The status of a request that carries this header, or none."""
    headers = {} if authorization is None else {"Authorization": authorization}
    async with (
        aiohttp.ClientSession(shop.service.url, trace_configs=[checking("/api/2.3")]) as client,
        client.request(method, path, headers=headers) as answer,
    ):
        return answer.status


async def test_other_accounts_find_nothing_there_or_what_is_theirs(shop: Shop, receiver: Receiver) -> None:
    other = await new_tenant(shop.service)
    for method, rest in (("POST", ""), ("PUT", "/5"), ("DELETE", "/5"), ("POST", "/watch"), ("GET", "/5")):
        await other.ask(method, shop.path(rest), expect=404, json={"total": 1, "address": receiver.url})
    theirs = {**shop.given, "schema": {"properties": {"total": {"type": "string"}}}, "sample": {"id": 1}}
    await other.ask("POST", TYPES, expect=201, json=theirs)
    await other.ask("PUT", shop.path("/5"), expect=202, json={"total": "many"})
    await other.ask("PUT", shop.path("/5"), expect=422, json={"total": 1})
    assert (await shop.send("PUT", shop.path("/5"), {"total": 1}))[0] == 202
    assert await shop.heard() == [("updated", {"shopId": "7"}, {"id": 5, "total": 1})]


async def test_a_key_needs_the_scope_of_what_it_does(shop: Shop, receiver: Receiver) -> None:
    tenant: Tenant = await new_tenant(shop.service)
    await tenant.ask("POST", TYPES, expect=201, json=shop.given)
    publish, watches = [await tenant.new_key(scope) for scope in ("publish", "watches")]
    address = {"address": receiver.url}
    await tenant.ask("PUT", shop.path("/5"), key=watches, expect=403, json={"total": 1})
    await tenant.ask("POST", shop.path("/watch"), key=publish, expect=403, json=address)
    await tenant.ask("POST", shop.path("/watch"), key=watches, expect=201, json=address)
    await tenant.ask("PUT", shop.path("/5"), key=publish, expect=202, json={"total": 1})


async def test_a_type_that_is_replaced_is_published_by_its_newest_version(shop: Shop) -> None:
    path = f"{TYPES}/{shop.name}"
    assert (await shop.send("PUT", shop.path("/5"), {"total": 1}))[0] == 202
    await shop.service.ask("PUT", path, expect=200, json={**shop.given, "schema": {"maxProperties": 2}})
    assert (await shop.send("PUT", shop.path("/5"), {"note": "x"}))[0] == 202
    assert (await shop.send("PUT", shop.path("/5"), {"note": "x", "total": 1}))[0] == 422
    moved = {**shop.given, "paths": {"collection": f"/{shop.word}/to/{{shopId}}"}}
    await shop.service.ask("PUT", path, expect=200, json=moved)
    assert (await shop.send("PUT", shop.path("/5"), {"total": 1}))[0] == 404
    assert (await shop.send("PUT", f"/{shop.word}/to/7/5", {"total": 1}))[0] == 202
    await shop.service.ask("PUT", path, expect=200, json={**shop.given, "paths": None})
    assert (await shop.send("PUT", f"/{shop.word}/to/7/5", {"total": 1}))[0] == 404


async def test_an_identity_that_is_in_the_scope_comes_from_the_path(service: Service, receiver: Receiver) -> None:
    shop = await Shop(service, receiver).open(
        identity=["shopId", "id"], sample={"shopId": "7", "id": 1, "total": 1},
        paths={"collection": "/c/{shopId}/orders".replace("c", uuid.uuid4().hex)},
    )  # fmt: skip
    made = await service.ask("GET", f"{TYPES}/{shop.name}", expect=200)
    collection = made["paths"]["collection"].replace("{shopId}", "7")
    assert made["paths"]["item"] == made["paths"]["collection"] + "/{id}"
    assert (await shop.send("POST", collection, {"id": 5, "total": 1}))[0] == 202
    status, problem, _ = await shop.send("PUT", collection + "/5", {"shopId": "8", "total": 1})
    assert (status, [each["pointer"] for each in problem["errors"]]) == (422, ["/shopId"])
    assert await shop.heard() == [("created", {"shopId": "7"}, {"shopId": "7", "id": 5, "total": 1})]


async def test_what_the_built_in_types_use_cannot_be_taken(service: Service) -> None:
    given = {
        "name": "shop.order" + uuid.uuid4().hex, "scope": ["tenantId"], "identity": ["id", "no"], "schema": {},
        "sample": {"id": 1, "no": 1}, "paths": {"collection": "/registrations/{tenantId}/transfer"},
    }  # fmt: skip
    problem = await service.ask("POST", TYPES, expect=422, json=given)
    assert "event.registration" in problem["errors"][0]["message"]
