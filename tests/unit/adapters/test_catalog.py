"""The built-in resource types: what their schemas describe, what they accept, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from hookward.adapters.catalog import load_catalog
from hookward.domain.resource_types.model import BodyShape, ResourceType

# Every property path of every type, transcribed from the reference pages and not from the schemas.
PROPERTIES: Mapping[str, list[str]] = json.loads(
    Path(__file__).with_name("catalog_properties.json").read_text(encoding="utf-8")
)

every_type = pytest.mark.parametrize("name", sorted(PROPERTIES))


@cache
def built_in(name: str) -> ResourceType:
    return next(resource_type for resource_type in load_catalog() if resource_type.name == name)


@cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(dict(built_in(name).schema))


def accepts(name: str, document: Mapping[str, Any]) -> bool:
    return validator(name).is_valid(document)


def subschemas(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema and every schema written inside it, definitions included."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    inner += [schema[keyword] for keyword in ("items", "additionalProperties") if isinstance(schema.get(keyword), dict)]
    for subschema in inner:
        yield from subschemas(subschema)


def properties(
    root: Mapping[str, Any], schema: Mapping[str, Any], at: str = "", seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each property's path, such as ``form[].values[].id``, and schema; no definition is entered inside itself."""
    if reference := schema.get("$ref"):
        if reference in seen:
            return
        seen |= {reference}
        schema = root["$defs"][reference.removeprefix("#/$defs/")]
    for name, subschema in schema.get("properties", {}).items():
        path = f"{at}.{name}" if at else name
        yield path, subschema
        yield from properties(root, subschema, path, seen)
    if "items" in schema:
        yield from properties(root, schema["items"], f"{at}[]", seen)


def document_with(path: str, value: Any) -> dict[str, Any]:
    """The smallest document that holds ``value`` at ``path``."""
    for step in reversed(path.split(".")):
        value = {step.removesuffix("[]"): [value] if step.endswith("[]") else value}
    assert isinstance(value, dict)
    return value


def beside(path: str, name: str) -> str:
    parent, dot, _ = path.rpartition(".")
    return parent + dot + name


def value_at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document[step]
    return document


def test_the_catalog_holds_the_five_built_in_types() -> None:
    assert {resource_type.name for resource_type in load_catalog()} == set(PROPERTIES)


@pytest.mark.parametrize(
    ("name", "scope", "identity", "body"),
    [
        ("conference.registration", ("conferenceId", "sessionId"), ("id",), BodyShape.MERGED),
        ("queue.registration", ("queueId",), ("id",), BodyShape.MERGED),
        ("appointment", ("companyId",), ("id",), BodyShape.MERGED),
        ("event.registration", ("tenantId",), ("id",), BodyShape.WRAPPED),
        (
            "event.registrationSession",
            ("ClientID", "EventID"),
            ("ClientID", "EventID", "RegistrationID"),
            BodyShape.WRAPPED,
        ),
    ],
)
def test_a_type_has_the_scope_identity_and_body_it_promises(
    name: str, scope: tuple[str, ...], identity: tuple[str, ...], body: BodyShape
) -> None:
    found = built_in(name)

    assert (found.scope, found.identity, found.body) == (scope, identity, body)


@pytest.mark.parametrize(
    ("name", "routes"),
    [
        (
            "conference.registration",
            (
                "/conferences/{conferenceId}/sessions/{sessionId}/registrations/watch",
                "/sessions/{sessionId}/registrations/watch",
                "/conferences/sessions/{sessionId}/registrations/watch",
            ),
        ),
        ("queue.registration", ("/queues/{queueId}/registrations/watch",)),
        ("appointment", ("/companies/{companyId}/appointments/watch",)),
        ("event.registration", ("/registrations/{tenantId}/watch",)),
        ("event.registrationSession", ("/Ams/{ClientID}/Event/{EventID}/EventRegistrationSessions/watch",)),
    ],
)
def test_a_type_is_watched_at_the_routes_it_promises(name: str, routes: tuple[str, ...]) -> None:
    assert built_in(name).watch_routes == routes


def test_only_a_conference_session_has_a_value_that_means_every_one() -> None:
    assert {t.name: t.any_value for t in load_catalog() if t.any_value} == {
        "conference.registration": {"sessionId": "0"}
    }


@every_type
def test_a_schema_is_valid_json_schema_2020_12(name: str) -> None:
    schema = dict(built_in(name).schema)
    jsonschema_rs.meta.validate(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@every_type
def test_a_schema_holds_every_property_of_the_reference_page_and_no_other(name: str) -> None:
    schema = built_in(name).schema

    assert sorted(path for path, _ in properties(schema, schema)) == sorted(PROPERTIES[name])


@every_type
def test_every_property_is_described(name: str) -> None:
    undescribed = [
        key
        for schema in subschemas(built_in(name).schema)
        for key, subschema in schema.get("properties", {}).items()
        if not subschema.get("description", "").strip()
    ]

    assert undescribed == []


@every_type
@pytest.mark.parametrize("keyword", ["required", "format", "dependentRequired", "unevaluatedProperties"])
def test_a_schema_never_uses_a_keyword_that_would_refuse_what_upstreams_send(name: str, keyword: str) -> None:
    assert [schema for schema in subschemas(built_in(name).schema) if keyword in schema] == []


@every_type
def test_a_schema_refers_to_nothing_outside_itself(name: str) -> None:
    references = [schema["$ref"] for schema in subschemas(built_in(name).schema) if "$ref" in schema]

    assert [reference for reference in references if not reference.startswith("#/$defs/")] == []


@pytest.mark.parametrize(
    ("name", "mark", "paths"),
    [
        (
            "conference.registration",
            "readOnly",
            (
                "id client.firstName client.lastName client.emailAddress client.phoneNumber registered cipherId source "
                "sourceType cancelReason cancelSource cancelled webLink form[].zonedDateTime"
            ),
        ),
        ("conference.registration", "writeOnly", ""),
        ("queue.registration", "readOnly", "owner started finished form[].zonedDateTime"),
        ("queue.registration", "writeOnly", ""),
        (
            "appointment",
            "readOnly",
            "id created customStatus.name encryptedId price locationCustom form[].zonedDateTime",
        ),
        ("appointment", "writeOnly", "service.externalId resource.externalId staff.externalId iterationCount"),
        ("event.registration", "readOnly", ""),
        ("event.registrationSession", "readOnly", ""),
    ],
)
def test_a_schema_marks_what_the_reference_page_marks(name: str, mark: str, paths: str) -> None:
    schema = built_in(name).schema

    assert {path for path, inner in properties(schema, schema) if inner.get(mark)} == set(paths.split())


@every_type
def test_a_known_value_list_includes_null(name: str) -> None:
    lists = [schema["enum"] for schema in subschemas(built_in(name).schema) if "enum" in schema]

    assert [values for values in lists if None not in values] == []


@pytest.mark.parametrize("name", ["conference.registration", "queue.registration", "appointment"])
def test_a_merged_type_leaves_date_and_event_to_the_document(name: str) -> None:
    assert {"date", "event"}.isdisjoint(built_in(name).schema["properties"])


@every_type
def test_a_sample_validates(name: str) -> None:
    errors = [error.message for error in validator(name).iter_errors(built_in(name).sample)]

    assert errors == []


@every_type
def test_a_sample_has_an_identity(name: str) -> None:
    found = built_in(name)

    assert [key for key in found.identity if found.sample.get(key) in (None, "")] == []


@every_type
def test_a_sample_holds_described_properties_only(name: str) -> None:
    found = built_in(name)

    assert set(found.sample) <= set(found.schema["properties"])


@every_type
def test_a_sample_holds_text_beyond_ascii(name: str) -> None:
    assert "Zoë" in json.dumps(built_in(name).sample, ensure_ascii=False)


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("conference.registration", "seats", int),
        ("conference.registration", "client.firstName", str),
        ("appointment", "staff.firstName", str),
        ("appointment", "staff.lastName", str),
        ("appointment", "start.dateTime", str),
        ("appointment", "start.timeZone", str),
    ],
)
def test_a_sample_holds_what_templates_commonly_ask_for(name: str, path: str, kind: type) -> None:
    assert type(value_at(built_in(name).sample, path)) is kind


@every_type
def test_an_empty_resource_is_accepted(name: str) -> None:
    assert accepts(name, {})


@every_type
def test_every_property_may_be_null(name: str) -> None:
    assert [path for path in PROPERTIES[name] if not accepts(name, document_with(path, None))] == []


@every_type
def test_an_unknown_property_is_accepted_at_every_level(name: str) -> None:
    places = {beside(path, "unheardOf") for path in PROPERTIES[name]}

    assert [place for place in places if not accepts(name, document_with(place, {"a": [1]}))] == []


@pytest.mark.parametrize(
    ("name", "path", "values"),
    [
        ("queue.registration", "waitingTime", ["5", 5]),
        ("queue.registration", "owner", ["front desk", {"id": "a-5"}]),
        ("conference.registration", "form", [[], [{"id": "f-1"}], {}, {"id": "f-1"}]),
        ("queue.registration", "form", [[], [{"id": "f-1"}], {}, {"id": "f-1"}]),
        ("appointment", "form", [[], [{"id": "f-1"}], {}, {"anything": {"at": "all"}}]),
        ("appointment", "form[].zonedDateTime.dateTime", ["2011-12-03T10:15:30", {}]),
        ("appointment", "form[].zonedDateTime.timeZone", ["Europe/Paris", {}]),
        ("appointment", "form[].type", ["input", "an unlisted kind"]),
        ("appointment", "form[].subItem[].subItem[].subItem", [[{"id": "f-1"}]]),
        ("appointment", "paid", [True, False, "true", "false"]),
        ("appointment", "addToWaitingList", [True, "true"]),
        ("appointment", "meta-event", [True, "true"]),
        ("appointment", "iterationCount", ["3", 3]),
        ("appointment", "resourceCount", [2, {"count": 2}]),
        ("appointment", "rescheduleLink", ["https://booking.example.com/r", {"href": "https://booking.example.com/r"}]),
        ("appointment", "created.dateTime", ["2026-11-20T10:15:30", "2026-11-20T10:15:30Z"]),
        ("appointment", "history[].type", ["an unlisted kind"]),
        ("appointment", "start.dateTime", ["2026-11-20T10:15:30", "2026-11-20T10:15:30.123"]),
        ("appointment", "extendedProperties.private", [{"anything": [1, "two"]}]),
        ("event.registration", "date", ["2019-08-24T14:15:22Z", "yesterday"]),
        ("event.registration", "id", ["a-b|c_9"]),
        ("event.registration", "number", [7, 7.5]),
        ("event.registration", "membership_information.membership_package_id", ["m-1", 1]),
        ("event.registrationSession", "Sessions", [[{"SessionID": "301"}], [{"SessionID": None}]]),
        (
            "event.registrationSession",
            "DateCached",
            ["2024-05-03T02:03:39.8946258-04:00", "0001-01-01T00:00:00.0000000"],
        ),
        ("event.registrationSession", "Device", ["Desktop", "an unlisted kind"]),
    ],
)
def test_where_the_pages_leave_room_every_reading_is_accepted(name: str, path: str, values: list[Any]) -> None:
    assert [value for value in values if not accepts(name, document_with(path, value))] == []


@pytest.mark.parametrize(
    ("name", "path", "values"),
    [
        ("conference.registration", "status", ["bogus", "declined", 1]),
        ("conference.registration", "sourceType", ["bogus"]),
        ("conference.registration", "seats", ["2", 1.5, True]),
        ("conference.registration", "registered.dateTime", ["2026-11-20", "2026-11-20T10:15:30Z"]),
        ("queue.registration", "status", ["bogus", "noShow."]),
        ("queue.registration", "waitingTime", [5.5, True]),
        ("queue.registration", "rank", ["1"]),
        ("queue.registration", "form[].id", [""]),
        ("appointment", "status", ["bogus", "waitingList"]),
        ("appointment", "type", ["bogus"]),
        ("appointment", "sendto", ["bogus"]),
        ("appointment", "location", ["bogus"]),
        ("appointment", "onlineMeeting.provider", ["bogus"]),
        ("appointment", "price.currency", ["SEK"]),
        ("appointment", "price.amount", ["47.50"]),
        ("appointment", "paid", [1]),
        ("appointment", "resourceCount", ["2", 1.5]),
        ("appointment", "start.dateTime", ["2026-11-20T10:15:30+01:00", "soon"]),
        ("appointment", "form[].subItem[].mandatory", ["yes"]),
        ("event.registration", "status", ["bogus", "pending"]),
        ("event.registration", "order_status", ["bogus"]),
        ("event.registration", "id", ["", "a b"]),
        ("event.registration", "sys_last_bulk_data_operation_sys_version", [3]),
        ("event.registration", "ribbon_ids", [[1]]),
        ("event.registrationSession", "RegistrationID", [4417]),
        ("event.registrationSession", "EventID", ["8814"]),
        ("event.registrationSession", "ClientID", ["25363"]),
        ("event.registrationSession", "Sessions", [[{"SessionID": 301}], [301]]),
        ("event.registrationSession", "SessionIds", [["301"]]),
        ("event.registrationSession", "ResponseStatus.Meta", [{"region": 1}]),
        ("event.registrationSession", "ResponseStatus.Errors[].Meta", [{"field": 1}]),
    ],
)
def test_what_no_reading_of_the_pages_allows_is_refused(name: str, path: str, values: list[Any]) -> None:
    assert [value for value in values if accepts(name, document_with(path, value))] == []


@pytest.mark.parametrize(
    ("name", "path", "limit"),
    [
        *(
            ("queue.registration", f"client.{key}", 127)
            for key in ("firstName", "lastName", "emailAddress", "phoneNumber")
        ),
        *(("appointment", f"{who}.id", 16) for who in ("service", "resource", "staff", "client", "parent")),
        *(
            ("appointment", f"{who}.{key}", 127)
            for who in ("client", "parent")
            for key in ("firstName", "lastName", "email")
        ),
        *(("appointment", f"{who}.externalId", 65535) for who in ("client", "parent")),
        ("appointment", "notes", 65535),
    ],
)
def test_a_text_may_reach_its_limit_and_not_pass_it(name: str, path: str, limit: int) -> None:
    answers = [accepts(name, document_with(path, "é" * length)) for length in (limit, limit + 1)]

    assert answers == [True, False]
