"""Watch routes: which events each of the paths hears of, and what else may stand in a path."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.acceptance.api.callers import new_tenant
from tests.acceptance.api.mirrored import EVENT, SAMPLES, WATCH, E, Own
from tests.receiver import Receiver
from tests.service import Service, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_sessions_of_any_conference_are_heard_of_and_session_zero_is_every_session(
    service: Service, receiver: Receiver
) -> None:
    tenant = await new_tenant(service)
    routes = {
        "any/7": "/sessions/7/registrations/watch", "any/0": "/sessions/0/registrations/watch",
        "all/7": "/conferences/sessions/7/registrations/watch", "all/0": "/conferences/sessions/0/registrations/watch",
        "x/7": "/conferences/x/sessions/7/registrations/watch", "x/0": "/conferences/x/sessions/0/registrations/watch",
        "any/9": "/sessions/9/registrations/watch",
    }  # fmt: skip
    for name, route in routes.items():
        await tenant.ask("POST", route, expect=201, json={"address": f"{receiver.url}/{name}"})
    published = {
        (conference, session): (await tenant.ask(
            "PUT", f"/conferences/{conference}/sessions/{session}/registrations/r", expect=202,
            json={"id": "r", "firstName": f"{conference} {session}"},
        ))["id"]
        for conference, session in (("x", "7"), ("y", "7"), ("x", "8"), ("y", "8"))
    }  # fmt: skip
    heard = {"any/7": 2, "any/0": 4, "all/7": 2, "all/0": 4, "x/7": 1, "x/0": 2}

    async def ended() -> bool:
        events = (await tenant.ask("GET", "/v1/events", expect=200))["data"]
        counts = {each["id"]: each["deliveryCount"] for each in events if each["state"] == "matched"}
        done = all(each["deliveriesByStatus"].keys() == {"delivered"} for each in events)
        return done and counts.keys() == set(published.values())

    await wait_until(ended)
    found: dict[str, set[str]] = {}
    for each in receiver.requests:
        found.setdefault(each.path[1:], set()).add(json.loads(each.body)["firstName"])
    assert {name: len(names) for name, names in found.items()} == heard
    assert (found["any/7"], found["all/7"], found["x/7"]) == ({"x 7", "y 7"}, {"x 7", "y 7"}, {"x 7"})
    assert found["x/0"] == {"x 7", "x 8"}
    assert len(receiver.requests) == sum(heard.values())


@pytest.mark.parametrize("name", WATCH)
async def test_unknown_query_parameters_of_a_watch_route_are_ignored(own: Own, name: str) -> None:
    path = own.path(WATCH[name])
    given = {"address": own.receiver.url}
    plain = await own.service.ask("POST", path, expect=201, json=given)
    query = "?lang=fr&force=true&force=false&scope=x&address=y&limit=0&%00=%FF&session.id"
    made = await own.service.ask("POST", path + query, expect=201, json=given)
    varying = {"id", "created", "updated"}
    assert {k: v for k, v in made.items() if k not in varying} == {k: v for k, v in plain.items() if k not in varying}


async def test_a_batch_creates_updates_patches_and_deletes(own: Own) -> None:
    await own.watch(EVENT)
    whole: dict[str, Any] = {**SAMPLES[EVENT], "status": "active"}
    operations = [
        {"operation": "create", "id": "r1", "payload": {**whole, "id": "r1"}},
        {"operation": "create", "payload": {**whole, "id": "r2"}},
        {"operation": "update", "id": "r3", "payload": {**whole, "id": "r3"}},
        {"operation": "update", "id": "r4", "payload": {"status": "cancelled"}},
        {"operation": "patch", "id": "r5", "payload": {"status": "draft"}},
        {"operation": "delete", "id": "r6"},
    ]
    refused = [
        {"operation": "create", "payload": {"status": "active"}},
        {"operation": "create", "id": "r8", "payload": {**whole, "id": "r9"}},
        {"operation": "update", "id": "r9"},
        {"operation": "generate from abstract", "id": "r9"},
        {"operation": "Create", "id": "r9", "payload": whole},
        {"id": "r9", "payload": whole},
    ]
    status, answer, _ = await own.send("POST", E + "/batch", {"operations": [*operations, *refused]})
    places = [[each["pointer"] for each in result["error"]["errors"]] for result in answer["results"][6:]]
    assert (status, ["error" in result for result in answer["results"]]) == (202, [False] * 6 + [True] * 6)
    assert places == [["/id"], ["/payload/id"], ["/payload"], ["/operation"], ["/operation"], ["/operation"]]
    heard = {each["resource"]["id"]: (each["event"], each["resource"]) for each in await own.heard(6)}
    assert {id_: word for id_, (word, _) in heard.items()} == {
        "r1": "created", "r2": "created", "r3": "updated", "r4": "updated", "r5": "updated", "r6": "deleted",
    }  # fmt: skip
    assert heard["r1"][1] == {**whole, "id": "r1"}
    assert (heard["r4"][1], heard["r6"][1]) == ({"id": "r4", "status": "cancelled"}, {"id": "r6"})


async def test_a_batch_takes_a_hundred_operations(own: Own) -> None:
    each = {"operation": "delete", "id": uuid.uuid4().hex}
    assert (await own.send("POST", E + "/batch", {"operations": [each] * 100}))[0] == 202
    status, problem, _ = await own.send("POST", E + "/batch", {"operations": [each] * 101})
    assert (status, [found["pointer"] for found in problem["errors"]]) == (422, ["/operations"])
