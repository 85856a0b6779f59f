"""What the built-in types promise: every property described, and whatever their upstreams may send accepted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import tests.unit
from tests.acceptance.api.mirrored import APPOINTMENT, CONFERENCE, EVENT, QUEUE, SAMPLES, SESSION, Own
from tests.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROPERTIES: dict[str, list[str]] = json.loads(
    Path(tests.unit.__path__[0], "adapters", "catalog_properties.json").read_text(encoding="utf-8")
)
SCOPES: dict[str, dict[str, Any]] = {
    CONFERENCE: {"conferenceId": "1", "sessionId": "2"}, QUEUE: {"queueId": "1"}, APPOINTMENT: {"companyId": "1"},
    EVENT: {"tenantId": "1"}, SESSION: {"ClientID": "1", "EventID": "2"},
}  # fmt: skip
IDENTITY = {name: {"id": "r1"} for name in SCOPES} | {SESSION: {"ClientID": 1, "EventID": 2, "RegistrationID": "r1"}}


def descriptions(root: Mapping[str, Any], schema: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    """Every property of a schema, as ``form[].values[].id``, with its description."""
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rpartition("/")[2]], **schema}
    for name, each in schema.get("properties", {}).items():
        path = f"{at}.{name}" if at else name
        target = root["$defs"][each["$ref"].rpartition("/")[2]] if "$ref" in each else {}
        yield path, each.get("description") or target.get("description") or ""
        if path.count("subItem") == 0:  # which holds what holds it
            yield from descriptions(root, each, path)
    if isinstance(schema.get("items"), dict):
        yield from descriptions(root, schema["items"], at + "[]")


@pytest.mark.parametrize("name", SCOPES)
async def test_every_property_of_a_built_in_type_is_described(service: Service, name: str) -> None:
    schema = (await service.ask("GET", f"/v1/resource-types/{name}", expect=200))["schema"]
    described = {path for path, words in descriptions(schema, schema) if words}
    assert [path for path in PROPERTIES[name] if path not in described] == []


@pytest.mark.parametrize("name", SCOPES)
async def test_a_resource_may_leave_anything_out_hold_null_and_unknown_properties(service: Service, name: str) -> None:
    given = {"resourceType": name, "scope": SCOPES[name], "event": "updated"}
    top = {path.split(".")[0].removesuffix("[]") for path in PROPERTIES[name]}
    unknown = {"never.heard of": [1, {"x": None}], "": "", "é": 0.5}
    for resource in (
        IDENTITY[name], {**dict.fromkeys(top), **IDENTITY[name]}, {**IDENTITY[name], **unknown},
        {**SAMPLES[name], **unknown, **IDENTITY[name]},
    ):  # fmt: skip
        await service.publish({**given, "resource": resource})
    await service.publish({**given, "resource": {}, "resourceId": "elsewhere"})
    await service.publish({**given, "resource": dict.fromkeys(top), "resourceId": "elsewhere", "extraFull": {}})


TOLERATED: list[tuple[str, dict[str, list[Any]]]] = [
    (APPOINTMENT, {
        "paid": [True, "true"], "addToWaitingList": [False, "false"], "iterationCount": [3, "3"],
        "meta-event": [True, "true"], "rescheduleLink": ["https://example.com", {"href": "x"}],
        "resourceCount": [2, {"a": 1}], "form": [[{"id": "f", "type": "a lost word", "bind": "x"}], {"id": "f"}],
        "created": [{"dateTime": "x"}], "googleCalendar": [{"id": "g"}], "synchronization": [{"googleCalendar": {}}],
        "history": [[{"type": "a lost word", "date": {"dateTime": "not a date"}}]],
        "client": [{"timeZone": "no zone", "email": "no address"}],
    }),
    (QUEUE, {"waitingTime": [5, "5 minutes"], "owner": ["ann", {"userName": "ann"}],
             "client": [{"selfLink": "no url"}]}),
    (CONFERENCE, {"form": [[{"type": "input", "valueFormat": {"valueFormat": "a lost word"}}], {}],
                  "webLink": ["no url"], "registered": [{"timeZone": "no zone"}]}),
    (EVENT, {"date": ["no date"], "cancellation_date": [None, "x"], "sys_bulk_load_at": ["x"],
             "webinar_join_url": ["x"], "sessions": [[{"session_id": "s", "more": 1}]], "email_address": ["none"],
             "order_total": [1, 0.5]}),
    (SESSION, {"DateCached": ["0001-01-01T00:00:00.0000000", "2024-05-03T02:03:39.8946258-04:00"],
               "Device": ["Toaster"], "BadgeNumber": [None, 7], "Sessions": [[{"SessionID": "301"}]]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "readings"), TOLERATED, ids=[name for name, _ in TOLERATED])
async def test_where_the_documents_leave_room_every_reading_is_taken_and_no_format_is_asserted(
    service: Service, name: str, readings: dict[str, list[Any]]
) -> None:
    given = {"resourceType": name, "scope": SCOPES[name], "event": "updated"}
    for property_, values in readings.items():
        for value in values:
            await service.publish({**given, "resource": {**IDENTITY[name], property_: value}})


@pytest.mark.parametrize("name", SCOPES)
async def test_the_sample_that_a_type_shows_can_be_published_and_is_its_resource(service: Service, name: str) -> None:
    shown = await service.ask("GET", f"/v1/resource-types/{name}", expect=200)
    given = {"resourceType": name, "scope": SCOPES[name], "event": "created", "resource": shown["sample"]}
    found = await service.ask("GET", f"/v1/events/{await service.publish(given)}", expect=200)
    assert found["resource"] == shown["sample"]
    assert found["resourceId"] == "/".join(str(shown["sample"][each]) for each in shown["identity"])
    assert len(shown["sample"]) > 4


async def test_a_type_that_says_nothing_of_it_is_wrapped_and_keeps_states(service: Service) -> None:
    name = "shop.order" + uuid.uuid4().hex
    given = {"name": name, "identity": ["id"], "schema": {}, "sample": {"id": "1"}}
    made = await service.ask("POST", "/v1/resource-types", expect=201, json=given)
    assert (made["body"], made["keepState"], made["scope"]) == ("wrapped", True, [])


async def test_merged_takes_a_schema_whose_own_date_and_event_lie_deeper(own: Own) -> None:
    name = "shop.order" + own.own
    deep: dict[str, Any] = {"properties": {"date": {}, "event": {}}}
    given = {
        "name": name, "identity": ["id"], "sample": {"id": "1"}, "body": "merged",
        "schema": {"properties": {"id": {}, "previousData": {}, "lines": {"items": deep}, "order": deep}},
    }  # fmt: skip
    await own.service.ask("POST", "/v1/resource-types", expect=201, json=given)
    await own.service.ask("POST", "/v1/watches", expect=201, json={"resourceType": name, "address": own.receiver.url})
    resource = {"id": "1", "previousData": "mine", "order": {"date": "d", "event": "e"}}
    await own.service.publish({"resourceType": name, "event": "created", "resource": resource})
    [document] = await own.heard()
    assert {**document, "date": None} == {**resource, "event": "created", "date": None}


@pytest.mark.parametrize("name", SCOPES)
async def test_scope_values_compare_as_text(own: Own, name: str) -> None:
    number = own.number
    as_text = {each: str(number) for each in SCOPES[name]}
    for scope in (as_text, dict.fromkeys(SCOPES[name], number)):
        given = {"resourceType": name, "scope": scope, "address": own.receiver.url}
        made = await own.service.ask("POST", "/v1/watches", expect=201, json=given)
        assert made["scope"] == as_text
    change = {"resourceType": name, "event": "updated", "resource": IDENTITY[name]}
    await own.service.publish({**change, "scope": as_text})
    await own.service.publish({**change, "scope": dict.fromkeys(SCOPES[name], number)})
    assert len(await own.heard(4)) == 4
