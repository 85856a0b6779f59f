"""Accounts and API keys, as operators and administrators use them."""

from __future__ import annotations

import secrets
import uuid
from base64 import b64encode
from functools import partial
from typing import Any

import aiohttp
import pytest

from tests.acceptance.api.callers import Tenant, new_tenant
from tests.receiver import Receiver
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_account_is_made_with_a_first_admin_key(service: Service) -> None:
    name = uuid.uuid4().hex
    given = {"name": name, "timeZone": "Europe/Paris", "retentionDays": 30}
    async with service.client.post("/v1/accounts", json=given) as answer:
        made = await answer.json()
        assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
        assert answer.headers["Location"] == f"/v1/accounts/{made['id']}"
    assert {key: made[key] for key in given} == given
    assert made["id"].startswith("acc_")
    assert made["key"].startswith("hw_")
    tenant = Tenant(service, made)
    [first] = (await tenant.ask("GET", "/v1/api-keys", expect=200))["data"]
    assert (first["id"], first["scopes"], first["owner"]) == (made["keyId"], ["admin"], None)
    read = await service.ask("GET", f"/v1/accounts/{made['id']}", expect=200)
    assert read == {key: value for key, value in made.items() if key not in ("key", "keyId")}
    await tenant.ask("GET", "/v1/accounts", expect=403)


async def test_an_account_that_chooses_nothing_shows_the_defaults(service: Service) -> None:
    made = await service.ask("POST", "/v1/accounts", expect=201, json={"name": uuid.uuid4().hex})
    assert (made["timeZone"], made["retentionDays"]) == (None, 10)


async def test_accounts_are_changed_in_part(service: Service) -> None:
    tenant = await new_tenant(service, timeZone="Europe/Paris")
    path = f"/v1/accounts/{tenant.id}"
    before = await service.ask("GET", path, expect=200)
    assert await service.ask("PATCH", path, expect=200, json={}) == before
    changed = await service.ask("PATCH", path, expect=200, json={"retentionDays": 1, "timeZone": None})
    assert changed == {**before, "retentionDays": 1, "timeZone": None}
    back = await service.ask("PATCH", path, expect=200, json={**before, "retentionDays": None})
    assert back == before


async def test_a_name_that_is_taken_is_a_conflict_that_points_at_it(service: Service) -> None:
    problem = await service.ask("POST", "/v1/accounts", expect=409, json={"name": "default"})
    assert [each["pointer"] for each in problem["errors"]] == ["/name"]
    tenant = await new_tenant(service)
    await service.ask("PATCH", f"/v1/accounts/{tenant.id}", expect=409, json={"name": "default"})


async def test_everything_wrong_with_an_account_is_named_at_once(service: Service) -> None:
    given = {"name": "\0", "timeZone": "Atlantis/Centre", "retentionDays": 91, "plan": "free"}
    problem = await service.ask("POST", "/v1/accounts", expect=422, json=given)
    assert {each["pointer"] for each in problem["errors"]} == {"/name", "/timeZone", "/retentionDays", "/plan"}


@pytest.mark.parametrize("id_", ["acc_" + "0" * 32, "acc_x", "1", "%00"])
async def test_an_account_that_is_not_there_is_not_found(service: Service, id_: str) -> None:
    await service.ask("GET", f"/v1/accounts/{id_}", expect=404)
    await service.ask("PATCH", f"/v1/accounts/{id_}", expect=404, json={"name": 7})


@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/api-keys"])
@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=x", "cursor=wat_" + "0" * 32, "nmae=x"])
async def test_a_bad_parameter_is_named(service: Service, path: str, query: str) -> None:
    problem = await service.ask("GET", f"{path}?{query}", expect=400)
    assert [each["parameter"] for each in problem["errors"]] == [query.partition("=")[0]]


async def pages(tenant: Tenant, path: str, key: str | None = None) -> list[dict[str, Any]]:
    """All of a list, two at a time."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await tenant.ask("GET", f"{path}limit=2{cursor}", expect=200, key=key)
        found += page["data"]
        if page["nextCursor"] is None:
            return found
        assert len(page["data"]) == 2
        cursor = f"&cursor={page['nextCursor']}"


async def test_lists_are_told_page_by_page_oldest_first(service: Service) -> None:
    tenants = [await new_tenant(service) for _ in range(3)]
    listed = [each["id"] for each in await pages(tenants[0], "/v1/accounts?", service.key)]
    assert len(set(listed)) == len(listed)
    assert [each for each in listed if each in {tenant.id for tenant in tenants}] == [each.id for each in tenants]

    for number in range(4):
        await tenants[0].ask("POST", "/v1/api-keys", expect=201, json={"name": str(number), "scopes": ["publish"]})
    names = [key["name"] for key in await pages(tenants[0], "/v1/api-keys?")]
    assert sorted(names) == [*"0123", "first admin key"]  # within a millisecond any order


async def test_a_key_is_shown_once_and_opens_what_its_scopes_say(service: Service) -> None:
    tenant = await new_tenant(service)
    given = {"name": "reader", "scopes": ["deliveries", "watches"], "owner": "integrator-7"}
    headers = {"Authorization": f"Bearer {tenant.key}"}
    async with service.client.post("/v1/api-keys", json=given, headers=headers) as answer:
        made = await answer.json()
        assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
        assert answer.headers["Location"] == f"/v1/api-keys/{made['id']}"
    assert {**made, **given, "scopes": ["watches", "deliveries"]} == made
    assert made["id"].startswith("apk_")
    read = await tenant.ask("GET", f"/v1/api-keys/{made['id']}", expect=200)
    assert read == {key: value for key, value in made.items() if key != "key"}
    [listed] = (await tenant.ask("GET", "/v1/api-keys?owner=integrator-7", expect=200))["data"]
    assert listed == read
    await tenant.ask("GET", "/v1/watches", expect=200, key=made["key"])
    await tenant.ask("POST", "/v1/events", expect=403, key=made["key"], json={})


async def test_every_form_of_showing_a_key_is_understood(service: Service) -> None:
    tenant = await new_tenant(service)
    basic = b64encode(f"{tenant.key}:".encode()).decode()
    forms = [tenant.key, f"Bearer {tenant.key}", f"bearer  {tenant.key} ", f"Basic {basic}"]
    for form in forms:
        async with service.client.get("/v1/watches", headers={"Authorization": form}) as answer:
            assert answer.status == 200, form


async def test_a_revoked_key_is_gone(service: Service) -> None:
    tenant = await new_tenant(service)
    made = await tenant.ask("POST", "/v1/api-keys", expect=201, json={"name": "n", "scopes": ["watches"]})
    await tenant.ask("GET", "/v1/watches", expect=200, key=made["key"])
    await tenant.ask("DELETE", f"/v1/api-keys/{made['id']}", expect=204)
    await tenant.ask("GET", f"/v1/api-keys/{made['id']}", expect=404)
    await tenant.ask("DELETE", f"/v1/api-keys/{made['id']}", expect=404)

    async def refused() -> bool:
        async with service.client.get("/v1/watches", headers={"Authorization": made["key"]}) as answer:
            return answer.status == 401

    await wait_until(refused, what="the key opens nothing any more")


async def test_everything_wrong_with_a_key_is_named_at_once(service: Service) -> None:
    given = {"name": "", "scopes": ["root", "watches", "watches", "admin"], "owner": "one", "key": "mine"}
    problem = await service.ask("POST", "/v1/api-keys", expect=422, json=given)
    assert {each["pointer"] for each in problem["errors"]} == {
        "/name", "/scopes/0", "/scopes/2", "/scopes/3", "/key",
    }  # fmt: skip


async def test_only_an_operator_makes_operators(service: Service) -> None:
    tenant = await new_tenant(service)
    given = {"name": "n", "scopes": ["admin", "operator"]}
    problem = await tenant.ask("POST", "/v1/api-keys", expect=403, json=given)
    assert [each["pointer"] for each in problem["errors"]] == ["/scopes/1"]
    made = await service.ask("POST", "/v1/api-keys", expect=201, json=given)
    await tenant.ask("GET", "/v1/accounts", expect=200, key=made["key"])


async def test_the_use_of_a_key_is_shown_after_a_while(service: Service) -> None:
    tenant = await new_tenant(service)
    [first] = (await tenant.ask("GET", "/v1/api-keys", expect=200))["data"]
    assert first["lastUsed"] is None

    async def shown() -> bool:
        read = await tenant.ask("GET", f"/v1/api-keys/{first['id']}", expect=200)
        return read["lastUsed"] is not None

    await wait_until(shown, what="the use of the key is shown")


async def test_a_flood_of_made_up_keys_leaves_the_service_open_to_others(service: Service) -> None:
    async with aiohttp.ClientSession(service.url) as client:
        for _ in range(300):
            headers = {"Authorization": "hw_" + secrets.token_urlsafe(32)}
            async with client.get("/v1/watches", headers=headers) as answer:
                assert answer.status == 401
    tenant = await new_tenant(service)
    await tenant.ask("GET", "/v1/watches", expect=200)


async def test_the_same_idempotency_key_in_two_accounts_is_two_events(service: Service) -> None:
    tenants = [await new_tenant(service) for _ in range(2)]
    first, again = [
        [
            (await tenant.ask("POST", "/v1/events", expect=202, json=event(tenant.id, id="the-same")))["id"]
            for tenant in tenants
        ]
        for _ in range(2)
    ]
    assert first == again
    assert first[0] != first[1]


async def test_an_event_of_one_account_reaches_no_watch_of_another(service: Service, receiver: Receiver) -> None:
    tenants = [await new_tenant(service) for _ in range(2)]
    company = uuid.uuid4().hex
    for number, tenant in enumerate(tenants):
        given = {"resourceType": "appointment", "scope": {"companyId": company}, "address": f"{receiver.url}/{number}"}
        await tenant.ask("POST", "/v1/watches", expect=201, json=given)
    await tenants[1].ask("POST", "/v1/events", expect=202, json=event("1", company=company))
    await tenants[1].ask("POST", "/v1/events", expect=202, json=event("2", company=company))
    await wait_until(lambda: len(receiver.requests) >= 2)
    assert {received.path for received in receiver.requests} == {"/1"}
    assert (await tenants[0].ask("GET", "/v1/deliveries", expect=200))["data"] == []


def has_received(receiver: Receiver, count: int) -> bool:
    return len(receiver.requests) >= count


async def test_dates_are_in_the_accounts_zone_from_the_moment_it_is_set(service: Service, receiver: Receiver) -> None:
    tenant = await new_tenant(service, timeZone="Asia/Tokyo")
    given = {"resourceType": "appointment", "address": receiver.url, "schema": {"zone": "${$.date.timeZone}"}}
    await tenant.ask("POST", "/v1/watches", expect=201, json=given)
    zones = ["Asia/Tokyo", "America/Lima", None, "Europe/Paris"]
    for number, zone in enumerate(zones):
        if number:
            path = f"/v1/accounts/{tenant.id}"
            await service.ask("PATCH", path, expect=200, json={"timeZone": zone})
        await tenant.ask("POST", "/v1/events", expect=202, json=event(str(number)))
        await wait_until(partial(has_received, receiver, number + 1))
    assert [received.body for received in receiver.requests] == [
        b'{"zone":"%s"}' % (zone or "UTC").encode() for zone in zones
    ]


async def test_no_key_is_written_to_a_log(service: Service) -> None:
    tenant = await new_tenant(service)
    await tenant.ask("GET", "/v1/watches", expect=200)
    await tenant.ask("GET", "/v1/accounts", expect=403)
    assert tenant.key not in service.log.read_text(errors="replace")
