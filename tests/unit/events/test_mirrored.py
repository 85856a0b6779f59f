"""A mirrored operation as the event it is; what is wrong with it, where it stands in the request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.adapters.json_schema import ResourceSchema
from hookward.domain.errors import Invalid
from hookward.domain.events.mirrored import MirroredEvent, read_item, read_mirrored
from hookward.domain.resource_types.model import CompiledType, TypePaths
from hookward.domain.resource_types.operations import ChangeKind, parameters_of
from hookward.domain.resource_types.paths import operations_of
from hookward.domain.resource_types.routing import Match, OperationIndex
from tests.unit.events.test_hostile_input import TYPES, nasty, nasty_texts, taken_or_answered
from tests.unit.resource_types.resource_types import built_in, made_up

KNOWN = {name: CompiledType(each, ResourceSchema(each.schema)) for name, each in built_in().items()}
INDEX = OperationIndex(built_in().values())
NOTHING = msgspec.UNSET
SHOP_PATHS = TypePaths(collection="/shops/{shopId}/orders", item="/shops/{shopId}/orders/{id}")

APPOINTMENT = "/companies/42/appointments"
CONFERENCE = "/conferences/c/sessions/s/registrations"
QUEUE = "/queues/q/registrations"
TENANT = "/registrations/t"
SESSIONS = "/Ams/25363/Event/8814/EventRegistrationSessions"


def match_of(method: str, path: str) -> Match:
    match = INDEX.resolve(method, path)
    assert isinstance(match, Match)
    return match


def mirrored(method: str, path: str, given: Any = NOTHING, key: str | None = None) -> MirroredEvent:
    match = match_of(method, path)
    return read_mirrored(match, given, KNOWN[match.type.name], key=key)


def problems(method: str, path: str, given: Any = NOTHING, key: str | None = None) -> list[tuple[str | None, str]]:
    with pytest.raises(Invalid) as caught:
        mirrored(method, path, given, key)
    for each in caught.value.problems:
        assert (each.pointer is None) is not (each.parameter is None)
    return [
        (f"parameter {each.parameter}" if each.pointer is None else each.pointer, each.message)
        for each in caught.value.problems
    ]


def places(method: str, path: str, given: Any = NOTHING, key: str | None = None) -> list[str | None]:
    return [place for place, _ in problems(method, path, given, key)]


@pytest.mark.parametrize(
    ("method", "path", "given", "kind", "resource"),
    [
        ("POST", APPOINTMENT, {"id": "1", "notes": "x"}, ChangeKind.CREATED, {"id": "1", "notes": "x"}),
        ("PUT", APPOINTMENT + "/1", {"notes": "x"}, ChangeKind.UPDATED, {"id": "1", "notes": "x"}),
        ("PATCH", APPOINTMENT + "/1", {"id": None}, ChangeKind.UPDATED, {"id": "1"}),
        ("PUT", APPOINTMENT + "/1", {"id": "1"}, ChangeKind.UPDATED, {"id": "1"}),
        ("DELETE", APPOINTMENT + "/1", NOTHING, ChangeKind.DELETED, {"id": "1"}),
        ("DELETE", APPOINTMENT + "/1", {"notes": "x"}, ChangeKind.DELETED, {"id": "1", "notes": "x"}),
        (
            "DELETE",
            CONFERENCE + "/1",
            {"reason": "ill", "source": "phone"},
            ChangeKind.DELETED,
            {"id": "1", "cancelReason": "ill", "cancelSource": "phone"},
        ),
        ("DELETE", CONFERENCE + "/1", {}, ChangeKind.DELETED, {"id": "1"}),
        ("POST", QUEUE + "/next", {"id": "1"}, ChangeKind.UPDATED, {"id": "1"}),
        (
            "PUT",
            TENANT + "/transfer/r/c",
            {"send_confirmation_email": True},
            ChangeKind.UPDATED,
            {"id": "r", "contact_id": "c"},
        ),
        ("PUT", TENANT + "/transfer/r/c", NOTHING, ChangeKind.UPDATED, {"id": "r", "contact_id": "c"}),
        (
            "DELETE",
            SESSIONS,
            {"RegistrationID": "r"},
            ChangeKind.DELETED,
            {"ClientID": 25363, "EventID": 8814, "RegistrationID": "r"},
        ),
    ],
)
def test_an_operation_is_an_event(
    method: str, path: str, given: Any, kind: ChangeKind, resource: dict[str, Any]
) -> None:
    read = mirrored(method, path, given).read
    assert (read.kind, read.resource) == (kind, resource)


def test_scope_and_identity_come_from_the_path() -> None:
    read = mirrored("POST", SESSIONS, {"RegistrationID": "r", "ClientID": 25363}).read
    assert (read.type.name, read.scope, read.resource_id) == (
        "event.registrationSession",
        {"ClientID": "25363", "EventID": "8814"},
        "25363/8814/r",
    )


def test_an_event_stands_for_its_key_as_if_it_were_published_alone() -> None:
    event = mirrored("PUT", APPOINTMENT + "/1", {"notes": "x"}, key="k").event
    assert event == {
        "resourceType": "appointment",
        "scope": {"companyId": "42"},
        "event": "updated",
        "resource": {"id": "1", "notes": "x"},
        "id": "k",
    }


def test_the_body_is_left_as_it_is() -> None:
    given = {"id": None, "notes": "x"}
    mirrored("PUT", APPOINTMENT + "/1", given)
    assert given == {"id": None, "notes": "x"}


@pytest.mark.parametrize(
    ("method", "path", "given", "key", "expected"),
    [
        ("POST", APPOINTMENT, {}, None, ["/id"]),
        ("POST", APPOINTMENT, {"id": ""}, None, ["/id"]),
        ("POST", SESSIONS, {}, None, ["/RegistrationID"]),
        ("PUT", APPOINTMENT + "/1", {"id": "2", "client": {"id": 1}}, None, ["/id", "/client/id"]),
        ("PUT", APPOINTMENT + "/1", [], None, [""]),
        ("PUT", APPOINTMENT + "/1", None, None, [""]),
        ("PUT", APPOINTMENT + "/1", "x", "no blanks", ["", "parameter Idempotency-Key"]),
        ("PATCH", APPOINTMENT + "/1", [{"op": "test"}], None, [""]),
        ("PUT", "/conferences/c/sessions/0/registrations/1", [], None, ["", "parameter sessionId"]),
        ("DELETE", "/conferences/c/sessions/0/registrations/1", NOTHING, None, ["parameter sessionId"]),
        ("DELETE", CONFERENCE + "/1", {"reason": 5, "more": 1}, None, ["/more", "/reason"]),
        ("PUT", TENANT + "/transfer/r/c", {"contact_id": "d"}, None, ["/contact_id"]),
        ("PUT", "/registrations/t/" + "x" * 1025, {}, None, ["parameter id"]),
        ("PUT", "/registrations/t/a%20b", {}, None, ["parameter id"]),
        ("POST", SESSIONS.replace("8814", "x"), {"RegistrationID": "1"}, None, ["parameter EventID"]),
        ("POST", SESSIONS.replace("8814", "08"), {"RegistrationID": "1"}, None, ["parameter EventID"]),
        ("POST", TENANT, {"id": "x" * 1025}, None, ["/id"]),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    method: str, path: str, given: Any, key: str | None, expected: list[str]
) -> None:
    assert sorted(set(map(str, places(method, path, given, key)))) == sorted(expected)


def test_a_contradiction_names_both() -> None:
    assert problems("PUT", APPOINTMENT + "/1", {"id": "2"}) == [
        ("/id", "id contradicts the path, which says 1; send that, or leave id out")
    ]


def test_a_created_resource_needs_the_id_that_its_api_answered() -> None:
    ((place, message),) = problems("POST", QUEUE, {"status": "registered"})
    assert (place, "id is missing: send the resource with its id" in message) == ("/id", True)


def test_a_list_of_changes_needs_a_last_state() -> None:
    ((place, message),) = problems("PATCH", TENANT + "/r", [{"op": "replace", "path": "/status", "value": "active"}])
    assert (place, message.startswith("no last state of this resource is known")) == ("", True)


def test_a_path_may_hold_the_reference_instead() -> None:
    read = mirrored("PUT", APPOINTMENT + "/REF-1", {"id": "77", "reference": "REF-1"}).read
    assert (read.resource_id, read.resource) == ("77", {"id": "77", "reference": "REF-1"})


def test_a_reference_does_not_say_what_the_id_is() -> None:
    assert places("PUT", APPOINTMENT + "/REF-1", {"reference": "REF-1"}) == ["/id"]


@pytest.mark.parametrize("nothing", [NOTHING, {}])
def test_of_a_resource_that_was_not_sent_only_what_the_path_says_is_judged(nothing: Any) -> None:
    schema = {"required": ["total"], "properties": {"id": {"type": "integer"}}}
    shop = replace(made_up(), schema=schema, operations=operations_of(SHOP_PATHS, ("id",)))
    known, index = CompiledType(shop, ResourceSchema(schema)), OperationIndex([shop])
    gone, wrong = (index.resolve("DELETE", f"/shops/7/orders/{id_}") for id_ in ("5", "x"))
    assert isinstance(gone, Match)
    assert isinstance(wrong, Match)
    assert read_mirrored(gone, nothing, known).event["resource"] == {"id": 5}
    for match, body, place in (
        (wrong, nothing, ("id", None)), (gone, {"note": "x"}, (None, "")), (gone, {"id": 6}, (None, "/id")),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            read_mirrored(match, body, known)
        assert place in [(each.parameter, each.pointer) for each in refused.value.problems]


def test_another_reference_is_no_excuse_for_another_id() -> None:
    assert places("PUT", APPOINTMENT + "/REF-1", {"id": "77", "reference": "REF-2"}) == ["/id"]


every_operation = st.sampled_from(
    [(each, operation) for each in built_in().values() for operation in each.operations if operation.event is not None]
)


@given(
    every_operation,
    nasty | st.dictionaries(st.sampled_from(["id", "reference", "reason"]) | nasty_texts, nasty),
    nasty_texts,
)
def test_any_body_is_taken_or_refused_with_problems(operation: Any, body: Any, text: str) -> None:
    each, meant = operation
    match = Match(type=each, operation=meant, parameters=dict.fromkeys(parameters_of(meant.path), text))
    assert taken_or_answered(lambda: read_mirrored(match, body, TYPES[each.name], key=text))


@given(nasty | st.dictionaries(st.sampled_from(["id", "operation", "payload", "patch_directives"]), nasty))
def test_any_item_of_a_batch_is_taken_or_refused_with_problems(given: Any) -> None:
    batch = BATCH.operation.batch
    assert batch is not None
    assert taken_or_answered(lambda: read_item(BATCH, batch, given, TYPES["event.registration"]))


BATCH = match_of("POST", TENANT + "/batch")


def item(value: Any) -> MirroredEvent:
    assert BATCH.operation.batch is not None
    return read_item(BATCH, BATCH.operation.batch, value, KNOWN["event.registration"])


def item_places(given: Any) -> list[str | None]:
    with pytest.raises(Invalid) as caught:
        item(given)
    return [each.pointer if each.parameter is None else f"parameter {each.parameter}" for each in caught.value.problems]


@pytest.mark.parametrize(
    ("given", "kind", "resource"),
    [
        ({"operation": "delete", "id": "r"}, ChangeKind.DELETED, {"id": "r"}),
        ({"operation": "delete", "id": 7, "payload": {"name": "x"}}, ChangeKind.DELETED, {"id": "7", "name": "x"}),
        ({"operation": "patch", "id": "r", "payload": {"name": "x"}}, ChangeKind.UPDATED, {"id": "r", "name": "x"}),
        ({"operation": "patch", "id": "r", "patch_directives": {}}, ChangeKind.UPDATED, {"id": "r"}),
        ({"operation": "update", "payload": {"id": "r"}}, ChangeKind.UPDATED, {"id": "r"}),
        ({"operation": "create", "id": "r", "payload": {"id": "r"}}, ChangeKind.CREATED, {"id": "r"}),
    ],
)  # fmt: skip
def test_an_item_of_a_batch_is_an_event(given: Any, kind: ChangeKind, resource: dict[str, Any]) -> None:
    read = item(given).read
    assert (read.kind, read.resource, read.scope) == (kind, resource, {"tenantId": "t"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, [""]),
        ([], [""]),
        ({}, ["/operation", "/id"]),
        ({"operation": "read", "id": "r"}, ["/operation"]),
        ({"operation": ["patch"], "id": {}, "payload": {}}, ["/operation", "/id"]),
        ({"operation": "patch", "id": "r"}, ["/payload"]),
        ({"operation": "patch", "payload": {"id": ""}}, ["/id"]),
        ({"operation": "patch", "id": "", "payload": {}}, ["/id"]),
        ({"operation": "patch", "id": "r", "patch_directives": []}, ["/patch_directives"]),
        ({"operation": "patch", "id": "r", "payload": []}, ["/payload"]),
        ({"operation": "update", "id": "r", "payload": {"id": "q", "name": 1}}, ["/payload/id", "/payload/name"]),
        ({"operation": "delete", "id": "a b"}, ["/id"]),
    ],
)
def test_what_is_wrong_with_an_item_is_told_within_it(given: Any, expected: list[str]) -> None:
    assert item_places(given) == expected


def test_the_scope_of_a_batch_is_a_parameter_of_its_path() -> None:
    match = match_of("POST", "/registrations/" + "t" * 256 + "/batch")
    assert match.operation.batch is not None
    with pytest.raises(Invalid) as caught:
        read_item(match, match.operation.batch, {"operation": "delete", "id": "r"}, KNOWN["event.registration"])
    assert [each.parameter for each in caught.value.problems] == ["tenantId"]
