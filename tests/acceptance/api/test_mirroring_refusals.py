"""What is wrong with a mirrored operation is named at once, where it stands, and hurts nothing else."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.acceptance.api.mirrored import EVENT, A, C, E, Own, Q

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("method", "path", "body", "places"),
    [
        ("PUT", A + "/a1", {"id": "a2", "client": {"firstName": "x" * 128}, "status": "bogus"},
         {"/id", "/client/firstName", "/status"}),
        ("POST", A, {"notes": 5}, {"/id", "/notes"}),
        ("DELETE", C.replace("7", "0") + "/r1", None, {"sessionId"}),
        ("PUT", C.replace("7", "0") + "/r1", {"seats": "x"}, {"sessionId", "/seats"}),
        ("DELETE", C + "/r1", {"reason": 1, "because": "x"}, {"/reason", "/because"}),
        ("PUT", E + "/transfer/r1/c2", {"contact_id": "c3"}, {"/contact_id"}),
        ("PATCH", E + "/r1", [{"op": "replace", "path": "/status", "value": "active"}], {""}),
        ("PATCH", A + "/a1", [], {""}),
        ("PUT", A + "/a1", "text", {""}),
        ("POST", Q + "/next", {}, {"/id"}),
        ("POST", E + "/batch", {"operations": []}, {"/operations"}),
        ("POST", E + "/batch", {"operations": [{}] * 101}, {"/operations"}),
        ("POST", E + "/batch", [], {"/operations"}),
        ("PUT", A + "/" + "x" * 1025, {}, {"appointmentId"}),
    ],
)  # fmt: skip
async def test_everything_wrong_is_named_where_it_stands(
    own: Own, method: str, path: str, body: Any, places: set[str]
) -> None:
    status, problem, headers = await own.send(method, path, body)
    assert (status, headers["Content-Type"]) == (422, "application/problem+json")
    assert {each["pointer"] if "pointer" in each else each["parameter"] for each in problem["errors"]} == places


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b'{"a": NaN}', 400), (b'{"a": 1e400}', 400), (b'{"a": ' + b"9" * 400 + b"}", 400),
        (b'{"a": "\\ud800"}', 400), (b'{"a": "\xff"}', 400), (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", 422),
        (b"[" * 100_000, 422), (b"null", 422), (b'{"a":"' + b"x" * (1 << 20) + b'"}', 413),
    ],
)  # fmt: skip
async def test_what_is_no_body_is_refused(own: Own, body: bytes, status: int) -> None:
    answered, problem, _ = await own.send("PUT", A + "/a1", body)
    assert (answered, problem["status"]) == (status, status)


@pytest.mark.parametrize("kind", ["text/plain", "text/jsv", "application/x-www-form-urlencoded", ""])
async def test_a_wrong_content_type_is_415(own: Own, kind: str) -> None:
    status, problem, _ = await own.send("PUT", A + "/a1", b"{}", **{"Content-Type": kind})
    assert (status, "send Content-Type: application/json" in problem["detail"]) == (415, True)


async def test_a_path_that_is_not_utf_8_is_refused(own: Own) -> None:
    url = URL(own.service.url + own.path(A) + "/%FF", encoded=True)
    headers = {"Authorization": f"Bearer {own.service.key}"}
    async with aiohttp.ClientSession() as client, client.delete(url, headers=headers) as answer:
        assert answer.status == 400


async def test_without_a_key_nothing_is_mirrored(own: Own) -> None:
    assert (await own.send("DELETE", A + "/a1", Authorization="Bearer wrong"))[0] == 401


async def test_an_idempotency_key_that_is_none_is_refused(own: Own) -> None:
    status, problem, _ = await own.send("DELETE", A + "/a1", **{"Idempotency-Key": "no blanks"})
    assert (status, problem["errors"][0]["parameter"]) == (422, "Idempotency-Key")


async def test_the_operations_of_a_batch_are_taken_each_on_its_own(own: Own) -> None:
    await own.watch(EVENT)
    operations = [
        json.dumps(each)
        for each in (
            {"operation": "patch", "id": "r1", "payload": {"status": "active"}},
            {"operation": "delete", "id": "r2"},
            {"operation": "patch", "id": "r3", "patch_directives": [{"op": "remove", "path": "/notes"}]},
            {"operation": "read", "id": "r4"},
            {"operation": "patch", "id": "r5", "payload": {"name": 5}},
            {"operation": "delete", "id": "r6", "payload": {"notes": "x" * (1 << 20)}},
        )
    ]
    hostile = [
        '{"operation": "delete", "id": "\\ud800"}',
        '{"operation": "delete", "id": 1e999}',
        "[" * 5000 + "]" * 5000,
    ]
    body = ('{"operations": [' + ",".join([*operations, *hostile]) + "]}").encode()
    status, answer, _ = await own.send("POST", E + "/batch", body)
    assert status == 202
    refused = {
        index: (result["error"]["status"], [each["pointer"] for each in result["error"].get("errors", [])])
        for index, result in enumerate(answer["results"])
        if "error" in result
    }
    assert refused == {
        2: (422, ["/patch_directives"]), 3: (422, ["/operation"]), 4: (422, ["/payload/name"]),
        5: (413, []), 6: (400, []), 7: (400, []), 8: (422, [""]),
    }  # fmt: skip
    heard = {each["resource"]["id"]: each["event"] for each in await own.heard(2)}
    assert heard == {"r1": "updated", "r2": "deleted"}


async def test_an_idempotency_key_on_a_batch_of_operations_is_refused(own: Own) -> None:
    given = {"operations": [{"operation": "delete", "id": "r1"}]}
    status, problem, _ = await own.send("POST", E + "/batch", given, **{"Idempotency-Key": "k"})
    assert (status, problem["errors"][0]["parameter"]) == (422, "Idempotency-Key")
