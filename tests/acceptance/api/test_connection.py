"""What comes over a connection and is no HTTP."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.answers import documented
from tests.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def sent(service: Service, data: bytes) -> tuple[str, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write(data)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer canary\0\r\n\r\n", "malformed"),
        (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX: canary\r\nContent-Length: many\r\n\r\n", "malformed"),
        (b"canary\r\n\r\n", "malformed"),
        (b"GET /" + b"canary" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "over 8190 bytes"),
        (b"GET /v1/events HTTP/1.1\r\nHost: x\r\nX: " + b"canary" * 2000 + b"\r\n\r\n", "over 8190 bytes"),
    ],
)
async def test_what_is_no_http_is_refused_like_any_other_mistake(service: Service, data: bytes, said: str) -> None:
    first, headers, body = await sent(service, data)
    problem = json.loads(body)
    assert first.endswith(" 400 Bad Request")
    assert documented().complaint("GET", "/v1/watches", 400, headers, body) is None
    assert problem["requestId"] == headers["X-Request-Id"]
    assert said in problem["detail"]
    assert b"canary" not in body
    assert "canary" not in service.log.read_text()


@pytest.mark.parametrize("path", ["/v1/watches", "/companies/1/appointments/watch", "/shops/of/mine"])
@pytest.mark.parametrize("second", ["{key}", "hw_another", ""])
async def test_of_two_keys_none_is_taken(service: Service, path: str, second: str) -> None:
    keys = f"Authorization: Bearer {service.key}\r\nAuthorization: {second.format(key=service.key)}\r\n"
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{keys}Content-Length: 0\r\n\r\n"
    first, headers, body = await sent(service, request.encode())
    assert first.endswith(" 400 Bad Request")
    assert headers["Content-Type"] == "application/problem+json"
    assert [each["parameter"] for each in json.loads(body)["errors"]] == ["Authorization"]
    assert "2 times" in json.loads(body)["detail"]
