"""Bounds that the contract names: what lies on one is taken, what lies beyond is refused."""

from __future__ import annotations

import asyncio
import json
import uuid
from io import BytesIO
from typing import Any

import pytest

from tests.acceptance.api.callers import Tenant, new_tenant
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIB = 1 << 20
JSON = {"Content-Type": "application/json"}
DEFAULT, MOST = 50, 200


async def status_of(service: Service, path: str, body: bytes, method: str = "POST") -> int:
    async with service.client.request(method, path, data=BytesIO(body), headers=JSON) as answer:
        return answer.status


@pytest.mark.parametrize(("more", "status"), [(0, 202), (1, 413)])
async def test_an_event_may_have_a_mebibyte_as_it_is_sent(service: Service, more: int, status: int) -> None:
    one = json.dumps(event("1", company=uuid.uuid4().hex)).encode()
    assert await status_of(service, "/v1/events", one.ljust(MIB + more)) == status
    path = f"/companies/{uuid.uuid4().hex}/appointments/1"
    assert await status_of(service, path, b"{}".ljust(MIB + more), "PUT") == status


@pytest.mark.parametrize(("depth", "status"), [(100, 202), (101, 422)])
async def test_an_event_may_be_a_hundred_deep(service: Service, depth: int, status: int) -> None:
    given = json.dumps(event("1", resource={"id": "1", "deep": None}))
    nested = depth - 2  # the event and its resource are two
    body = given.replace("null", "[" * nested + "]" * nested)
    assert await status_of(service, "/v1/events", body.encode()) == status


async def test_a_batch_may_hold_a_thousand_events(service: Service) -> None:
    mine = uuid.uuid4().hex
    events = {"events": [event(str(number), company=mine) for number in range(1000)]}
    results = (await service.ask("POST", "/v1/events/batch", expect=202, json=events))["results"]
    assert len({each["id"] for each in results}) == 1000


@pytest.mark.parametrize("number", ["1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", "9007199254740993"])
async def test_a_number_may_be_any_that_a_double_reaches(service: Service, number: str) -> None:
    body = json.dumps(event("1", resource={"id": "1", "n": None})).replace("null", number)
    assert await status_of(service, "/v1/events", body.encode()) == 202


async def filled(tenant: Tenant, count: int) -> None:
    """One more than a page of everything that is listed."""

    async def make(path: str, number: int) -> None:
        given = {
            "/v1/watches": {"resourceType": "appointment", "address": "https://example.com/", "status": "disabled"},
            "/v1/crypto-keys": {"name": str(number)}, "/v1/api-keys": {"name": str(number), "scopes": ["publish"]},
            "/v1/resource-types": {
                "name": f"a.n{number}", "identity": ["id"], "schema": {}, "sample": {"id": "1"},
            },
            "/v1/accounts": {"name": f"{tenant.id}-{number}"},
        }[path]  # fmt: skip
        key = tenant.service.key if path == "/v1/accounts" else None
        await tenant.ask("POST", path, expect=201, json=given, key=key)

    paused = {"resourceType": "appointment", "address": "https://example.com/", "status": "paused"}
    watch = (await tenant.ask("POST", "/v1/watches", expect=201, json=paused))["id"]
    batch = {"events": [event(str(number)) for number in range(count)]}
    await tenant.ask("POST", "/v1/events/batch", expect=202, json=batch)
    for path in ("/v1/watches", "/v1/crypto-keys", "/v1/api-keys", "/v1/accounts"):
        await asyncio.gather(*(make(path, number) for number in range(count)))
    for number in range(count):  # they are judged by what is there: many at once are told to come again
        await make("/v1/resource-types", number)

    async def logged() -> bool:
        found = await tenant.ask("GET", f"/v1/deliveries?watchId={watch}&limit={MOST}", expect=200)
        return len(found["data"]) == count

    await wait_until(logged, what="all deliveries are in the log")


async def test_a_list_has_fifty_of_its_things_by_default_and_two_hundred_at_most(service: Service) -> None:
    tenant = await new_tenant(service)
    await filled(tenant, DEFAULT + 1)
    paths = ("watches", "crypto-keys", "api-keys", "resource-types", "accounts", "events", "deliveries")
    for path in (f"/v1/{each}" for each in paths):
        key = service.key if path == "/v1/accounts" else None
        first = await tenant.ask("GET", path, expect=200, key=key)
        assert (len(first["data"]), first["nextCursor"] is None) == (DEFAULT, False), path
        more = await tenant.ask("GET", f"{path}?limit={MOST}", expect=200, key=key)
        assert DEFAULT < len(more["data"]) <= MOST, path
        assert more["data"][:DEFAULT] == first["data"], path
        for wrong in (0, MOST + 1, -1, "many", ""):
            problem = await tenant.ask("GET", f"{path}?limit={wrong}", expect=400, key=key)
            assert [each["parameter"] for each in problem["errors"]] == ["limit"], (path, wrong)


PROBLEMS: list[tuple[str, str, Any, int]] = [
    ("POST", "/v1/events", {"resourceType": "appointment"}, 422), ("POST", "/v1/watches", [], 422),
    ("GET", "/v1/deliveries?limit=0", None, 400), ("GET", "/v1/watches/none", None, 404),
    ("DELETE", "/v1/events", None, 405), ("PUT", "/companies/1/appointments/1", "text", 422),
    ("POST", "/v1/resource-types", {}, 422), ("POST", "/v1/api-keys", {}, 422), ("POST", "/v1/crypto-keys", {}, 422),
    ("POST", "/v1/accounts", {}, 422), ("POST", "/v1/erasures", {}, 422), ("POST", "/v1/watches/preview", {}, 422),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status"), PROBLEMS)
async def test_whatever_is_wrong_is_told_as_a_problem_document(
    service: Service, method: str, path: str, body: Any, status: int
) -> None:
    async with service.client.request(method, path, json=body) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert answer.status == status
        assert problem["requestId"] == answer.headers["X-Request-Id"]
    named = problem.pop("errors", [])
    assert problem.keys() == {"type", "title", "status", "detail", "requestId"}
    assert (problem["status"], all(problem.values())) == (status, True)
    assert bool(named) == (status in (400, 422))
    assert all(each["message"] and len(each) == 2 and ({"pointer", "parameter"} & each.keys()) for each in named)


@pytest.mark.parametrize(
    "id_", ["x", "a b  c", "0" * 255, "0190a5c0-5f3e-7c00-8000-0123456789ab", '{"odd": "one, two"};=~']
)
async def test_a_request_id_comes_back_as_it_was_sent(service: Service, id_: str) -> None:
    async with service.client.get("/v1/watches/none", headers={"X-Request-Id": id_}) as answer:
        assert (answer.headers["X-Request-Id"], (await answer.json(content_type=None))["requestId"]) == (id_, id_)


@pytest.mark.parametrize("id_", ["", "0" * 256, "é"])
async def test_a_request_id_that_is_none_is_replaced(service: Service, id_: str) -> None:
    async with service.client.get("/v1/watches/none", headers={"X-Request-Id": id_}) as answer:
        made = answer.headers["X-Request-Id"]
        assert made != id_
        assert (await answer.json(content_type=None))["requestId"] == made


async def test_an_empty_body_needs_no_content_type_and_minds_none(service: Service) -> None:
    key = await service.ask("POST", "/v1/crypto-keys", expect=201, json={"name": "a key"})
    for headers in ({}, {"Content-Type": "text/plain"}):
        for method, path, status in (
            ("POST", f"/v1/crypto-keys/{key['id']}/rotate", 200),
            ("DELETE", f"/companies/{uuid.uuid4().hex}/appointments/a1", 202),
            ("PUT", f"/registrations/{uuid.uuid4().hex}/transfer/r1/c1", 202),
        ):
            async with service.client.request(method, path, headers=headers) as answer:
                assert answer.status == status, (method, path, headers)
