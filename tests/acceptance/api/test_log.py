"""The log over HTTP: every filter, cursors, events, replays, erasures."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.receiver import Received, Receiver, Reply, failing_first
from tests.service import Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _more_than(receiver: Receiver, count: int) -> bool:
    return len(receiver.requests) > count


async def ended(service: Service, count: int, **filters: str) -> list[dict[str, Any]]:
    async def finished() -> list[dict[str, Any]] | None:
        log = await service.deliveries(**filters)
        return log if len(log) == count and all(each["finished"] for each in log) else None

    found: list[dict[str, Any]] = await wait_until(finished)
    return found


async def problem(service: Service, path: str, status: int = 400, **more: Any) -> dict[str, str]:
    """What an answer says is wrong, by parameter or pointer."""
    method = more.pop("method", "GET")
    document = await service.ask(method, path, expect=status, **more)
    return {each.get("parameter") or each.get("pointer"): each["message"] for each in document["errors"]}


async def test_each_filter_finds_the_delivery_and_another_value_does_not(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    address = receiver.on("/filters", Reply(status=418, body=b"tea needle-" + mine.encode()))
    watch = await service.create_watch(address, company=mine)
    published = await service.publish(event(mine, company=mine))
    [found] = await ended(service, 1, watchId=watch)
    created = datetime.fromisoformat(found["created"])
    day = timedelta(days=1)
    right = {
        "watchId": watch, "eventId": published, "resourceType": "appointment", "resourceId": mine, "event": "updated",
        "status": "failed", "statusCode": "418", "since": (created - day).isoformat(),
        "until": (created + day).isoformat().replace("+00:00", "Z"), "q": f"needle-{mine}",
    }  # fmt: skip
    wrong = {
        "watchId": "wat_" + "0" * 32, "eventId": "evt_" + "0" * 32, "resourceType": "queue.registration",
        "resourceId": "unknown", "event": "deleted", "status": "cancelled", "statusCode": "500", "errorType": "dns",
        "since": (created + day).isoformat(), "until": (created - day).isoformat(), "q": "nowhere " + mine,
    }  # fmt: skip
    assert [each["id"] for each in await service.deliveries(**right)] == [found["id"]]
    for name, value in wrong.items():
        assert (
            await service.deliveries(**{**{k: v for k, v in right.items() if k not in ("since", "until")}, name: value})
            == []
        )
    for prefix in (found["id"], found["id"][:20], published, watch, watch[:30], f"127.0.0.1:{receiver.port}"):
        assert found["id"] in [each["id"] for each in await service.deliveries(q=prefix, watchId=watch)]
    page = await service.ask("GET", "/v1/deliveries", expect=200, params={"q": "no such text " + mine})
    assert page["data"] == []
    assert page["searched"].keys() == {"since", "until"}


async def test_a_delivery_that_could_not_be_sent_is_found_by_its_error(service: Service) -> None:
    mine = new_company()
    watch = await service.create_watch("http://no-such-host.invalid/", company=mine)
    await service.publish(event("1", company=mine))
    [found] = await ended(service, 1, errorType="dns", watchId=watch)
    assert (found["lastError"], found["lastStatusCode"]) == ("dns", None)


WRONG = {
    "watchId": "wat_1", "eventId": "dlv_" + "0" * 32, "resourceType": "", "resourceId": "x" * 513, "event": "changed",
    "status": "done", "statusCode": "ok", "errorType": "boom", "since": "yesterday", "until": "2026-01-01",
    "q": "", "limit": "0", "cursor": "AAAA", "colour": "red",
}  # fmt: skip


async def test_every_wrong_parameter_is_named_at_once(service: Service) -> None:
    named = await problem(service, "/v1/deliveries", params=WRONG)
    assert named.keys() == WRONG.keys()
    assert "RFC 3339" in named["since"]
    assert "timeout" in named["errorType"]
    of_events = await problem(service, "/v1/events", params={**WRONG, "eventId": "no blanks"})
    assert of_events.keys() == WRONG.keys()
    assert "its publisher gave" in of_events["eventId"]
    twice = await problem(
        service,
        "/v1/deliveries?status=failed&status=failed&since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00%2B01:00",
    )
    assert twice.keys() == {"status", "until"}
    for cursor in ("A" * 23, "PAAAAAAAAAAAAAAAAAAAAAA=", "é" * 23, "x" * 5000):
        assert (await problem(service, "/v1/deliveries", params={"cursor": cursor})).keys() == {"cursor"}


async def test_cursors_go_both_ways(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.url + "/pages", company=mine)
    await service.publish_batch([event(str(number), company=mine) for number in range(9)])
    everything = [each["id"] for each in await ended(service, 9, watchId=watch)]

    async def page(cursor: str | None) -> dict[str, Any]:
        given = {"watchId": watch, "limit": "4", **({"cursor": cursor} if cursor else {})}
        found: dict[str, Any] = await service.ask("GET", "/v1/deliveries", expect=200, params=given)
        return found

    down = [await page(None)]
    while down[-1]["nextCursor"]:
        down.append(await page(down[-1]["nextCursor"]))
    up = [down[-1]]
    while up[-1]["prevCursor"]:
        up.append(await page(up[-1]["prevCursor"]))
    assert down[0]["prevCursor"] is None
    assert [each["id"] for found in down for each in found["data"]] == everything
    assert [each["id"] for found in reversed(up) for each in found["data"]] == everything


async def test_an_event_says_what_came_of_it(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.url + "/event", company=mine)
    key = "key-" + mine
    given = event(mine, company=mine, id=key, previousData={"id": "0"}, timeZone="Europe/Paris")
    given["resource"]["notes"] = "1.50"
    published = await service.publish(given)
    [delivery] = await ended(service, 1, watchId=watch)

    found = await service.ask("GET", f"/v1/events/{published}", expect=200)
    assert found == await service.ask("GET", f"/v1/events/{key}", expect=200)
    assert (found["id"], found["state"], found["deliveryCount"]) == (published, "matched", 1)
    assert found["deliveriesByStatus"] == {"delivered": 1}
    assert (found["resource"], found["previousData"], found["extraFull"]) == (
        {"id": mine, "notes": "1.50"},
        {"id": "0"},
        None,
    )
    assert (found["scope"], found["timeZone"], found["erased"]) == ({"companyId": mine}, "Europe/Paris", False)
    assert [each["id"] for each in found["watches"]] == [watch]
    assert [each["id"] for each in found["deliveries"]] == [delivery["id"]]
    page = await service.ask("GET", "/v1/events", expect=200, params={"resourceId": mine, "event": "updated"})
    assert [each["id"] for each in page["data"]] == [published]
    assert (await service.ask("GET", "/v1/events", expect=200, params={"resourceId": mine, "event": "deleted"}))[
        "data"
    ] == []


async def test_an_event_without_a_watch_is_visible(service: Service) -> None:
    mine = new_company()
    published = await service.publish(event(mine, company=mine))

    async def settled() -> Any:
        found = await service.ask("GET", f"/v1/events/{published}", expect=200)
        return found if found["state"] != "pending" else None

    found = await wait_until(settled)
    assert (found["state"], found["deliveryCount"], found["deliveries"]) == ("unmatched", 0, [])
    await service.ask("GET", "/v1/events/evt_" + "0" * 32, expect=404)
    await service.ask("GET", "/v1/events/nothing", expect=404)


async def test_a_replay_is_sent_again_and_keeps_its_id(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.on("/replay", failing_first(4, Reply(status=500))), company=mine)
    await service.publish(event("1", company=mine))
    [failed] = await ended(service, 1, watchId=watch)
    assert failed["status"] == "failed"

    path = f"/v1/deliveries/{failed['id']}/replay"
    answered = await service.ask("POST", path, expect=202)
    assert answered == {"id": failed["id"]}
    [after] = await ended(service, 1, watchId=watch)
    assert (after["status"], after["attemptCount"], after["statusReason"]) == ("delivered", 5, None)
    assert [each.attempt for each in receiver.requests] == [1, 2, 3, 4, 5]
    assert receiver.ids == {failed["id"]}

    fresh = await service.ask("POST", path, expect=202, json={"newId": True})
    await ended(service, 2, watchId=watch)
    first = receiver.requests[5]
    assert (first.id, first.attempt, first.headers["hookward-replay-of"]) == (fresh["id"], 1, failed["id"])
    shown = await service.ask("GET", f"/v1/deliveries/{fresh['id']}", expect=200)
    assert (shown["replayOf"], shown["event"]) == (failed["id"], failed["event"])
    assert {each["id"] for each in await service.deliveries(eventId=failed["event"]["id"])} == {
        failed["id"],
        fresh["id"],
    }


async def test_a_replay_that_cannot_be_says_why(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.on("/open", Reply(hang=True)), company=mine)
    await service.publish(event("1", company=mine))
    [waiting] = await wait_until(lambda: service.deliveries(watchId=watch))
    path = f"/v1/deliveries/{waiting['id']}/replay"
    named = await problem(service, path, 422, method="POST", json={"newId": "yes", "all": 1})
    assert named.keys() == {"/newId", "/all"}
    assert (await problem(service, path, 422, method="POST", json=[])).keys() == {""}
    assert "being sent" in (await service.ask("POST", path, expect=409))["detail"]
    await service.ask("DELETE", f"/v1/watches/{watch}", expect=204)
    await ended(service, 1, watchId=watch)
    assert "deleted" in (await service.ask("POST", path, expect=409))["detail"]
    await service.ask("POST", f"/v1/deliveries/dlv_{'0' * 32}/replay", expect=404)
    await service.ask("POST", "/v1/deliveries/none/replay", expect=404)


async def test_an_erasure_leaves_nothing_of_the_resource(service: Service, receiver: Receiver) -> None:
    mine, canary = new_company(), "canary" + new_company()

    def echo(received: Received) -> Reply:
        return Reply(status=500, body=received.body, headers={"X-Echo": received.body.hex()})

    address = receiver.on("/erase", echo)
    watch = await service.create_watch(address, company=mine)
    for number in range(3):
        await service.publish(event(canary, company=mine, resource={"id": canary, "notes": canary}))
        await wait_until(partial(_more_than, receiver, number))
    other = await service.publish(event("other", company=mine))

    asked = await service.ask(
        "POST", "/v1/erasures", expect=202, json={"resourceType": "appointment", "resourceId": canary}
    )

    async def done() -> Any:
        found = await service.ask("GET", f"/v1/erasures/{asked['id']}", expect=200)
        return found if found["status"] == "done" else None

    found = await wait_until(done)
    assert (found["events"], found["deliveries"]) == (3, 3)
    await ended(service, 4, watchId=watch)
    async with service.database() as connection:
        tables = [
            row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        for table in tables:
            for row in await connection.fetch(f"SELECT t::text FROM ONLY {table} t"):
                assert canary not in row[0], table
                assert canary.encode().hex() not in row[0], table
    log = await service.deliveries(watchId=watch)
    for each in log:
        assert canary not in json.dumps(await service.ask("GET", f"/v1/deliveries/{each['id']}", expect=200))
    assert sorted(each["event"]["resourceId"] for each in log) == ["", "", "", "other"]
    erased = next(each for each in log if not each["event"]["resourceId"])
    assert (await service.ask("GET", f"/v1/events/{erased['event']['id']}", expect=200))["erased"] is True
    assert "erased" in (await service.ask("POST", f"/v1/deliveries/{erased['id']}/replay", expect=409))["detail"]
    assert (await service.ask("GET", f"/v1/events/{other}", expect=200))["resource"] == {"id": "other"}
    named = await problem(service, "/v1/erasures", 422, method="POST", json={"resourceId": 7})
    assert named.keys() == {"/resourceType", "/resourceId"}
    await service.ask("GET", "/v1/erasures/ers_" + "0" * 32, expect=404)
