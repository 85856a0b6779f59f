"""Resource types that accounts give: what is taken and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hookward.adapters.json_schema import JsonSchemas, ResourceSchema
from hookward.domain.errors import Invalid, Problem
from hookward.domain.resource_types.model import BodyShape, CompiledType, TypePaths
from hookward.domain.resource_types.operations import ChangeKind, Operation, faults
from hookward.domain.resource_types.paths import operations_of, overlap, paths_in_use
from hookward.domain.resource_types.rules import read_type
from hookward.domain.resource_types.schema_cost import SchemaCost
from tests.unit.resource_types.resource_types import built_in

TAKEN = {"/queues/{queueId}/registrations": "queue.registration"}


def given(**more: Any) -> dict[str, Any]:
    base = {"name": "shop.order", "scope": ["shopId"], "identity": ["id"], "schema": {}, "sample": {"id": "1"}}
    return {name: value for name, value in {**base, **more}.items() if value is not ...}


def read(value: Any, name: str | None = None) -> CompiledType:
    return read_type(value, reserved=("appointment",), taken=TAKEN, schemas=JsonSchemas(), name=name)


def pointers(value: Any, name: str | None = None) -> list[str | None]:
    with pytest.raises(Invalid) as refused:
        read(value, name)
    return [each.pointer for each in refused.value.problems]


def test_what_is_left_out_has_defaults() -> None:
    found = read(given(scope=...)).type
    assert (found.scope, found.body, found.keep_state, found.paths) == ((), BodyShape.WRAPPED, True, None)
    assert (found.title, found.watch_routes) == ("", ())


def test_a_whole_type_is_read() -> None:
    paths = {"collection": "/a/{shopId}", "item": "/a/{shopId}/b/{id}"}
    found = read(given(body="merged", keepState=False, title="t", paths=paths, version=3, created=None)).type
    assert (found.body, found.keep_state, found.title, found.watch_routes) == (
        BodyShape.MERGED, False, "t", ("/a/{shopId}/watch",),
    )  # fmt: skip
    assert found.paths is not None
    assert (found.paths.collection, found.paths.item) == ("/a/{shopId}", "/a/{shopId}/b/{id}")


def test_a_body_may_be_wrapped_in_so_many_words() -> None:
    assert read(given(body="wrapped")).type.body is BodyShape.WRAPPED


@pytest.mark.parametrize("value", [None, [], "x", 7])
def test_a_type_is_an_object(value: Any) -> None:
    assert pointers(value) == [""]


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"name": "a..b"}, ["/name"]),
        ({"name": "a" * 65}, ["/name"]),
        ({"name": ...}, ["/name"]),
        ({"name": 7}, ["/name"]),
        ({"name": "Appointment"}, ["/name"]),
        ({"name": "\ud800"}, ["/name"]),
        ({"scope": "shopId"}, ["/scope"]),
        ({"scope": ["a", "b", "c", "d", "e"]}, ["/scope"]),
        ({"scope": ["a", "a", "", 7, "a/b", "a" * 65]}, ["/scope"]),
        ({"scope": ["a", "a", "", 7]}, ["/scope/1", "/scope/2", "/scope/3"]),
        ({"identity": ...}, ["/identity"]),
        ({"identity": ["id", "id", ""]}, ["/identity/1", "/identity/2"]),
        ({"identity": ["id"] * 5}, ["/identity"]),
        ({"schema": ...}, ["/schema"]),
        ({"schema": True}, ["/schema"]),
        ({"schema": {"title": "x" * 300_000}}, ["/schema"]),
        ({"schema": {"type": "nope"}}, ["/schema/type"]),
        ({"schema": {"$ref": "#"}}, ["/schema"]),
        ({"schema": {"items": {"multipleOf": 2, "allOf": [{"multipleOf": 3}] * 20}}}, ["/schema"]),
        ({"schema": {"allOf": [{"pattern": "a{1000}"}] * 100}}, ["/schema"]),
        ({"sample": ...}, ["/sample"]),
        ({"sample": []}, ["/sample"]),
        ({"sample": {"id": "1", "x": "x" * 70_000}}, ["/sample"]),
        ({"sample": {}}, ["/sample/id"]),
        ({"sample": {"id": 1.5}}, ["/sample/id"]),
        ({"sample": {"id": 7}, "schema": {"properties": {"id": {"type": "string"}}}}, ["/sample/id"]),
        ({"body": "flat"}, ["/body"]),
        ({"body": 7}, ["/body"]),
        ({"keepState": 1}, ["/keepState"]),
        ({"title": "x" * 256}, ["/title"]),
        ({"unknown": 1}, ["/unknown"]),
        ({"paths": []}, ["/paths"]),
        ({"paths": {}}, ["/paths/collection"]),
        ({"paths": {"collection": "/a/{shopId}", "other": 1}}, ["/paths/other"]),
        ({"paths": {"collection": "/a/{shopId}", "item": "/b/{shopId}/{id}"}}, ["/paths/item"]),
        ({"paths": {"collection": "/a/{shopId}", "item": "/a/{shopId}"}}, ["/paths/item"]),
        ({"paths": {"collection": "/a/{shopId}/{shopId}"}}, ["/paths/collection"]),
        ({"paths": {"collection": "/" + "a/" * 17 + "{shopId}"}}, ["/paths/collection"]),
        ({"paths": {"collection": "/queues/{shopId}/registrations"}}, ["/paths/collection"]),
        ({"paths": {"collection": "/queues/{shopId}"}}, ["/paths/collection"]),
        ({"paths": {"collection": "/a/{shopId}/watch"}}, ["/paths/collection"]),
        ({"paths": {"collection": "/v1/{shopId}"}}, ["/paths/collection"]),
        ({"paths": {"collection": "/a/../{shopId}"}}, ["/paths/collection"]),
        ({"paths": {"collection": "/{shopId}/queues", "item": "/{shopId}/queues/{id}"}}, ["/paths/collection"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_where_it_is(more: dict[str, Any], where: list[str]) -> None:
    assert pointers(given(**more)) == where


def test_an_item_that_answers_where_another_does_is_named() -> None:
    item = "/queues/{id}/registrations"
    paths = {"collection": "/queues", "item": item}
    assert pointers(given(scope=[], paths=paths)) == ["/paths/item"]
    other = {"collection": "/queues/{shopId}"}
    with pytest.raises(Invalid) as refused:
        read_type(given(paths=other), reserved=(), taken={"/queues/{a}/{b}": "x"}, schemas=JsonSchemas())
    assert [each.pointer for each in refused.value.problems] == ["/paths/collection"]


def test_everything_wrong_is_named_at_once() -> None:
    value = {
        "name": 7,
        "scope": 7,
        "identity": 7,
        "schema": 7,
        "sample": 7,
        "body": 7,
        "keepState": 7,
        "title": 7,
        "x": 7,
    }
    assert pointers(value) == [
        "/x", "/name", "/scope", "/identity", "/schema", "/body", "/keepState", "/title", "/sample",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["date", "event"])
@pytest.mark.parametrize("schema", [{"properties": {}}, {"allOf": [{"properties": {}}]}])
def test_merged_is_refused_where_the_document_has_a_property_of_that_name(name: str, schema: Any) -> None:
    place = schema["allOf"][0] if "allOf" in schema else schema
    schema = {**schema, "allOf": [{"properties": {name: {}}}]} if place is not schema else {"properties": {name: {}}}
    assert pointers(given(body="merged", schema=schema)) == ["/body"]
    assert read(given(schema=schema)).type.body is BodyShape.WRAPPED


def test_a_replacement_has_the_name_of_its_path() -> None:
    assert [read(given(name=name), "shop.order").type.name for name in ("shop.order", ...)] == ["shop.order"] * 2
    assert pointers(given(name="other"), "shop.order") == ["/name"]


def test_paths_of_a_type_are_those_of_its_watch_routes_and_its_own() -> None:
    assert paths_in_use(built_in()["appointment"]) == [
        "/companies/{companyId}/appointments/watch", "/companies/{companyId}/appointments",
        "/companies/{companyId}/appointments/{id}", "/companies/{companyId}/appointments/{appointmentId}",
    ]  # fmt: skip
    assert "/registrations/{tenantId}/transfer/{id}/{contactId}" in paths_in_use(built_in()["event.registration"])
    own = read(given(paths={"collection": "/a/{shopId}"})).type
    assert "/a/{shopId}/{id}" in paths_in_use(own)


@pytest.mark.parametrize(
    ("path", "other", "both"),
    [("/a/{x}", "/a/b", True), ("/a/{x}", "/{y}/b", True), ("/a/b", "/a/c", False), ("/a", "/a/b", False)],
)
def test_templates_overlap_where_one_path_fits_both(path: str, other: str, both: bool) -> None:
    assert (overlap(path, other), overlap(other, path)) == (both, both)


def test_operations_come_from_paths_and_their_identity_from_the_path() -> None:
    paths = TypePaths(collection="/s/{shopId}/o", item="/s/{shopId}/o/{id}/{no}")
    assert operations_of(paths, ("shopId", "id")) == (
        Operation(method="POST", path="/s/{shopId}/o", event=ChangeKind.CREATED, fills={"shopId": "shopId"}),
        Operation(method="PUT", path=paths.item, event=ChangeKind.UPDATED, fills={"shopId": "shopId", "id": "id"}),
        Operation(method="PATCH", path=paths.item, event=ChangeKind.UPDATED, fills={"shopId": "shopId", "id": "id"}),
        Operation(
            method="DELETE", path=paths.item, event=ChangeKind.DELETED, fills={"shopId": "shopId", "id": "id"},
            body=False,
        ),
    )  # fmt: skip


def test_a_type_with_paths_has_their_operations() -> None:
    found = read(given(paths={"collection": "/a/{shopId}"})).type
    assert [(each.method, each.path) for each in found.operations] == [
        ("POST", "/a/{shopId}"), ("PUT", "/a/{shopId}/{id}"), ("PATCH", "/a/{shopId}/{id}"),
        ("DELETE", "/a/{shopId}/{id}"),
    ]  # fmt: skip
    assert [fault for each in found.operations for fault in faults(each, found.scope)] == []
    assert read(given()).type.operations == ()


def test_a_schema_that_does_not_compile_is_refused() -> None:
    class Uncompilable(JsonSchemas):
        def compiled(self, schema: Mapping[str, Any], cost: SchemaCost | None = None) -> ResourceSchema:
            raise Invalid("no", (Problem(message="it does not"),))

    with pytest.raises(Invalid) as refused:
        read_type(given(), reserved=(), taken={}, schemas=Uncompilable())
    assert refused.value.problems == (Problem(message="it does not", pointer="/schema"),)
