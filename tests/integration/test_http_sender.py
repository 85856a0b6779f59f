"""What reaches the endpoint, what comes back, and which connections carry it."""

from __future__ import annotations

import asyncio
import gzip
from ipaddress import ip_network

import pytest

from hookward.adapters.http_client.connector import SenderBounds
from hookward.adapters.http_client.sender import HttpSender
from hookward.domain.delivery.outcome import Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy
from tests.integration.endpoint import OK, Endpoint, Talk, answering, closing

pytestmark = pytest.mark.both_loops

LOOPBACK = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))
HEADERS = (("Content-Type", "application/json"), ("webhook-id", "dlv_1"))


def request(address: str, method: str = "POST", body: bytes | None = b"{}") -> OutgoingRequest:
    return OutgoingRequest(method=method, address=address, headers=HEADERS if body else HEADERS[1:], body=body)


async def test_an_answer_comes_back_whole() -> None:
    answer = b"HTTP/1.1 201 Created\r\nX-A: 1\r\nx-a: 2\r\nX-Latin: caf\xe9\r\nContent-Length: 5\r\n\r\nhello"
    async with Endpoint(answering(answer)) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await sender.send(request(endpoint.url), timeout=5)
    headers = (("X-A", "1"), ("x-a", "2"), ("X-Latin", "café"), ("Content-Length", "5"))
    assert outcome.response == Response(status=201, headers=headers, body=b"hello", truncated=False)
    assert outcome.remote == f"127.0.0.1:{endpoint.port}"
    assert outcome.failure is None
    assert 0 < outcome.duration_us < 5_000_000


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK, b"ok"),
    ],
)
async def test_every_framing_is_read_and_the_connection_used_again(answer: bytes, body: bytes) -> None:
    async with Endpoint(answering(answer)) as endpoint, HttpSender(LOOPBACK) as sender:
        outcomes = [await sender.send(request(endpoint.url), timeout=5) for _ in range(3)]
    assert [outcome.response and outcome.response.body for outcome in outcomes] == [body] * 3
    assert endpoint.connections == 1


async def test_an_answer_without_length_ends_with_its_connection() -> None:
    async with Endpoint(closing(b"HTTP/1.0 200 OK\r\n\r\nto the end")) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await sender.send(request(endpoint.url), timeout=5)
    assert outcome.response == Response(status=200, headers=(), body=b"to the end")


async def test_the_address_is_sent_as_it_is_written() -> None:
    target = "/a%2fb/%7e/%41;p=1//x?q=a+b%20c&e=%C3%A9&&"
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        await sender.send(request(endpoint.url + target), timeout=5)
    assert endpoint.requests[0].line == f"POST {target} HTTP/1.1"


async def test_body_and_headers_arrive_as_given() -> None:
    body = bytes(range(256)) * 8192  # 2 MiB
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        await sender.send(request(endpoint.url, "PATCH", body), timeout=5)
    received = endpoint.requests[0]
    assert received.body == body
    assert received.headers == {
        "host": f"127.0.0.1:{endpoint.port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "webhook-id": "dlv_1",
        "user-agent": received.headers["user-agent"],
        "content-length": str(len(body)),
    }


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_request_without_body_says_nothing_about_one(method: str) -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        await sender.send(request(endpoint.url, method, None), timeout=5)
    assert endpoint.requests[0].line.startswith(method)
    assert "content-type" not in endpoint.requests[0].headers
    assert endpoint.requests[0].headers.get("content-length", "0") == "0"


async def test_a_compressed_answer_stays_compressed() -> None:
    body = gzip.compress(b"x" * 100_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with Endpoint(answering(head + body)) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await sender.send(request(endpoint.url), timeout=5)
    assert outcome.response is not None
    assert outcome.response.body == body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    async with Endpoint(answering(OK)) as target:
        answer = f"HTTP/1.1 {status} Moved\r\nLocation: {target.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with Endpoint(answering(answer)) as endpoint, HttpSender(LOOPBACK) as sender:
            outcome = await sender.send(request(endpoint.url), timeout=5)
    assert outcome.response is not None
    assert (outcome.response.status, target.connections) == (status, 0)


async def test_a_cookie_is_not_sent_back() -> None:
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with Endpoint(answering(answer)) as endpoint, HttpSender(LOOPBACK) as sender:
        named = f"http://localhost:{endpoint.port}/"  # a cookie jar keeps nothing of bare addresses
        for _ in range(2):
            await sender.send(request(named), timeout=5)
    assert [received.headers.get("cookie") for received in endpoint.requests] == [None, None]


async def test_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await sender.send(request(endpoint.url), timeout=5)
    assert outcome.response is not None


@pytest.mark.parametrize(
    ("size", "kept", "truncated", "connections"),
    [(16_384, 16_384, False, 1), (16_385, 16_384, True, 1), (262_144, 16_384, True, 1)],
)
async def test_a_long_answer_is_cut_and_its_connection_used_again(
    size: int, kept: int, truncated: bool, connections: int
) -> None:
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size
    async with Endpoint(answering(answer)) as endpoint, HttpSender(LOOPBACK) as sender:
        outcomes = [await sender.send(request(endpoint.url), timeout=5) for _ in range(2)]
    seen = [(len(o.response.body), o.response.truncated) for o in outcomes if o.response]
    assert (seen, endpoint.connections) == ([(kept, truncated)] * 2, connections)


async def test_an_idle_connection_is_closed() -> None:
    bounds = SenderBounds(idle=0.01)
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK, bounds=bounds) as sender:
        await sender.send(request(endpoint.url), timeout=5)
        async with asyncio.timeout(5):
            await endpoint.ended.acquire()


async def test_no_more_connections_are_kept_than_the_bound_says() -> None:
    together = asyncio.Event()

    async def script(talk: Talk) -> None:
        while True:
            await talk.receive()
            if talk.number == 4:
                together.set()
            await together.wait()
            await talk.send(OK)

    bounds = SenderBounds(kept_connections=3)
    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK, bounds=bounds) as sender:
        await asyncio.gather(*(sender.send(request(endpoint.url), timeout=5) for _ in range(4)))
        async with asyncio.timeout(5):
            await endpoint.ended.acquire()
        for _ in range(3):
            await sender.send(request(endpoint.url), timeout=5)
        assert (endpoint.connections, endpoint.ended.locked()) == (4, True)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_kept_connection_that_closes_unanswered_costs_one_resend(method: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(OK)
        if talk.number == 1:
            await talk.receive()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        outcomes = [await sender.send(request(endpoint.url, method), timeout=5) for _ in range(2)]
    assert [outcome.response and outcome.response.body for outcome in outcomes] == [b"ok", b"ok"]
    assert (endpoint.connections, len(endpoint.requests)) == (2, 3)
    assert endpoint.requests[1] == endpoint.requests[2]


async def test_a_resend_takes_no_kept_connection() -> None:
    together = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.receive()
        if talk.number == 2:
            together.set()
        await together.wait()
        await talk.send(OK)
        await talk.receive()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        await asyncio.gather(*(sender.send(request(endpoint.url), timeout=5) for _ in range(2)))
        outcome = await sender.send(request(endpoint.url), timeout=5)
    assert outcome.response is not None
    assert (endpoint.connections, len(endpoint.requests)) == (3, 4)


async def test_a_cancelled_send_closes_its_connection() -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        if talk.number == 1:
            await talk.until_closed()
        await talk.send(OK)

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        task = asyncio.create_task(sender.send(request(endpoint.url), timeout=5))
        await endpoint.arrived.acquire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await endpoint.ended.acquire()
        outcome = await sender.send(request(endpoint.url), timeout=5)
    assert (outcome.response is not None, endpoint.connections) == (True, 2)
