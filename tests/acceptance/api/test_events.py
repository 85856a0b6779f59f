"""The list of events over HTTP: every filter, alone and with others, and its pages."""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.api.callers import Tenant, new_tenant
from tests.receiver import Receiver, Reply
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def pages(tenant: Tenant, key: str | None = None, **filters: str) -> list[list[str]]:
    """The ids of all events that match, page by page."""
    found: list[list[str]] = []
    given = dict(filters)
    while True:
        page = await tenant.ask("GET", "/v1/events", expect=200, params=given, key=key)
        found.append([each["id"] for each in page["data"]])
        if page["nextCursor"] is None:
            return found
        given["cursor"] = page["nextCursor"]


async def listed(tenant: Tenant, key: str | None = None, **filters: str) -> list[str]:
    return [id_ for page in await pages(tenant, key, **filters) for id_ in page]


async def watch(tenant: Tenant, address: str, company: str, key: str | None = None) -> str:
    given = {
        "resourceType": "appointment",
        "scope": {"companyId": company},
        "address": address,
        "retry": {"schedule": []},
    }
    return str((await tenant.ask("POST", "/v1/watches", expect=201, json=given, key=key))["id"])


async def publish(tenant: Tenant, given: dict[str, Any], count: int) -> dict[str, Any]:
    """An event, once it has been matched and its deliveries have ended."""
    accepted = await tenant.ask("POST", "/v1/events", expect=202, json=given)

    async def ended() -> Any:
        found = await tenant.ask("GET", f"/v1/events/{accepted['id']}", expect=200)
        closed = found["deliveriesByStatus"].keys() <= {"delivered", "failed"}
        return found if found["state"] != "pending" and found["deliveryCount"] == count and closed else None

    shown: dict[str, Any] = await wait_until(ended)
    return shown


async def test_each_filter_finds_the_events_that_it_says(service: Service, receiver: Receiver) -> None:
    tenant = await new_tenant(service)
    bad_address = receiver.on("/bad", Reply(status=418))
    good = await watch(tenant, receiver.url + "/good", "1")
    bad = await watch(tenant, bad_address, "2")
    lost = await watch(tenant, "http://no-such-host.invalid/", "2")
    first = await publish(tenant, event("r1", company="1", id="the publisher's".replace(" ", "-")), 1)
    second = await publish(tenant, event("r2", company="2", event="created"), 2)
    registration = {
        "resourceType": "queue.registration", "scope": {"queueId": "3"}, "event": "deleted",
        "resource": {"id": "r3", "note": "a needle"},
    }  # fmt: skip
    third = await publish(tenant, registration, 0)
    one, two, three = (each["id"] for each in (first, second, third))
    to_bad = next(each["id"] for each in second["deliveries"] if each["watch"]["id"] == bad)
    later = (datetime.fromisoformat(third["created"]) + timedelta(days=1)).isoformat()
    cases: list[tuple[dict[str, str], list[str]]] = [
        ({}, [three, two, one]), ({"resourceType": "appointment"}, [two, one]), ({"resourceType": "none"}, []),
        ({"resourceId": "r1"}, [one]), ({"resourceId": "r"}, []), ({"event": "created"}, [two]),
        ({"event": "merged"}, []), ({"since": second["created"]}, [three, two]), ({"since": later}, []),
        ({"until": second["created"]}, [one]), ({"until": later}, [three, two, one]),
        ({"since": first["created"], "until": third["created"]}, [two, one]),
        ({"eventId": one}, [one]), ({"eventId": "the-publisher's"}, [one]), ({"eventId": "evt_" + "0" * 32}, []),
        ({"eventId": "unknown"}, []), ({"watchId": good}, [one]), ({"watchId": bad}, [two]),
        ({"watchId": "wat_" + "0" * 32}, []), ({"status": "delivered"}, [one]), ({"status": "failed"}, [two]),
        ({"status": "cancelled"}, []), ({"statusCode": "200"}, [one]), ({"statusCode": "418"}, [two]),
        ({"statusCode": "500"}, []), ({"errorType": "dns"}, [two]), ({"errorType": "tls"}, []),
        ({"q": "needle"}, [three]), ({"q": "no such text"}, []), ({"q": two}, [two]), ({"q": two[:-1]}, [two]),
        ({"q": to_bad}, [two]), ({"q": to_bad[:-2]}, [two]), ({"q": bad}, [two]), ({"q": good[:-1]}, [one]),
        ({"q": "no-such-host"}, [two]), ({"q": f"127.0.0.1:{receiver.port}"}, [two, one]),
        ({"q": f"127.0.0.1:{receiver.port}/go"}, [one]),
        # Several speak of one delivery: there is a 418 to one watch, and a name that does not resolve for the other.
        ({"watchId": bad, "statusCode": "418"}, [two]), ({"watchId": lost, "statusCode": "418"}, []),
        ({"watchId": lost, "errorType": "dns", "status": "failed"}, [two]),
        ({"statusCode": "418", "errorType": "dns"}, []), ({"eventId": two, "status": "failed"}, [two]),
        ({"eventId": one, "status": "failed"}, []), ({"status": "failed", "event": "updated"}, []),
        ({"q": "r2", "watchId": bad}, [two]), ({"q": "needle", "watchId": bad}, []),
    ]  # fmt: skip

    found = [(query, await listed(tenant, **query)) for query, _ in cases]

    assert found == cases


@pytest.mark.parametrize("start", ["dlv_", "evt_", "wat_", "%", "_", "h", "127.0.0.1%", ".*"])
async def test_the_beginning_of_nothing_finds_nothing(service: Service, receiver: Receiver, start: str) -> None:
    tenant = await new_tenant(service)
    await watch(tenant, receiver.url, "1")
    await publish(tenant, event("7", company="1"), 1)
    for path in ("/v1/events", "/v1/deliveries"):
        assert (await tenant.ask("GET", path, expect=200, params={"q": start}))["data"] == [], path


async def test_pages_are_walked_to_the_end_and_back_each_event_once(service: Service, receiver: Receiver) -> None:
    tenant = await new_tenant(service)
    for path in ("/a", "/b"):
        await watch(tenant, receiver.url + path, "1")
    batch = {"events": [event(str(number), company="1") for number in range(9)]}
    results = (await tenant.ask("POST", "/v1/events/batch", expect=202, json=batch))["results"]
    published = {each["id"] for each in results}

    async def delivered() -> bool:
        return len(await listed(tenant, status="delivered")) == len(await listed(tenant)) == len(published)

    await wait_until(delivered)
    filters: dict[str, str]
    for filters in ({}, {"status": "delivered"}, {"statusCode": "200"}, {"q": "127.0.0.1"}):
        down = await pages(tenant, limit="4", **filters)
        assert ([len(page) for page in down], {id_ for page in down for id_ in page}) == ([4, 4, 1], published)
        second = await tenant.ask("GET", "/v1/events", expect=200, params={"limit": "4", **filters})
        third = {"limit": "4", "cursor": second["nextCursor"], **filters}
        back = (await tenant.ask("GET", "/v1/events", expect=200, params=third))["prevCursor"]
        first = await tenant.ask("GET", "/v1/events", expect=200, params={"limit": "4", "cursor": back, **filters})
        assert ([each["id"] for each in first["data"]], first["prevCursor"]) == (down[0], None)


async def test_an_owner_filters_among_what_went_to_their_watches(service: Service, receiver: Receiver) -> None:
    tenant = await new_tenant(service)
    mine = await tenant.new_key("watches", "deliveries", owner="north")
    own = await watch(tenant, receiver.url + "/own", "1", key=mine)
    other = await watch(tenant, receiver.on("/other", Reply(status=418)), "1")
    third = await watch(tenant, receiver.url + "/third", "2")
    both = (await publish(tenant, event("1", company="1", id="a-name"), 2))["id"]
    foreign = await publish(tenant, event("2", company="2", id="b-name"), 1)
    cases: list[tuple[dict[str, str], list[str]]] = [
        ({}, [both]), ({"watchId": own}, [both]), ({"watchId": other}, []), ({"watchId": third}, []),
        ({"status": "delivered"}, [both]), ({"status": "failed"}, []), ({"statusCode": "418"}, []),
        ({"eventId": both}, [both]), ({"eventId": "a-name"}, [both]), ({"eventId": "b-name"}, []),
        ({"eventId": foreign["id"]}, []), ({"q": other}, []), ({"q": foreign["deliveries"][0]["id"]}, []),
        ({"q": "127.0.0.1"}, [both]), ({"q": foreign["id"]}, []), ({"q": '"2"'}, []), ({"q": '"1"'}, [both]),
    ]  # fmt: skip

    found = [(query, await listed(tenant, mine, **query)) for query, _ in cases]

    assert found == cases
    assert await listed(tenant, status="failed") == [both]


async def test_an_event_with_many_deliveries_says_where_the_rest_is(service: Service, receiver: Receiver) -> None:
    tenant = await new_tenant(service)
    watches = set(await asyncio.gather(*[watch(tenant, f"{receiver.url}/{number}", "1") for number in range(102)]))
    few = await publish(tenant, event("2", company="2"), 0)
    many = await publish(tenant, event("1", company="1"), 102)

    rest = await tenant.ask("GET", many["moreDeliveries"], expect=200)

    assert (few["moreDeliveries"], len(many["deliveries"]), len(many["watches"])) == (None, 100, 100)
    assert (len(rest["data"]), rest["nextCursor"]) == (2, None)
    assert {each["watch"]["id"] for each in [*many["deliveries"], *rest["data"]]} == watches


async def test_an_id_that_a_publisher_gave_is_found_though_it_looks_like_one_of_ours(service: Service) -> None:
    tenant = await new_tenant(service)
    name = "evt_" + uuid.uuid4().hex
    published = (await publish(tenant, event("1", company="1", id=name), 0))["id"]
    assert (await tenant.ask("GET", f"/v1/events/{name}", expect=200))["id"] == published
    assert await listed(tenant, eventId=name) == [published]
