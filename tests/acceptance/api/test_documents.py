"""The document of a delivery: its layout by the version of the type, its date, and names that it has of its own."""

from __future__ import annotations

import json
import re
import uuid
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.acceptance.api.callers import new_tenant
from tests.acceptance.api.mirrored import APPOINTMENT, CONFERENCE, QUEUE
from tests.receiver import Receiver
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def by_id(receiver: Receiver) -> dict[str, dict[str, Any]]:
    """The bodies that arrived, by the id of their resource."""
    bodies = [json.loads(each.body) for each in receiver.requests]
    return {each.get("resource", each)["id"]: each for each in bodies}


@pytest.mark.parametrize(("before", "after"), [("wrapped", "merged"), ("merged", "wrapped")])
async def test_an_event_keeps_the_layout_of_the_version_that_it_was_accepted_by(
    service: Service, receiver: Receiver, before: str, after: str
) -> None:
    name = "shop.order" + uuid.uuid4().hex
    given = {"name": name, "scope": ["shopId"], "identity": ["id"], "schema": {}, "sample": {"id": "s"}}
    await service.ask("POST", "/v1/resource-types", expect=201, json={**given, "body": before})
    made = {"resourceType": name, "scope": {"shopId": "7"}, "address": receiver.url, "status": "paused"}
    watch = (await service.ask("POST", "/v1/watches", expect=201, json=made))["id"]

    async def waits(count: int) -> bool:
        return len(await service.deliveries(watchId=watch, status="pending")) == count

    change = {"resourceType": name, "scope": {"shopId": "7"}, "event": "updated"}
    await service.publish({**change, "resource": {"id": "old"}})
    await wait_until(lambda: waits(1))
    await service.ask("PUT", f"/v1/resource-types/{name}", expect=200, json={**given, "body": after})
    await service.publish({**change, "resource": {"id": "new"}})
    await wait_until(lambda: waits(2))
    await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"status": "enabled"})
    await wait_until(lambda: len(receiver.requests) == 2)

    layouts = {id_: "wrapped" if "resource" in body else "merged" for id_, body in by_id(receiver).items()}
    assert layouts == {"old": before, "new": after}


ZONES = [
    ({"timeZone": "America/Bogota"}, {"timeZone": "Asia/Tokyo"}, {"timeZone": "Asia/Kolkata"}, "Asia/Kolkata"),
    ({"timeZone": "America/Bogota"}, {"timeZone": "Asia/Tokyo"}, {}, "Asia/Tokyo"),
    ({"timeZone": "America/Bogota"}, {}, {}, "America/Bogota"),
    ({}, {}, {}, "UTC"),
]


@pytest.mark.parametrize(("account", "watch", "published", "zone"), ZONES, ids=[each[-1] for each in ZONES])
async def test_the_date_is_the_moment_of_sending_on_the_clock_of_the_events_the_watchs_or_the_accounts_zone(
    service: Service, receiver: Receiver, account: dict[str, str], watch: dict[str, str],
    published: dict[str, str], zone: str,
) -> None:  # fmt: skip
    tenant = await new_tenant(service, **account)
    for more in ({}, {"schema": '{"date": ${$.date}}'}):
        given = {"resourceType": APPOINTMENT, "address": receiver.url, **watch, **more}
        await tenant.ask("POST", "/v1/watches", expect=201, json=given)
    await tenant.ask("POST", "/v1/events", expect=202, json=event("1", **published))

    async def delivered() -> list[dict[str, Any]] | None:
        found = (await tenant.ask("GET", "/v1/deliveries", expect=200, params={"status": "delivered"}))["data"]
        return found if len(found) == 2 else None

    for each in await wait_until(delivered):
        shown = await tenant.ask("GET", f"/v1/deliveries/{each['id']}", expect=200)
        [attempt] = shown["attempts"]
        date = json.loads(attempt["request"]["body"])["date"]
        assert (date.keys(), date["timeZone"]) == ({"dateTime", "timeZone"}, zone)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", date["dateTime"])
        moment = datetime.fromisoformat(date["dateTime"]).replace(tzinfo=ZoneInfo(zone))
        accepted, sent = datetime.fromisoformat(shown["created"]), datetime.fromisoformat(attempt["sent"])
        assert accepted - timedelta(seconds=2) <= moment <= sent  # to the second; ids may be stamped a little ahead


async def test_the_date_is_that_of_rendering_not_of_publishing(service: Service, receiver: Receiver) -> None:
    mine = uuid.uuid4().hex
    watch = await service.create_watch(receiver.url, company=mine, status="paused")
    await service.publish(event("1", company=mine))
    [waiting] = await wait_until(lambda: service.deliveries(watchId=watch, status="pending"))
    accepted = datetime.fromisoformat(waiting["created"])
    async with service.database() as connection:
        await wait_until(lambda: connection.fetchval("SELECT now() - interval '1 s' > $1::timestamptz", accepted))
    await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"status": "enabled"})
    await wait_until(lambda: receiver.requests)
    date = json.loads(receiver.requests[0].body)["date"]["dateTime"]
    assert datetime.fromisoformat(date + "+00:00") > accepted  # a second later, and its uniform is cut off


def pairs(given: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(given)) == len(given), f"a name comes twice: {given}"
    return dict(given)


SCOPES = {
    APPOINTMENT: {"companyId": "{}"},
    QUEUE: {"queueId": "{}"},
    CONFERENCE: {"conferenceId": "{}", "sessionId": "7"},
}


@pytest.mark.parametrize("name", SCOPES)
async def test_what_the_document_says_of_its_own_wins_over_properties_of_that_name(
    service: Service, receiver: Receiver, name: str
) -> None:
    scope = {key: value.format(uuid.uuid4().hex) for key, value in SCOPES[name].items()}
    own = {"date": "mine", "event": {"mine": 1}, "previousData": ["mine"], "notes": "kept"}
    for path, more in (("/asks", {"addPreviousData": True}), ("/asks-not", {})):
        given = {"resourceType": name, "scope": scope, "address": receiver.url + path, **more}
        await service.ask("POST", "/v1/watches", expect=201, json=given)
    change = {"resourceType": name, "scope": scope, "event": "updated"}
    for id_, state in (("known", {"previousData": {"id": "known", "notes": "old"}}), ("unknown", {})):
        body = json.dumps({**change, "resource": {"id": id_, **own}, **state}).replace('"date"', '"d\\u0061te"')
        headers = {"Content-Type": "application/json"}
        await service.ask("POST", "/v1/events", expect=202, data=body, headers=headers)
    await wait_until(lambda: len(receiver.requests) == 4)
    bodies = [(each.path, json.loads(each.body, object_pairs_hook=pairs)) for each in receiver.requests]
    for _, body in bodies:
        assert (body["event"], body["date"].keys(), body["notes"]) == ("updated", {"dateTime", "timeZone"}, "kept")
    assert {(path, body["id"]): body.get("previousData") for path, body in bodies} == {
        ("/asks", "known"): {"id": "known", "notes": "old"},
        ("/asks", "unknown"): None,
        ("/asks-not", "known"): ["mine"],
        ("/asks-not", "unknown"): ["mine"],
    }
