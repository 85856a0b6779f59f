"""The bodies that the document describes are those that the readers take: neither may drift from the other."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import msgspec
import pytest

from hookward.domain.resource_types.rules import MAX_TYPE_NAME, is_type_name
from hookward.domain.watches.properties import READ_ONLY as OF_WATCH
from hookward.entrypoints.api.resources import history_params as filters
from hookward.entrypoints.api.resources import watch_schemas as wire_watches
from tests.unit.api.openapi_bodies import BODIES, DOCUMENT

TAKEN = [(name, *change) for name, body in BODIES.items() for change in body.takes]
REFUSED = [(name, *change) for name, body in BODIES.items() for change in body.refuses]


def named_by(message: str) -> set[str]:
    """The names in "zz is unknown; a watch holds a, b and …"."""
    return set(message.rpartition(" holds ")[2].split(", "))


def fields(struct: type[msgspec.Struct]) -> set[str]:
    return {each.encode_name for each in msgspec.structs.fields(struct)}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_is_described_with_the_names_that_are_read(name: str) -> None:
    body = BODIES[name]
    strange = {**body.right, "zz": 1, **{inner: {"zz": 1} for inner in body.inner}}
    found = await body.problems(strange)
    hidden = OF_WATCH & {"resourceType", "scope"} if body.struct is wire_watches.WatchRouteCreate else frozenset()
    assert named_by(found["/zz"]) | body.read_only == fields(body.struct) - hidden
    for inner, struct in body.inner.items():
        assert named_by(found[f"/{inner}/zz"]) == fields(struct)
    assert not body.valid(strange)


@pytest.mark.parametrize("name", BODIES)
async def test_what_is_right_is_so_by_the_document_too(name: str) -> None:
    body = BODIES[name]
    assert (await body.problems(dict(body.right)), body.valid(body.right)) == ({}, True)


@pytest.mark.parametrize(("name", "what", "value"), TAKEN, ids=str)
async def test_what_is_taken_the_document_allows(name: str, what: str, value: Any) -> None:
    body = BODIES[name]
    given = {**body.right, what: value}
    assert (await body.problems(given), body.valid(given)) == ({}, True)


@pytest.mark.parametrize(("name", "what", "value"), REFUSED, ids=str)
async def test_what_the_document_forbids_is_refused(name: str, what: str, value: Any) -> None:
    body = BODIES[name]
    given = {**body.right, what: value}
    assert (await body.problems(given) != {}, body.valid(given)) == (True, False)


@pytest.mark.parametrize("name", ["shop.order", "a", "A-_1.b", "a" * MAX_TYPE_NAME])
def test_what_names_a_type_may_stand_in_a_path(name: str) -> None:
    assert is_type_name(name)
    assert name_in_path().is_valid(name)


@pytest.mark.parametrize("name", ["", "1", "a.", ".a", "a b", "a" * (MAX_TYPE_NAME + 1), "a\n"])
def test_what_names_no_type_may_not_stand_in_a_path(name: str) -> None:
    assert not is_type_name(name)
    assert not name_in_path().is_valid(name) or name.endswith("\n")  # to many engines $ is before a last line break


def name_in_path() -> jsonschema_rs.Draft202012Validator:
    (parameter, *_) = DOCUMENT["paths"]["/v1/resource-types/{name}"]["get"]["parameters"]
    return jsonschema_rs.Draft202012Validator(parameter["schema"])


@pytest.mark.parametrize("path", ["/v1/events", "/v1/deliveries"])
def test_texts_in_the_filters_of_the_log_are_as_long_as_is_read(path: str) -> None:
    texts = [
        each["schema"]["maxLength"]
        for each in DOCUMENT["paths"][path]["get"]["parameters"]
        if "maxLength" in each.get("schema", {})
    ]
    assert texts == [filters.MAX_TEXT] * 3


def test_every_query_parameter_says_what_it_is() -> None:
    silent = [
        (path, each["name"])
        for path, methods in DOCUMENT["paths"].items()
        for operation in methods.values()
        for each in operation["parameters"]
        if each.get("in") == "query" and not each.get("description")
    ]
    assert silent == []
