"""The api's own description, held against the running service."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hookward.bootstrap.factories import built_in_types
from hookward.entrypoints.api.openapi.operations import JSON
from hookward.entrypoints.api.openapi.service import describe
from tests.acceptance.commands import run
from tests.answers import checking
from tests.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOCUMENT = describe(built_in_types().values())
LISTS = [
    path
    for path, methods in DOCUMENT["paths"].items()
    if any(each.get("in") == "query" for each in methods.get("get", {}).get("parameters", []))
    and methods["get"]["security"]  # what is open to everybody ignores what it does not know
]
EXAMPLES = {
    f"{method} {path} {name}": (method, path, operation, example["value"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    for name, example in operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("examples", {}).items()
    if "/v1/" not in path or "{" not in path  # what is to be changed has to be made first
}


async def test_the_document_is_answered_without_a_key_and_kept_by_its_etag(service: Service) -> None:
    async with aiohttp.ClientSession(service.url, trace_configs=[checking()]) as stranger:
        async with stranger.get("/openapi.json") as answer:
            assert (answer.status, answer.content_type, await answer.json()) == (200, JSON, DOCUMENT)
            etag = answer.headers["ETag"]
        for given, status in ((etag, 304), (f'"x", W/{etag}', 304), ("*", 304), ('"other"', 200)):
            async with stranger.get("/openapi.json", headers={"If-None-Match": given}) as answer:
                assert (answer.status, answer.headers["ETag"]) == (status, etag)
        async with stranger.head("/openapi.json") as answer:
            assert (answer.status, await answer.read()) == (200, b"")


async def test_the_page_shows_every_operation_and_may_load_nothing(service: Service) -> None:
    async with service.client.get("/docs") as answer:
        page = await answer.text()
        assert (answer.status, answer.content_type) == (200, "text/html")
        policy = answer.headers["Content-Security-Policy"]
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert [each["operationId"] for each in operations if f'<details id="{each["operationId"]}">' not in page] == []
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert re.search(r"<script|<link|<img|<iframe|\bsrc=|\bon\w+=|\bstyle=", page) is None


def filled(path: str, body: Any) -> str:
    """The path of what the body says, where it does."""

    def value(name: str) -> str:
        own = body.get("id") if name in ("id", "registrationId", "appointmentId") else None
        return str(body.get(name) or own or 42)

    return re.sub(r"\{(\w+)\}", lambda found: value(found[1]), path)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_every_example_of_a_request_succeeds(service: Service, name: str) -> None:
    method, path, operation, body = EXAMPLES[name]
    documented = {int(status) for status in operation["responses"] if status.startswith("2")}
    async with service.client.request(method, filled(path, body), json=body) as answer:
        text = await answer.text()
        assert answer.status in documented, text
        assert '"error"' not in text, text


@pytest.mark.parametrize("path", LISTS)
async def test_the_query_of_a_list_is_described_as_it_is_read(service: Service, path: str) -> None:
    problem = await service.ask("GET", path + "?zz=1", expect=400)
    (error,) = problem["errors"]
    named = set(error["message"].rpartition(" takes ")[2].split(", "))
    parameters = DOCUMENT["paths"][path]["get"]["parameters"]
    assert named == {each["name"] for each in parameters if each.get("in") == "query"}


async def shown(*arguments: str, directory: Path) -> str:
    ended = await asyncio.to_thread(run, "openapi", *arguments, directory=directory)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


async def test_the_command_prints_the_document_without_a_service(tmp_path: Path) -> None:
    compact, readable = await shown("--json", directory=tmp_path), await shown(directory=tmp_path)
    assert (compact.count("\n"), readable.count("\n") > 1000) == (1, True)
    assert json.loads(compact) == json.loads(readable) == DOCUMENT
