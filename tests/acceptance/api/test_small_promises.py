"""Small promises, one test each: what is published, watched and rendered as the contract says."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.receiver import Receiver
from tests.service import Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def preview(service: Service, schema: Any, document: dict[str, Any]) -> Any:
    given = {"schema": schema, "document": document}
    return (await service.ask("POST", "/v1/watches/preview", expect=200, json=given))["body"]


DOCUMENT = {
    "t": True,
    "n": 1.50,
    "none": None,
    "s": 'a "b"',
    "list": [1, "x"],
    "o": {"k": 1},
    "many": [{"v": 1}, {"v": 2}],
}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("[${$.missing}]", "[]"), ("[${$.none}]", "[]"), ("${$.t}", "true"), ("${$.n}", "1.5"), ("${$.s}", 'a "b"'),
        ("${$.list}", '[1,"x"]'), ("${$.o}", '{"k":1}'), ("${$.many[*].v}", "[1,2]"), ("$${$.t}", "${$.t}"),
        ("${$.t}-${$.s}", 'true-a "b"'),
    ],
)  # fmt: skip
async def test_text_in_a_template_is_filled_with_text(service: Service, text: str, rendered: str) -> None:
    schema = {"text": text, "kept": 1, "also": [None, False], "${$.t}": "key"}
    body = await preview(service, schema, DOCUMENT)
    assert body == {"text": rendered, "kept": 1, "also": [None, False], "${$.t}": "key"}


@pytest.mark.parametrize(
    ("path", "rendered"),
    [
        ("$.missing", None), ("$.none", None), ("$.n", 1.5), ("$.t", True), ("$.o", {"k": 1}), ("$.list[1]", "x"),
        ("$.many[*].v", [1, 2]), ("$.o[*]", [1]), ("$.missing[*]", []),
    ],
)  # fmt: skip
async def test_a_placeholder_outside_quotes_is_a_typed_value(service: Service, path: str, rendered: object) -> None:
    body = await preview(service, f'{{"value": ${{{path}}}, "text": "<${{$.s}}>"}}', DOCUMENT)
    assert body == {"value": rendered, "text": '<a "b">'}


@pytest.mark.parametrize("schema", ['{"a": ${$.id}', "no json ${$.id}", {"a": "${" + "$" + ".a" * 200 + "}"}])
async def test_a_template_that_cannot_be_is_refused_where_it_is(service: Service, schema: object) -> None:
    given = {"resourceType": "appointment", "address": "https://example.com/", "schema": schema}
    problem = await service.ask("POST", "/v1/watches", expect=422, json=given)
    assert [each["pointer"].split("/")[1] for each in problem["errors"]] == ["schema"]


@pytest.mark.parametrize(
    "address", ["https://me:secret@example.com/", "https://example.com/#part", "/hooks", "ftp://x/"]
)
async def test_an_address_that_no_delivery_could_use_is_refused(service: Service, address: str) -> None:
    problem = await service.ask(
        "POST", "/v1/watches", expect=422, json={"resourceType": "appointment", "address": address}
    )
    assert {each["pointer"] for each in problem["errors"]} == {"/address"}


@pytest.mark.parametrize("name", ["Content-Length", "Connection", "Transfer-Encoding", "Keep-Alive", "TE", "Upgrade"])
async def test_a_header_that_is_the_connections_is_refused(service: Service, name: str) -> None:
    given = {"resourceType": "appointment", "address": "https://example.com/", "httpRequestHeader": {name: "1"}}
    problem = await service.ask("POST", "/v1/watches", expect=422, json=given)
    assert [each["pointer"] for each in problem["errors"]] == [f"/httpRequestHeader/{name}"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "PUT"])
async def test_a_watch_is_served_by_its_method_with_a_body_where_that_has_one(
    service: Service, receiver: Receiver, method: str
) -> None:
    mine = new_company()
    await service.create_watch(receiver.url, company=mine, method=method)
    await service.publish(event("1", company=mine))
    await wait_until(lambda: len(receiver.requests) == 1)
    [request] = receiver.requests
    assert (request.method, bool(request.body)) == (method, method in {"PATCH", "PUT"})
    assert ("content-type" in {name.lower() for name in request.headers}) == bool(request.body)


async def test_an_event_says_which_resource_it_is_about_and_when_it_happened(service: Service) -> None:
    mine = new_company()
    given = event("inside", company=mine, resourceId="outside", occurredAt="2026-11-20T10:15:30+01:00")
    found = await service.ask("GET", f"/v1/events/{await service.publish(given)}", expect=200)
    assert (found["resourceId"], found["occurredAt"][:19]) == ("outside", "2026-11-20T09:15:30")
    session = {
        "resourceType": "event.registrationSession", "event": "created", "scope": {"ClientID": "1", "EventID": "2"},
        "resource": {"ClientID": 1, "EventID": 2, "RegistrationID": "r3"},
    }  # fmt: skip
    found = await service.ask("GET", f"/v1/events/{await service.publish(session)}", expect=200)
    assert found["resourceId"] == "1/2/r3"


async def test_an_extra_resource_is_held_to_the_schema_of_its_type(service: Service) -> None:
    given = event("1", company=new_company(), extraFull={"id": "1", "client": {"firstName": 7}})
    problem = await service.ask("POST", "/v1/events", expect=422, json=given)
    assert [each["pointer"] for each in problem["errors"]] == ["/extraFull/client/firstName"]


async def test_the_last_of_duplicate_names_counts(service: Service) -> None:
    body = json.dumps(event("first", company=new_company())).replace('{"id": "first"}', '{"id": "first", "id": "last"}')
    headers = {"Content-Type": "application/json"}
    accepted = await service.ask("POST", "/v1/events", expect=202, data=body, headers=headers)
    assert (await service.ask("GET", f"/v1/events/{accepted['id']}", expect=200))["resourceId"] == "last"


async def test_a_batch_over_sixteen_mebibytes_is_too_large(service: Service) -> None:
    given = event("1", company=new_company(), resource={"id": "1", "notes": "x" * 60_000})
    body = json.dumps({"events": [given] * 290}).encode()
    assert len(body) > 16 << 20
    headers = {"Content-Type": "application/json"}
    await service.ask("POST", "/v1/events/batch", expect=413, data=BytesIO(body), headers=headers)


@pytest.mark.parametrize(("length", "status"), [(255, 202), (256, 422)])
async def test_an_idempotency_key_has_at_most_255_characters(service: Service, length: int, status: int) -> None:
    key = uuid4().hex.ljust(length, "k")
    await service.ask("POST", "/v1/events", expect=status, json=event("1", company=new_company(), id=key))
    other = uuid4().hex.ljust(length, "k")
    headers = {"Idempotency-Key": other}
    await service.ask("POST", "/v1/events", expect=status, json=event("1", company=new_company()), headers=headers)


async def test_the_request_id_that_was_sent_comes_back_whatever_the_answer(service: Service) -> None:
    for path, status in (("/v1/watches", 200), ("/v1/watches/none", 404), ("/livez", 200)):
        async with service.client.get(path, headers={"X-Request-Id": "mine-1"}) as answer:
            assert (answer.status, answer.headers["X-Request-Id"]) == (status, "mine-1")


async def test_no_answer_tells_what_the_service_runs_on(service: Service) -> None:
    for path in ("/v1/watches", "/v1/watches/none", "/livez", "/nowhere"):
        async with service.client.get(path) as answer:
            assert answer.headers["Server"] == "Hookward"


async def test_health_and_the_description_need_no_key(service: Service) -> None:
    async with aiohttp.ClientSession(service.url) as client:
        for path in ("/livez", "/readyz", "/openapi.json", "/docs"):
            async with client.get(path) as answer:
                assert answer.status == 200, path


SCOPES = [
    ("POST", "/v1/events", "publish"), ("POST", "/v1/events/batch", "publish"), ("GET", "/v1/events", "deliveries"),
    ("GET", "/v1/events/none", "deliveries"), ("POST", "/companies/1/appointments", "publish"),
    ("DELETE", "/queues/1/registrations/2", "publish"), ("POST", "/companies/1/appointments/watch", "watches"),
    ("POST", "/v1/watches", "watches"), ("GET", "/v1/watches", "watches"), ("PUT", "/v1/watches/none", "watches"),
    ("POST", "/v1/watches/none/test", "watches"), ("POST", "/v1/watches/preview", "watches"),
    ("POST", "/v1/crypto-keys", "watches"), ("POST", "/v1/crypto-keys/none/rotate", "watches"),
    ("DELETE", "/v1/crypto-keys/none", "watches"), ("POST", "/v1/resource-types", "watches"),
    ("DELETE", "/v1/resource-types/none", "watches"), ("GET", "/v1/deliveries", "deliveries"),
    ("GET", "/v1/deliveries/none", "deliveries"), ("POST", "/v1/deliveries/none/replay", "deliveries"),
    ("POST", "/v1/erasures", "admin"), ("POST", "/v1/api-keys", "admin"), ("DELETE", "/v1/api-keys/none", "admin"),
    ("POST", "/v1/accounts", "operator"), ("GET", "/v1/accounts", "operator"),
]  # fmt: skip


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    return {}


@pytest.mark.parametrize(("method", "path", "scope"), SCOPES)
async def test_a_route_is_opened_by_its_scope_and_by_no_other(
    service: Service, keys: dict[str, str], method: str, path: str, scope: str
) -> None:
    opened = set[str]()
    for each in ("publish", "watches", "deliveries", "admin", "operator"):
        if each not in keys:
            made = await service.ask("POST", "/v1/api-keys", expect=201, json={"name": each, "scopes": [each]})
            keys[each] = made["key"]
        headers = {"Authorization": f"Bearer {keys[each]}"}
        async with service.client.request(
            method, path, headers=headers, json=None if method == "GET" else {}
        ) as answer:
            if answer.status != 403:
                opened.add(each)
    assert opened == ({scope} if scope in {"admin", "operator"} else {scope, "admin"})
