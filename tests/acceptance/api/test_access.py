"""G10: with any key, on every route, a caller learns nothing and changes nothing of others.

The routes come from the router itself. One that names a thing this file cannot make yet fails until it is taught.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from hookward.domain.access.callers import Scope
from tests.acceptance.api.callers import Tenant, new_tenant
from tests.api_surface import Entry, surface
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINE, THEIRS = "integrator-1", "integrator-2"
OWNED = ("publish", "watches", "deliveries")
GUARDED = [entry for entry in surface() if entry.scope is not None]
IDENTIFIED = [entry for entry in GUARDED if entry.path.startswith("/v1/") and entry.parameters]
LISTS = [entry for entry in GUARDED if entry.method == "GET" and not entry.parameters]


@dataclass(slots=True)
class Cast:
    """Two accounts; what is at stake belongs to the first one's integrator ``MINE`` and is named ``canary``."""

    service: Service
    ours: Tenant
    others: Tenant
    integrator: str
    rival: str
    canary: str = field(default_factory=lambda: "canary-" + uuid.uuid4().hex)
    things: dict[str, str] = field(default_factory=dict)

    async def thing(self, name: str) -> str:
        """The id of what the path parameter ``name`` names, made when first needed."""
        if name not in MAKERS:
            pytest.fail(f"teach this test how to make a {name.removesuffix('Id')}: add it to MAKERS")
        if name not in self.things:
            self.things[name] = await MAKERS[name](self)
        return self.things[name]

    async def everything(self) -> None:
        for name in MAKERS:
            await self.thing(name)

    async def send(self, entry: Entry, key: str | None) -> tuple[int, str, Mapping[str, str]]:
        """The status, body and headers that a caller gets, with or without a key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        body = BODIES.get(str(entry), {}) if entry.method in {"POST", "PUT", "PATCH"} else None
        async with (
            aiohttp.ClientSession(self.service.url) as client,
            client.request(entry.method, await self.path(entry), headers=headers, json=body) as answer,
        ):
            return answer.status, await answer.text(), answer.headers

    async def path(self, entry: Entry) -> str:
        """Its path; below ``/v1`` parameters name things, elsewhere they are values of the caller's own account."""
        path = entry.path
        for name in entry.parameters:
            value = await self.thing(name) if path.startswith("/v1/") else "42"
            path = path.replace("{" + name + "}", value)
        return path


async def make_watch(cast: Cast) -> str:
    given = {"resourceType": "appointment", "scope": {"companyId": cast.canary}, "name": cast.canary}
    given |= {"address": f"https://{cast.canary}.example.com/", "status": "paused"}
    return str((await cast.ours.ask("POST", "/v1/watches", expect=201, json=given, key=cast.integrator))["id"])


async def make_crypto_key(cast: Cast) -> str:
    given = {"name": cast.canary}
    return str((await cast.ours.ask("POST", "/v1/crypto-keys", expect=201, json=given, key=cast.integrator))["id"])


async def make_event(cast: Cast) -> str:
    given = event("1", company=cast.canary)
    return str((await cast.ours.ask("POST", "/v1/events", expect=202, json=given, key=cast.integrator))["id"])


async def make_delivery(cast: Cast) -> str:
    watch = await cast.thing("watchId")
    await cast.ours.ask("POST", "/v1/events", expect=202, json=event("1", company=cast.canary))

    async def listed() -> list[dict[str, Any]]:
        page = await cast.ours.ask("GET", f"/v1/deliveries?watchId={watch}", expect=200)
        return list(page["data"])

    return str((await wait_until(listed, what="the delivery is in the log"))[0]["id"])


async def make_api_key(cast: Cast) -> str:
    given = {"name": cast.canary, "scopes": ["watches"], "owner": MINE}
    return str((await cast.ours.ask("POST", "/v1/api-keys", expect=201, json=given))["id"])


async def make_account(cast: Cast) -> str:
    given = {"name": cast.canary}
    return str((await cast.service.ask("POST", "/v1/accounts", expect=201, json=given))["id"])


async def make_type(cast: Cast) -> str:
    given = {"name": f"shop.t{secrets.token_hex(6)}", "identity": ["id"], "schema": {}, "sample": {"id": "1"}}
    return str((await cast.ours.ask("POST", "/v1/resource-types", expect=201, json=given))["name"])


async def make_erasure(cast: Cast) -> str:
    given = {"resourceType": "appointment", "resourceId": "none has this"}
    return str((await cast.ours.ask("POST", "/v1/erasures", expect=202, json=given))["id"])


MAKERS: dict[str, Callable[[Cast], Awaitable[str]]] = {
    "watchId": make_watch,
    "eventId": make_event,
    "deliveryId": make_delivery,
    "keyId": make_crypto_key,
    "apiKeyId": make_api_key,
    "accountId": make_account,
    "name": make_type,
    "erasureId": make_erasure,
}
SHARED: frozenset[str] = frozenset({"name"})
"""Things that belong to an account as a whole, which every one of its owners may read."""
BODIES: dict[str, Any] = {}
"""What a route needs in its body before it looks at what its path names; elsewhere ``{}`` will do."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cast(service: Service) -> Cast:
    ours, others = await new_tenant(service), await new_tenant(service)
    integrator, rival = await ours.new_key(*OWNED, owner=MINE), await ours.new_key(*OWNED, owner=THEIRS)
    return Cast(service=service, ours=ours, others=others, integrator=integrator, rival=rival)


def unknown_fields() -> list[str | None]:
    return [None, "", "x", "hw_" + secrets.token_urlsafe(32), "hw_" + "a" * 8000, "Basic", "ü"]


@pytest.mark.parametrize("entry", GUARDED, ids=str)
async def test_who_is_not_known_is_turned_away_everywhere(cast: Cast, entry: Entry) -> None:
    for key in unknown_fields():
        status, text, headers = await cast.send(entry, key)
        assert (status, headers["WWW-Authenticate"], cast.canary in text) == (401, "Bearer", False), key


@pytest.mark.parametrize("entry", GUARDED, ids=str)
async def test_a_key_with_every_scope_but_the_one_needed_is_refused(cast: Cast, entry: Entry) -> None:
    without = {
        Scope.OPERATOR: ("admin", *OWNED),
        Scope.ADMIN: OWNED,
    }.get(entry.scope or Scope.ADMIN, tuple(scope for scope in (*OWNED, "operator") if scope != entry.scope))
    status, text, _ = await cast.send(entry, await cast.ours.new_key(*without))
    assert (status, f"lacks the scope {entry.scope}" in text, cast.canary in text) == (403, True, False)


@pytest.mark.parametrize("entry", IDENTIFIED, ids=str)
async def test_another_accounts_thing_is_not_there(cast: Cast, entry: Entry) -> None:
    status, text, _ = await cast.send(entry, cast.others.key)
    assert (status, cast.canary in text) == (403 if entry.scope is Scope.OPERATOR else 404, False), text


@pytest.mark.parametrize("entry", IDENTIFIED, ids=str)
async def test_another_owners_thing_is_not_there(cast: Cast, entry: Entry) -> None:
    status, text, _ = await cast.send(entry, cast.rival)
    shared = bool(SHARED.intersection(entry.parameters))  # every owner may read it, none may change it
    beyond = entry.scope in {Scope.ADMIN, Scope.OPERATOR} or shared
    expected = 200 if shared and entry.method == "GET" else 403 if beyond else 404
    assert (status, cast.canary in text) == (expected, False), text


@pytest.mark.parametrize("entry", LISTS, ids=str)
async def test_no_list_tells_of_another_accounts_or_owners_things(cast: Cast, entry: Entry) -> None:
    await cast.everything()
    for key in (cast.others.key, cast.rival):
        status, text, _ = await cast.send(entry, key)
        assert status in (200, 403)
        hidden = [value for name, value in cast.things.items() if key != cast.rival or name not in SHARED]
        assert [word for word in (cast.canary, *hidden) if word in text] == []


@pytest.mark.parametrize("entry", [entry for entry in IDENTIFIED if entry.method == "GET"], ids=str)
async def test_who_may_see_a_thing_sees_it(cast: Cast, entry: Entry) -> None:
    """The other tests could not fail if there were nothing to be seen."""
    key = cast.service.key if entry.scope is Scope.OPERATOR else cast.ours.key
    status, text, _ = await cast.send(entry, key)
    assert (status, any(word in text for word in (cast.canary, await cast.thing(entry.parameters[-1])))) == (200, True)


async def test_a_watch_cannot_name_the_crypto_key_of_another_owner_or_account(cast: Cast) -> None:
    key = await cast.ours.ask("POST", "/v1/crypto-keys", expect=201, json={"name": "k"}, key=cast.integrator)
    given: dict[str, Any] = {"resourceType": "appointment", "address": "https://example.com/"}
    given |= {"signature": {"enabled": True, "cryptoKeyIds": [key["id"]]}}
    for caller in (cast.rival, cast.others.key):
        problem = await cast.ours.ask("POST", "/v1/watches", expect=422, json=given, key=caller)
        assert [each["message"] for each in problem["errors"]] == ["there is no such crypto key"]
    for caller in (cast.integrator, cast.ours.key):
        await cast.ours.ask("POST", "/v1/watches", expect=201, json=given, key=caller)


async def test_the_watches_of_an_owners_key_are_stamped_with_it(cast: Cast) -> None:
    given = {"resourceType": "appointment", "address": "https://example.com/", "owner": "another owner"}
    made = await cast.ours.ask("POST", "/v1/watches", expect=201, json=given, key=cast.integrator)
    own = await cast.ours.ask("POST", "/v1/watches", expect=201, json=given)
    assert (made["owner"], own["owner"]) == (MINE, None)
    seen = await cast.ours.ask("GET", "/v1/watches?limit=200", expect=200, key=cast.integrator)
    assert {each["owner"] for each in seen["data"]} == {MINE}
    seen = await cast.ours.ask("GET", "/v1/watches?limit=200", expect=200)
    assert {made["id"], own["id"]} <= {each["id"] for each in seen["data"]}
