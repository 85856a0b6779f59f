"""What comes over a connection and is no HTTP."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from tests.answers import documented
from tests.service import KEY, Service, event

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
    assert json.loads(body)["detail"] == "Authorization is given 2 times; send it once"


POST = (
    f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n".encode()
)


async def test_a_body_that_does_not_come_is_cut_off_and_others_are_served_meanwhile(service: Service) -> None:
    slow = asyncio.create_task(sent(service, POST + b"Content-Length: 100\r\n\r\n{"))
    silent = asyncio.create_task(sent_nothing(service))
    await service.publish(event("1", company="slow"))
    first, headers, body = await slow
    assert first == "HTTP/1.1 408 Request Timeout"
    assert documented().complaint("POST", "/v1/events", 408, headers, body) is None
    assert json.loads(body)["detail"] == "the body was not there within 5 s; send it faster"
    assert await silent == b""


async def sent_nothing(service: Service) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "rot13"])
async def test_a_compressed_body_is_refused_and_not_unpacked(service: Service, coding: str) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    head = b"Content-Encoding: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (coding.encode(), len(bomb))
    first, headers, body = await sent(service, POST + head + bomb)
    assert first == "HTTP/1.1 415 Unsupported Media Type"
    assert documented().complaint("POST", "/v1/events", 415, headers, body) is None
    detail = f"the body is encoded ({coding}); send it as it is, without Content-Encoding"
    assert json.loads(body)["detail"] == detail


async def test_a_client_that_goes_in_the_middle_of_its_body_is_no_failure_of_ours(service: Service) -> None:
    before = service.log.read_text()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(POST + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n")
    await reader.readuntil(b"HTTP/1.1 100 Continue\r\n\r\n")  # it waits for the body now
    writer.write(b"{")
    writer.close()
    await writer.wait_closed()
    for number in range(3):  # by then it has noticed
        await service.publish(event(str(number), company="gone"))
    assert service.log.read_text() == before
