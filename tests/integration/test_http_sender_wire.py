"""The bytes of a request, and what becomes of a connection on which either side does not keep to them."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest
from yarl import URL

from hookward.adapters.http_client.connector import Exchange, GuardedConnector, SenderBounds, ThreadedResolver
from hookward.adapters.http_client.errors import Lost
from hookward.adapters.http_client.exchange import converse
from hookward.adapters.http_client.request import Origin
from hookward.adapters.http_client.sender import HttpSender
from hookward.domain.delivery.outcome import ErrorKind, Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy
from tests.integration.endpoint import OK, Endpoint, Script, Talk, answering, closing, silence

pytestmark = pytest.mark.both_loops

LOOPBACK = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))
FIXED = (("User-Agent", "Hookward/1"), ("X-Key", "é€😀"))
CHANGING = (("webhook-id", "dlv_1"), ("hookward-event", "é€😀"))


def request(
    address: str, method: str = "POST", body: bytes | None = b"{}", changing: tuple[tuple[str, str], ...] = CHANGING
) -> OutgoingRequest:
    return OutgoingRequest(method=method, address=address, headers=FIXED, changing=changing, body=body)


def kind_of(outcome: Outcome) -> ErrorKind | None:
    return None if outcome.failure is None else outcome.failure.kind


async def until(reached: asyncio.Semaphore) -> None:
    async with asyncio.timeout(5):
        await reached.acquire()


async def test_a_request_is_these_bytes_every_time() -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        for _ in range(2):
            await sender.send(request(endpoint.url + "/a%2fb?c=d#e"), timeout=5)
    head = (
        f"POST /a%2fb?c=d HTTP/1.1\r\nHost: 127.0.0.1:{endpoint.port}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
        "User-Agent: Hookward/1\r\nX-Key: é€😀\r\nwebhook-id: dlv_1\r\nhookward-event: é€😀\r\n"
        "Content-Length: 2\r\n\r\n"
    )
    assert [(received.head, received.body) for received in endpoint.requests] == [(head, b"{}")] * 2


@pytest.mark.parametrize(
    ("address", "line", "host"),
    [
        ("http://127.0.0.1:{port}", "POST / HTTP/1.1", "127.0.0.1:{port}"),
        ("http://127.0.0.1:{port}?a=b", "POST /?a=b HTTP/1.1", "127.0.0.1:{port}"),
        ("HTTP://LOCALHOST:{port}/A", "POST /A HTTP/1.1", "LOCALHOST:{port}"),
        ("http://[::ffff:127.0.0.1]:{port}/", "POST / HTTP/1.1", "[::ffff:127.0.0.1]:{port}"),
    ],
)
async def test_request_line_and_host_follow_from_the_address(address: str, line: str, host: str) -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        await sender.send(request(address.format(port=endpoint.port)), timeout=5)
    received = endpoint.requests[0]
    assert (received.line, received.headers["host"]) == (line, host.format(port=endpoint.port))


async def test_a_watchs_own_accept_takes_the_place_of_ours() -> None:
    own = (("accept", "text/plain"), ("ACCEPT-encoding", "gzip"), ("user-agent", "mine"))
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        asked = OutgoingRequest(method="POST", address=endpoint.url, headers=own, body=b"{}")
        await sender.send(asked, timeout=5)
    assert endpoint.requests[0].head.lower().count("accept") == 2
    assert endpoint.requests[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("POST", b"", "0"),
        ("POST", None, "0"),
        ("DELETE", None, "0"),
        ("GET", None, None),
        ("PUT", b"x" * 65_536, "65536"),
        ("PATCH", b"x" * 65_537, "65537"),
    ],
)
async def test_the_length_of_a_body_is_told(method: str, body: bytes | None, length: str | None) -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        for _ in range(2):
            await sender.send(request(endpoint.url, method, body), timeout=5)
    seen = [(received.headers.get("content-length"), received.body) for received in endpoint.requests]
    assert (seen, endpoint.connections) == ([(length, body or b"")] * 2, 1)


async def test_more_addresses_than_are_remembered_are_reached_all_the_same() -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        sender._preparations = type(sender._preparations)(limit=2)
        for number in (1, 2, 3, 1, 2, 3):
            await sender.send(request(f"{endpoint.url}/{number}"), timeout=5)
        await sender.send(request(f"{endpoint.url}/{'x' * 9000}"), timeout=5)
        assert len(sender._preparations) == 2
    assert [received.line.split()[1][:2] for received in endpoint.requests] == [
        "/1",
        "/2",
        "/3",
        "/1",
        "/2",
        "/3",
        "/x",
    ]


@pytest.mark.parametrize(
    "field",
    [("a", "b\r\nX-B: c"), ("a", "b\nX-B: c"), ("a", "b\rX-B: c"), ("a\r\nX-B", "c"), ("a", "b\0"), ("a", "\ud800")],
)
async def test_a_changing_header_that_would_break_the_request_is_never_sent(field: tuple[str, str]) -> None:
    async with Endpoint(silence) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await sender.send(request(endpoint.url, changing=(*CHANGING, field)), timeout=5)
    assert (kind_of(outcome), endpoint.requests, endpoint.connections) == (ErrorKind.PROTOCOL, [], 0)


@pytest.mark.parametrize("method", ["", "PO ST", "GET /admin HTTP/1.1\r\nX:", "POST\n"])
async def test_a_method_that_is_no_token_is_never_sent(method: str) -> None:
    async with Endpoint(silence) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await sender.send(request(endpoint.url, method), timeout=5)
    assert (kind_of(outcome), endpoint.requests) == (ErrorKind.PROTOCOL, [])


UNASKED = {
    "garbage": b"\0\1\2 this is not HTTP\r\n\r\n",
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
    "an answer of another status": b"HTTP/1.1 410 Gone\r\nContent-Length: 6\r\n\r\nforged",
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "part of a body": b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\nforged",
    "two answers": OK + OK,
}


@pytest.mark.parametrize("unasked", UNASKED.values(), ids=UNASKED)
async def test_a_connection_that_spoke_unasked_while_idle_is_not_used_again(unasked: bytes) -> None:
    idle, sent = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(OK)
        if talk.number == 1:
            await idle.wait()
            await talk.send(unasked)
            sent.set()
        await talk.receive()
        await talk.send(OK)

    async with Endpoint(script) as endpoint, Endpoint(answering(OK)) as other, HttpSender(LOOPBACK) as sender:
        await sender.send(request(endpoint.url), timeout=5)
        idle.set()
        await sent.wait()
        await sender.send(request(other.url), timeout=5)  # a round trip, in which it is read
        outcome = await sender.send(request(endpoint.url), timeout=5)
    assert outcome.response is not None
    assert (outcome.response.status, outcome.response.body, endpoint.connections) == (200, b"ok", 2)


@pytest.mark.parametrize("behind", [OK, b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_what_follows_an_answer_belongs_to_no_other_request(behind: bytes) -> None:
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"

    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(first + behind if talk.number == 1 else OK)
        await talk.until_closed()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        outcomes = [await sender.send(request(endpoint.url), timeout=5) for _ in range(2)]
    assert [outcome.response and outcome.response.body for outcome in outcomes] == [b"first", b"ok"]


ENDING: dict[str, Script] = {
    "asks for it": answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
    "speaks HTTP/1.0": answering(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    "closes an HTTP/1.0 answer": closing(b"HTTP/1.0 200 OK\r\n\r\nok"),
    "closes an answer without length": closing(b"HTTP/1.1 200 OK\r\n\r\nok"),
}


@pytest.mark.parametrize("script", ENDING.values(), ids=ENDING)
async def test_a_server_that_ends_its_connections_gets_new_ones(script: Script) -> None:
    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        outcomes = [await sender.send(request(endpoint.url), timeout=5) for _ in range(3)]
    assert [outcome.response and outcome.response.body for outcome in outcomes] == [b"ok"] * 3
    assert endpoint.connections == 3


async def test_a_server_of_http_1_0_that_keeps_its_connection_is_asked_again_on_it() -> None:
    kept = answering(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
    async with Endpoint(kept) as endpoint, HttpSender(LOOPBACK) as sender:
        for _ in range(3):
            await sender.send(request(endpoint.url), timeout=5)
    assert endpoint.connections == 1


async def test_an_answer_that_arrives_byte_by_byte_is_read() -> None:
    answer = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2;a=b\r\nok\r\n0\r\nX-Trailer: x\r\n\r\n"
    )

    async def script(talk: Talk) -> None:
        while True:
            await talk.receive()
            for byte in answer:
                await talk.send(bytes((byte,)))
                await asyncio.sleep(0)

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        outcomes = [await sender.send(request(endpoint.url), timeout=5) for _ in range(3)]
    assert [outcome.response and outcome.response.body for outcome in outcomes] == [b"ok"] * 3
    assert endpoint.connections == 1


async def test_one_address_keeps_to_its_own_connections() -> None:
    async with Endpoint(answering(OK)) as one, Endpoint(answering(OK)) as other, HttpSender(LOOPBACK) as sender:
        for endpoint in (one, other, one, other):
            await sender.send(request(endpoint.url), timeout=5)
    assert [(each.connections, len(each.requests)) for each in (one, other)] == [(1, 2), (1, 2)]


async def test_an_idle_connection_past_its_time_is_not_used() -> None:
    bounds = SenderBounds(idle=0.05)
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK, bounds=bounds) as sender:
        await sender.send(request(endpoint.url), timeout=5)
        await until(endpoint.ended)
        await sender.send(request(endpoint.url), timeout=5)
    assert endpoint.connections == 2


async def test_nothing_is_written_to_a_connection_that_is_closing() -> None:
    connector = GuardedConnector(LOOPBACK, ThreadedResolver(1), SenderBounds(), None)
    async with Endpoint(silence) as endpoint:
        connection = await connector.lend(Origin(URL(endpoint.url), asyncio.get_running_loop()), Exchange())
        assert connection.transport is not None
        connection.transport.close()
        with pytest.raises(Lost) as lost:
            await converse(connection, b"GET / HTTP/1.1\r\n\r\n", b"", SenderBounds())
        await connector.close()
    assert (lost.value.silent, connection.closed, endpoint.requests) == (True, True, [])
