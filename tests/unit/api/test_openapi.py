"""The OpenAPI document says what the tables and the readers say, and nothing that is not so."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import jsonschema_rs
import msgspec
import pytest
import schemathesis

from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.application.crypto_keys.service import CryptoKeys
from hookward.bootstrap.factories import built_in_types
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.errors import Invalid
from hookward.domain.events.rules import validate_event
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import CompiledType, ResourceType
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.watches.model import WatchMethod, WatchStatus
from hookward.entrypoints.api.app import make_app
from hookward.entrypoints.api.http.listing import MAX_LIMIT
from hookward.entrypoints.api.openapi.document import encode_openapi
from hookward.entrypoints.api.openapi.operations import plain_path
from hookward.entrypoints.api.openapi.service import describe
from hookward.entrypoints.api.resources import crypto_keys as wire_keys
from hookward.entrypoints.api.resources import events
from hookward.entrypoints.api.resources.mirrored import PatchDocument, Resource, mirrored_routes, unchanging_routes
from hookward.entrypoints.api.resources.watches import watch_routes
from hookward.entrypoints.api.route import Route
from hookward.entrypoints.api.routes import ROUTES
from tests.fakes.api_parts import api_parts, resource_type_parts

TYPES = built_in_types()
DOCUMENT = describe(TYPES.values())
TABLE = (*ROUTES, *watch_routes(TYPES.values()), *mirrored_routes(TYPES.values()))
KEYED = tuple(each for each in TABLE if each.scope is not None)
# What these do is said by their path alone.
WITHOUT_BODY = ("test", "authorize", "rotate")
# Pages for people, which a document of an api need not list.
PAGES = ("/dashboard",)

OPERATIONS = {
    f"{method} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def test_the_document_is_openapi_3_1() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_a_document_that_is_none_is_told() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        schemathesis.openapi.from_dict({**DOCUMENT, "info": {"title": "without version"}}).validate()


def test_the_same_tables_give_the_same_bytes_in_whatever_order_the_types_come() -> None:
    assert encode_openapi(describe(list(TYPES.values())[::-1])) == encode_openapi(DOCUMENT)


def test_every_reference_leads_somewhere() -> None:
    for node in nodes(DOCUMENT):
        if isinstance(target := node.get("$ref"), str):
            found: Any = DOCUMENT
            for step in target.removeprefix("#/").split("/"):
                found = found[step]
            assert isinstance(found, dict), target


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_says_all_that_its_description_needs(route: Route) -> None:
    assert route.summary, "a route needs a summary"
    assert route.returns is not None or route.status in (204, 302, 303), "a route needs answers, or 204"
    if route.scope is not None:
        last = route.path.rpartition("/")[2]
        if route.method in ("POST", "PUT", "PATCH") and last not in WITHOUT_BODY:
            assert route.takes is not None, "a route that reads a body needs takes, the wire type of it"


def test_every_route_of_the_service_is_in_the_document_and_nothing_else() -> None:
    known = {name: CompiledType(each, None) for name, each in TYPES.items()}
    parts = api_parts(resource_types=resource_type_parts(known))
    served = {
        (route.method.lower(), plain_path(route.resource.canonical))
        for route in make_app(parts).router.routes()
        if route.resource is not None and route.method != "HEAD" and not route.resource.canonical.startswith(PAGES)
    }
    described = {(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    nothing = {(method.lower(), path) for method, path in unchanging_routes(TYPES.values())}
    assert served - nothing == described
    assert nothing.isdisjoint(described)


def test_operation_ids_are_unique_and_words() -> None:
    ids = Counter(operation["operationId"] for operation in OPERATIONS.values())
    assert [name for name, count in ids.items() if count > 1 or not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == []


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_every_parameter_of_a_path_is_described(path: str) -> None:
    for operation in DOCUMENT["paths"][path].values():
        given = {each["name"] for each in operation["parameters"] if each.get("in") == "path"}
        assert given == set(re.findall(r"\{(\w+)\}", path))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_example_is_valid(operation: dict[str, Any]) -> None:
    holders = [operation.get("requestBody", {}), *operation["responses"].values()]
    for media in (media for holder in holders for media in holder.get("content", {}).values()):
        for example in media.get("examples", {}).values():
            validator(media["schema"]).validate(example["value"])


@pytest.mark.parametrize("name", DOCUMENT["components"]["responses"])
def test_every_example_of_a_problem_is_valid(name: str) -> None:
    media = DOCUMENT["components"]["responses"][name]["content"]["application/problem+json"]
    validator(media["schema"]).validate(media["example"])


@pytest.mark.parametrize("route", KEYED, ids=lambda route: f"{route.method} {route.path}")
def test_every_body_and_every_answer_has_an_example(route: Route) -> None:
    operation = DOCUMENT["paths"][plain_path(route.path)][route.method.lower()]
    anything = route.takes in (Resource, Resource | None, PatchDocument)
    holders = [] if route.takes is None or anything else [operation["requestBody"]]
    holders += [] if route.returns is None else [operation["responses"][str(route.status)]]
    for holder in holders:
        for media in holder["content"].values():
            assert media.get("examples"), f"give {media['schema']} an example in openapi/examples.py"


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_component_is_described(name: str) -> None:
    assert DOCUMENT["components"]["schemas"][name].get("description"), f"{name} needs a docstring"


@pytest.mark.parametrize("tag", DOCUMENT["tags"], ids=lambda tag: tag["name"])
def test_every_tag_is_described(tag: dict[str, str]) -> None:
    assert tag.get("description"), f"say in openapi/document.py what {tag['name']} are"


def test_the_services_own_paths_come_first() -> None:
    own = [path.startswith("/v1/") for path in DOCUMENT["paths"]]
    assert own == sorted(own, reverse=True)


def test_a_resource_in_a_request_has_nothing_that_only_reads() -> None:
    assert [
        node for node in nodes(DOCUMENT["components"]["schemas"]["appointment"]) if node.get("readOnly") is True
    ] == []


@pytest.mark.parametrize("known", TYPES.values(), ids=lambda known: known.name)
def test_a_sample_is_valid_by_the_component_of_its_type(known: ResourceType) -> None:
    found = validator({"$ref": f"#/components/schemas/{known.name}"})
    found.validate(known.sample)
    assert not found.is_valid([])


def complaints(refused: pytest.ExceptionInfo[Invalid]) -> dict[str | None, str]:
    return {each.pointer: each.message for each in refused.value.problems}


def named_by(message: str) -> set[str]:
    """The names in "zz is unknown; a watch holds a, b and …"."""
    return set(message.rpartition(" holds ")[2].split(", "))


def fields(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def test_an_event_is_described_as_it_is_read() -> None:
    with pytest.raises(Invalid) as refused:
        validate_event({"zz": 1}, None, TYPES)
    assert named_by(complaints(refused)["/zz"]) == fields(events.EventCreate)


async def test_a_crypto_key_is_described_as_it_is_read() -> None:
    nothing = cast("Any", None)
    with pytest.raises(Invalid) as refused:
        await CryptoKeys(nothing, nothing, CipherSigningKeys(), clock=nothing, random=nothing).create(
            AccountId(1), {"zz": 1}, owner=None
        )
    assert named_by(complaints(refused)["/zz"]) == fields(wire_keys.CryptoKeyCreate)


def test_a_watch_at_a_path_is_described_as_any_watch_without_what_the_path_names() -> None:
    whole, at_path = (
        DOCUMENT["components"]["schemas"][name]["properties"] for name in ("WatchCreate", "WatchRouteCreate")
    )
    assert set(whole) - set(at_path) == {"resourceType", "scope"}
    assert at_path == {name: schema for name, schema in whole.items() if name in at_path}


def choices(struct: str, name: str) -> list[Any]:
    schema = DOCUMENT["components"]["schemas"][struct]["properties"][name]
    listed: list[Any] = schema.get("enum") or schema["items"]["enum"]
    return [each for each in listed if each is not None]


def test_choices_are_those_of_the_domain() -> None:
    words = [kind.word for kind in ChangeKind]
    assert choices("EventCreate", "event") == choices("WatchCreate", "events") == words
    assert choices("WatchCreate", "method") == list(WatchMethod.ALL)
    assert choices("WatchCreate", "status") == [status.word for status in WatchStatus]
    (status,) = (
        each["schema"]
        for each in DOCUMENT["paths"]["/v1/deliveries"]["get"]["parameters"]
        if each.get("name") == "status"
    )
    assert status["enum"] == [status.word for status in DeliveryStatus]
    limits = {
        parameter["schema"]["maximum"] for node in nodes(DOCUMENT["paths"])
        for parameter in node.get("parameters", []) if parameter.get("name") == "limit"
    }  # fmt: skip
    assert limits == {MAX_LIMIT}


def test_the_document_holds_no_more_than_json_can() -> None:
    assert json.loads(encode_openapi(DOCUMENT)) == DOCUMENT
