"""What is forgotten in time or on request, and what was never kept."""

from __future__ import annotations

import json
import signal
import uuid
from base64 import b64encode
from functools import partial
from hashlib import sha256
from typing import Any

import pytest

from tests.acceptance.api.callers import Tenant, new_tenant
from tests.receiver import Receiver, Reply
from tests.service import Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY_SECONDS = 86_400
DEFAULT_DAYS = 10
# Where ids are; a delivery and an event are as old as theirs say.
_DELIVERIES = (("attempt", "delivery_id"), ("payload", "delivery_id"), ("waiting", "delivery_id"), ("delivery", "id"))
_EVENTS = (("waiting", "event_id"), ("delivery", "event_id"), ("event", "id"))


async def dump(service: Service) -> dict[str, str]:
    """All rows of every table, as text; what is stored as bytes is there in hex."""
    async with service.database() as connection:
        tables = await connection.fetch(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'm')"
        )
        found = {}
        for (table,) in tables:
            rows = await connection.fetch(f"SELECT t::text FROM ONLY {table} t")
            found[table] = "\n".join(row[0] for row in rows)
        return found


def holding(tables: dict[str, str], text: str | bytes) -> set[str]:
    """The tables in which a text stands, plainly, in hex or in base64 (whatever stands before it)."""
    data = text.encode() if isinstance(text, str) else text
    forms = {data.hex(), data.decode("latin-1"), *(b64encode(b"x" * n + data)[4:-4].decode() for n in range(3))}
    return {table for table, rows in tables.items() if any(form in rows for form in forms)}


async def make_older(service: Service, event_id: str, days: int) -> list[str]:
    """Have an event, and all that came of it, be accepted some days earlier; return the ids that they have then."""
    async with service.database() as connection, connection.transaction():
        event_ = uuid.UUID(event_id[4:])
        rows = await connection.fetch("SELECT id FROM delivery WHERE event_id = $1", event_)
        deliveries = [row[0] for row in rows]
        for columns, ids in ((_DELIVERIES, deliveries), (_EVENTS, [event_])):
            for table, column in columns:
                statement = f"UPDATE {table} SET {column} = $2 WHERE {column} = $1"
                await connection.executemany(statement, [(id_, _older(id_, days)) for id_ in ids])
    return [f"evt_{_older(event_, days).hex}", *(f"dlv_{_older(id_, days).hex}" for id_ in deliveries)]


def _older(id_: uuid.UUID, days: int) -> uuid.UUID:
    return uuid.UUID(int=id_.int - (days * DAY_SECONDS * 1000 << 80))


async def look_again(service: Service) -> None:
    """Have a worker look for what is too old: it does so every ten minutes, and first thing when it starts."""
    old = service.workers
    service.kill(old[0], signal.SIGTERM)
    await service.worker_replaced(old)


async def status_of(tenant: Tenant, path: str) -> int:
    headers = {"Authorization": f"Bearer {tenant.key}"}
    async with tenant.service.client.get(path, headers=headers) as answer:
        return answer.status


async def seen(tenant: Tenant, ids: list[str]) -> set[bool]:
    """Whether these events and deliveries are there, each read alone and looked for in its list."""
    found = set()
    for id_ in ids:
        path = {"evt": "/v1/events", "dlv": "/v1/deliveries"}[id_[:3]]
        found.add(id_ in {each["id"] for each in (await tenant.ask("GET", path, expect=200))["data"]})
        found.add(await status_of(tenant, f"{path}/{id_}") == 200)
    return found


async def is_gone(tenant: Tenant, ids: list[str]) -> bool:
    return await seen(tenant, ids) == {False}


async def retrying_and_done(tenant: Tenant, receiver: Receiver, *, days: int) -> tuple[list[str], list[str]]:
    """An event whose delivery retries, and one whose delivery is done, of some days ago."""
    mine = new_company()
    for name in ("sick", "well"):
        given = {"resourceType": "appointment", "scope": {"companyId": f"{mine}-{name}"}}
        given |= {"address": f"{receiver.url}/{name}", "retry": {"schedule": ["1h"]}}
        await tenant.ask("POST", "/v1/watches", expect=201, json=given)
    aged = []
    for name, status in (("sick", "retrying"), ("well", "delivered")):
        accepted = await tenant.ask("POST", "/v1/events", expect=202, json=event("1", company=f"{mine}-{name}"))
        query = f"/v1/deliveries?eventId={accepted['id']}&status={status}"

        async def logged(query: str = query) -> object:
            return (await tenant.ask("GET", query, expect=200))["data"]

        await wait_until(logged, what=f"it is {status}")
        aged.append(await make_older(tenant.service, accepted["id"], days))
    return aged[0], aged[1]


async def make_due(service: Service, delivery: str) -> None:
    """Have the next attempt of what retries be made now."""
    async with service.database() as connection:
        await connection.execute(
            "WITH due AS (UPDATE waiting SET due_at = now() WHERE delivery_id = $1 RETURNING lane_id) "
            "UPDATE lane SET wake_at = now() FROM due WHERE id = lane_id",
            uuid.UUID(delivery[4:]),
        )


async def is_delivered(tenant: Tenant, delivery: str) -> bool:
    shown = await tenant.ask("GET", f"/v1/deliveries/{delivery}", expect=200)
    return bool(shown["status"] == "delivered" and len(shown["attempts"]) == 2)


async def test_what_is_done_goes_after_its_time_and_what_is_open_stays(service: Service, receiver: Receiver) -> None:
    receiver.on("/sick", Reply(status=500))
    usual, brief = await new_tenant(service), await new_tenant(service, retentionDays=2)
    old = await retrying_and_done(usual, receiver, days=DEFAULT_DAYS + 2)
    young = await retrying_and_done(usual, receiver, days=DEFAULT_DAYS - 2)
    short = await retrying_and_done(brief, receiver, days=4)
    assert [await seen(usual, each) for each in (*old, *young)] == [{True}] * 4
    assert [await seen(brief, each) for each in short] == [{True}] * 2

    await look_again(service)
    await wait_until(partial(is_gone, usual, old[1]), what="the old one is gone")
    await wait_until(partial(is_gone, brief, short[1]), what="the one of the account that keeps less is gone")
    assert [await seen(usual, each) for each in (old[0], *young)] == [{True}] * 3
    assert await seen(brief, short[0]) == {True}

    # What stayed is whole: it can still be delivered, and then goes as well.
    receiver.on("/sick", Reply())
    for tenant, left in ((usual, old[0]), (brief, short[0])):
        [delivery] = [id_ for id_ in left if id_.startswith("dlv_")]
        await make_due(service, delivery)
        await wait_until(partial(is_delivered, tenant, delivery), what="what was open is delivered")
    await look_again(service)
    await wait_until(partial(is_gone, usual, old[0]))
    await wait_until(partial(is_gone, brief, short[0]))
    assert [await seen(usual, each) for each in young] == [{True}] * 2


async def test_an_idempotency_key_is_free_again_after_a_day(service: Service) -> None:
    key, mine = uuid.uuid4().hex, new_company()

    async def grow_older(seconds: int) -> None:
        async with service.database() as connection:
            done = await connection.execute(
                "UPDATE idempotency SET until = until - make_interval(secs => $1) WHERE key = $2", seconds, key.encode()
            )
            assert done == "UPDATE 1"

    async def publish(word: str, expect: int) -> Any:
        given = event("1", company=mine, id=key, resource={"id": "1", "notes": word})
        return (await service.ask("POST", "/v1/events", expect=expect, json=given)).get("id")

    first = await publish("a", 202)
    await grow_older(DAY_SECONDS - 120)
    assert await publish("a", 202) == first
    assert await publish("b", 422) is None
    await grow_older(120)
    second = await publish("b", 202)
    assert second != first
    assert await publish("b", 202) == second
    assert await publish("a", 422) is None
    found = await service.ask("GET", f"/v1/events/{key}", expect=200)
    assert (found["id"], found["resource"]["notes"]) == (second, "b")
    assert (await service.ask("GET", f"/v1/events/{first}", expect=200))["resource"]["notes"] == "a"

    path, headers = f"/companies/{mine}/appointments", {"Idempotency-Key": key}
    await grow_older(DAY_SECONDS)
    third = await service.ask("POST", path, expect=202, json={"id": "2"}, headers=headers)
    assert third["id"] not in {first, second}


async def test_no_key_of_the_api_is_stored(service: Service) -> None:
    tenant = await new_tenant(service)
    wanted = ({"name": "all", "scopes": ["admin"]}, {"name": "one", "scopes": ["watches"], "owner": "integrator"})
    made = [await tenant.ask("POST", "/v1/api-keys", expect=201, json=given) for given in wanted]
    made.append({"key": tenant.key})
    for each in made:  # used, so that it is known wherever keys that were used are kept
        await tenant.ask("GET", "/v1/watches", expect=200, key=each["key"])
    tables = await dump(service)
    for each in made:
        key = each["key"]
        assert holding(tables, sha256(key.encode()).digest()) == {"api_key"}  # so it would be found
        for part in (key, key.removeprefix("hw_"), key[-20:]):
            assert holding(tables, part) == set()
    assert holding(tables, service.key) == set()
    for each in (await tenant.ask("GET", "/v1/api-keys", expect=200))["data"]:
        assert "key" not in each
        again = await tenant.ask("GET", f"/v1/api-keys/{each['id']}", expect=200)
        assert not [key for key in made if key["key"] in json.dumps([each, again])]


@pytest.mark.parametrize("status", [200, 500])
async def test_what_is_in_flight_while_its_resource_is_erased_leaves_nothing_once_it_has_ended(
    service: Service, receiver: Receiver, status: int
) -> None:
    mine, canary = new_company(), "canary" + new_company()
    address = receiver.on("/flying", Reply(hang=True))
    watch = await service.create_watch(address, company=mine, timeout="4s")
    published = await service.publish(event(canary, company=mine, resource={"id": canary, "notes": canary}))
    [request] = await wait_until(lambda: receiver.requests)
    assert canary in request.body.decode()
    given = {"resourceType": "appointment", "resourceId": canary}
    asked = await service.ask("POST", "/v1/erasures", expect=202, json=given)

    async def state() -> dict[str, Any]:
        found: dict[str, Any] = await service.ask("GET", f"/v1/erasures/{asked['id']}", expect=200)
        return found

    async with service.database() as connection:
        flying = "SELECT cardinality(flying) = 1 FROM erasure WHERE id = $1"
        await wait_until(lambda: connection.fetchval(flying, uuid.UUID(asked["id"][4:])), what="it knows what flies")
    assert request.in_flight
    assert ((await state())["status"], (await state())["finished"]) == ("running", None)
    receiver.answer(request, Reply(status=status, body=request.body, headers={"X-Echo": canary}))

    async def done() -> dict[str, Any] | None:
        found = await state()
        return found if found["status"] == "done" else None

    found = await wait_until(done)
    assert (found["events"], found["deliveries"]) == (1, 1)
    assert found["finished"] is not None
    assert holding(await dump(service), canary) == set()
    [left] = await service.deliveries(watchId=watch)
    shown = await service.ask("GET", f"/v1/deliveries/{left['id']}", expect=200)
    erased = await service.ask("GET", f"/v1/events/{published}", expect=200)
    assert canary not in json.dumps([left, shown, erased])
    assert erased["erased"] is True
    assert (left["status"], left["attemptCount"]) == (("delivered", 1) if status == 200 else ("cancelled", 1))
    assert len(receiver.requests) == 1
