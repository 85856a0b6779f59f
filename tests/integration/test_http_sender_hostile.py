"""Endpoints that mean harm: what they send is bounded, kept apart, and called what it is."""

from __future__ import annotations

import asyncio
import gzip
from ipaddress import ip_network

import pytest

from hookward.adapters.http_client.connector import SenderBounds
from hookward.adapters.http_client.sender import HttpSender
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy
from tests.integration.endpoint import OK, Endpoint, Script, Talk, answering, closing

pytestmark = pytest.mark.both_loops

LOOPBACK = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def send(sender: HttpSender, address: str, *, party: str = "", timeout: float = 5) -> Outcome:
    request = OutgoingRequest(method="POST", address=address, headers=(), body=b"{}", connection_owner=party)
    return await sender.send(request, timeout=timeout)


async def send_once(script: Script) -> Outcome:
    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        return await send(sender, endpoint.url)


def kind_of(outcome: Outcome) -> ErrorKind | None:
    return None if outcome.failure is None else outcome.failure.kind


def headers(count: int, value: bytes = b"x") -> bytes:
    lines = b"".join(b"X-%d: %b\r\n" % (number, value) for number in range(count))
    return b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\nok"


NO_HTTP: dict[str, bytes] = {
    "HTTP/0.9": b"<html>hello</html>\r\n\r\n",
    "HTTP/2 unasked": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 in text": b"HTTP/2 200\r\ncontent-length: 2\r\n\r\nok",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x50",
    "only NULs": b"\0" * 100 + b"\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "a lone CR in a header": b"HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nContent-Length: 2\r\n\r\nok",
    "a blank before the colon": b"HTTP/1.1 200 OK\r\nX-A : a\r\nContent-Length: 2\r\n\r\nok",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a length beyond numbers": b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % (b"9" * 400),
    "a chunk beyond numbers": CHUNKED + b"f" * 40 + b"\r\n",
    "a negative chunk": CHUNKED + b"-1\r\nx\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\nokay\r\n0\r\n\r\n",
    "101 headers": headers(101),
    "a header of 16 KiB": headers(1, b"x" * 16_384),
    "a status line of 16 KiB": b"HTTP/1.1 200 " + b"x" * 16_384 + b"\r\nContent-Length: 2\r\n\r\nok",
    "interim answers without end": b"HTTP/1.1 102 Processing\r\n\r\n" * 10_000,
}


@pytest.mark.parametrize("answer", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_no_sound_answer_is_a_protocol_failure(answer: bytes) -> None:
    outcome = await send_once(closing(answer))
    assert (kind_of(outcome), outcome.response) == (ErrorKind.PROTOCOL, None)


@pytest.mark.parametrize("interim", [b"100 Continue", b"103 Early Hints", b"199 Whatever"])
async def test_interim_answers_are_counted(interim: bytes) -> None:
    few = b"HTTP/1.1 %b\r\n\r\n" % interim * 32
    outcomes = [await send_once(answering(answer)) for answer in (few + OK, few + few + OK)]
    message = "More than 32 interim answers (1xx) came."
    assert [each.failure for each in outcomes] == [None, Failure(kind=ErrorKind.PROTOCOL, message=message)]


async def test_length_and_chunks_together_end_the_connection_at_the_least() -> None:
    both = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(both + forged if talk.number == 1 else OK)
        await talk.until_closed()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        await send(sender, endpoint.url)
        outcome = await send(sender, endpoint.url)
    assert (outcome.response and outcome.response.body, endpoint.connections) == (b"ok", 2)


async def test_what_is_compressed_is_bounded_as_it_comes_and_never_unpacked() -> None:
    bomb = gzip.compress(bytes(100_000_000), 9)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    outcome = await send_once(answering(answer))
    assert outcome.response is not None
    assert (outcome.response.body, outcome.response.truncated) == (bomb[: SenderBounds().log_limit], True)


async def test_a_trailer_without_end_is_a_protocol_failure() -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(CHUNKED + b"2\r\nok\r\n0\r\n")
        while True:
            await talk.send(b"X-A: x\r\n" * 100)

    assert kind_of(await send_once(script)) == ErrorKind.PROTOCOL


async def test_an_extension_of_a_chunk_without_end_is_no_answer() -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(CHUNKED + b"2;")
        while True:
            await talk.send(b"x" * 65_536)

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await send(sender, endpoint.url, timeout=0.5)
    assert kind_of(outcome) in {ErrorKind.PROTOCOL, ErrorKind.TIMEOUT}


async def test_an_answer_to_no_request_is_none_to_the_next() -> None:
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly"
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

    async def script(talk: Talk) -> None:
        if talk.number == 1:
            await talk.send(first + forged)  # before anything was asked
        await talk.receive()
        await talk.send(OK)
        await talk.until_closed()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        outcomes = [await send(sender, endpoint.url) for _ in range(2)]
    assert [outcome.response and outcome.response.body for outcome in outcomes] == [b"early", b"ok"]
    assert endpoint.connections == 2


async def test_no_partys_connection_carries_anothers_request() -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        for party in ("1", "2", "1/integrator", "1", "2", "1/integrator"):
            await send(sender, endpoint.url, party=party)
    assert (endpoint.connections, len(endpoint.requests)) == (3, 6)


async def test_what_one_partys_endpoint_sends_unasked_reaches_no_other_party() -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    turn = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(OK)
        if talk.number == 1:
            await turn.wait()
            await talk.send(forged)
        await talk.until_closed()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        await send(sender, endpoint.url, party="1")
        turn.set()
        outcomes = [await send(sender, endpoint.url, party=party) for party in ("2", "3")]
    assert [outcome.response and outcome.response.body for outcome in outcomes] == [b"ok", b"ok"]


async def reset_at_once(talk: Talk) -> None:
    talk.reset()


async def reset_in_the_request(talk: Talk) -> None:
    await talk.reader.readexactly(1)
    talk.reset()


def resetting(answer: bytes) -> Script:
    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(answer)
        talk.reset()

    return script


RESETS: dict[str, tuple[Script, set[ErrorKind]]] = {
    "at once": (reset_at_once, {ErrorKind.CONNECTION}),
    "in the request": (reset_in_the_request, {ErrorKind.CONNECTION}),
    "after the request": (resetting(b""), {ErrorKind.CONNECTION}),
    # A reset may overtake what was sent before it.
    "in the status line": (resetting(b"HTTP/1."), {ErrorKind.CONNECTION, ErrorKind.PROTOCOL}),
    "in the headers": (resetting(b"HTTP/1.1 200 OK\r\nX-A: b"), {ErrorKind.CONNECTION, ErrorKind.PROTOCOL}),
    "in the body": (
        resetting(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
        {ErrorKind.CONNECTION, ErrorKind.PROTOCOL},
    ),
    "in a chunk": (resetting(CHUNKED + b"9\r\nhalf"), {ErrorKind.CONNECTION, ErrorKind.PROTOCOL}),
}


@pytest.mark.parametrize(("script", "kinds"), RESETS.values(), ids=RESETS)
async def test_a_reset_at_any_stage_is_a_failure(script: Script, kinds: set[ErrorKind]) -> None:
    outcome = await send_once(script)
    assert kind_of(outcome) in kinds


async def test_a_server_that_redirects_to_itself_is_asked_once() -> None:
    answer = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    async with Endpoint(answering(answer)) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await send(sender, endpoint.url)
    assert (outcome.response and outcome.response.status, len(endpoint.requests)) == (307, 1)


async def test_bytes_of_no_encoding_come_back_as_they_are() -> None:
    answer = b"HTTP/1.1 200 \xff\xfe\r\nX-Raw: \xc3\x28 \xf0\x9f\r\nContent-Length: 5\r\n\r\n\0\xff\xfe\xc3\x28"
    outcome = await send_once(answering(answer))
    assert outcome.response is not None
    assert dict(outcome.response.headers)["X-Raw"] == b"\xc3\x28 \xf0\x9f".decode("latin-1")
    assert outcome.response.body == b"\0\xff\xfe\xc3\x28"
