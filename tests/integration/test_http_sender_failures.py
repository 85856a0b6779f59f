"""Each way a request can fail, and the kind and words it is given."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest

from hookward.adapters.http_client.sender import HttpSender
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy
from tests.integration.endpoint import OK, Endpoint, Script, Talk, answering, closing, silence, trickling

pytestmark = pytest.mark.both_loops

LOOPBACK = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))


async def send(address: str, *, timeout: float = 5, method: str = "POST", header: str = "s3cret") -> Outcome:
    """One send full of secrets; none of them may be in what it says."""
    request = OutgoingRequest(
        method=method, address=f"{address}/?token=s3cret", headers=(("X-Key", header),), body=b"s3cret"
    )
    async with HttpSender(LOOPBACK) as sender:
        outcome = await sender.send(request, timeout=timeout)
    assert "s3cret" not in repr(outcome)
    return outcome


def kind_of(outcome: Outcome) -> ErrorKind | None:
    return None if outcome.failure is None else outcome.failure.kind


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PROMISED = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"

BROKEN: dict[str, Script] = {
    "no HTTP": closing(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "half a status line": closing(b"HTTP/1.1 20"),
    "half a header": closing(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "fewer bytes than promised": closing(PROMISED + b"ten bytes."),
    "more bytes than promised": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more"),
    "two lengths": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    "a length that is none": answering(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"),
    "a broken chunk": answering(CHUNKED + b"zz\r\nok\r\n0\r\n\r\n"),
    "no last chunk": closing(CHUNKED + b"2\r\nok\r\n"),
    "a header without end": trickling(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 4096),
    "headers without end": trickling(b"HTTP/1.1 200 OK\r\n", b"X-A: x\r\n" * 50),
    "interim answers without end": trickling(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "switching protocols": answering(b"HTTP/1.1 101 Switching\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"),
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_breaks_http_is_a_protocol_failure(script: Script) -> None:
    async with Endpoint(script) as endpoint:
        outcome = await send(endpoint.url)
    assert (kind_of(outcome), outcome.remote) == (ErrorKind.PROTOCOL, f"127.0.0.1:{endpoint.port}")


LATE: dict[str, Script] = {
    "never": silence,
    "fewer bytes than promised and waiting": answering(PROMISED + b"ten bytes."),
    "a trickle of body": trickling(CHUNKED, b"1\r\nx\r\n"),
    "a trickle of headers": trickling(b"HTTP/1.1 200 OK\r\nX-A: ", b"x"),
}


@pytest.mark.parametrize("script", LATE.values(), ids=LATE)
async def test_an_answer_that_is_not_there_in_time_is_a_timeout(script: Script) -> None:
    async with Endpoint(script) as endpoint:
        outcome = await send(endpoint.url, timeout=0.1)
        async with asyncio.timeout(5):
            await endpoint.ended.acquire()
    assert outcome.failure == Failure(kind=ErrorKind.TIMEOUT, message="No complete answer within 0.1 s.")
    assert 90_000 < outcome.duration_us < 5_000_000  # uvloop's clock ticks in milliseconds


async def test_a_body_that_is_not_read_is_a_timeout() -> None:
    async def script(talk: Talk) -> None:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        request = OutgoingRequest(method="POST", address=endpoint.url, headers=(), body=b"x" * 50_000_000)
        outcome = await sender.send(request, timeout=0.1)
    assert kind_of(outcome) == ErrorKind.TIMEOUT


async def test_a_deadline_inside_another_is_the_one_that_counts() -> None:
    async with Endpoint(silence) as endpoint, asyncio.timeout(5) as outer:
        outcome = await send(endpoint.url, timeout=0.05)
        task = asyncio.current_task()
        assert task is not None
        assert (kind_of(outcome), outer.expired(), task.cancelling()) == (ErrorKind.TIMEOUT, False, 0)


async def test_a_deadline_around_is_not_taken_for_ours() -> None:
    async with Endpoint(silence) as endpoint:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await send(endpoint.url, timeout=5)


TOO_LARGE: dict[str, bytes] = {
    "one byte": b"HTTP/1.1 200 OK\r\nContent-Length: 262145\r\n\r\n" + b"x" * 262_145,
    "one byte in a chunk": CHUNKED + b"40001\r\n" + b"x" * 262_145 + b"\r\n0\r\n\r\n",
    "much": b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
}


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_an_answer_over_the_limit_is_too_large(answer: bytes) -> None:
    async with Endpoint(answering(answer)) as endpoint:
        outcome = await send(endpoint.url)
    assert outcome.failure == Failure(kind=ErrorKind.TOO_LARGE, message="The answer is longer than 262144 bytes.")


async def test_an_answer_that_is_not_read_to_its_end_costs_the_connection() -> None:
    async with Endpoint(answering(TOO_LARGE["much"])) as endpoint, HttpSender(LOOPBACK) as sender:
        request = OutgoingRequest(method="POST", address=endpoint.url, headers=(), body=b"{}")
        for _ in range(2):
            await sender.send(request, timeout=5)
    assert endpoint.connections == 2


async def test_an_answer_without_end_is_too_large() -> None:
    async with Endpoint(trickling(CHUNKED, b"8000\r\n" + b"x" * 0x8000 + b"\r\n")) as endpoint:
        assert kind_of(await send(endpoint.url)) == ErrorKind.TOO_LARGE


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_new_connection_that_closes_unanswered_is_a_failure_and_no_resend(method: str) -> None:
    async with Endpoint(closing()) as endpoint:
        outcome = await send(endpoint.url, method=method)
    assert outcome.failure == Failure(
        kind=ErrorKind.CONNECTION, message="The server closed the connection before it answered."
    )
    assert len(endpoint.requests) == 1


async def test_a_resend_that_is_not_answered_either_is_a_failure() -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        if talk.number == 1:
            await talk.send(OK)
            await talk.receive()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        request = OutgoingRequest(method="POST", address=endpoint.url, headers=(), body=b"{}")
        outcomes = [await sender.send(request, timeout=5) for _ in range(2)]
    assert [kind_of(outcome) for outcome in outcomes] == [None, ErrorKind.CONNECTION]
    assert (endpoint.connections, len(endpoint.requests)) == (2, 3)


async def test_closing_the_sender_fails_what_is_still_being_sent() -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(OK)
        await talk.receive()
        await talk.until_closed()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        request = OutgoingRequest(method="POST", address=endpoint.url, headers=(), body=b"{}")
        await sender.send(request, timeout=5)
        await endpoint.arrived.acquire()
        task = asyncio.create_task(sender.send(request, timeout=5))
        await endpoint.arrived.acquire()
        await sender.close()
        assert kind_of(await task) == ErrorKind.CONNECTION


async def test_a_kept_connection_that_breaks_off_in_its_answer_is_no_resend() -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(OK)
        await talk.receive()
        await talk.send(b"HTTP/1.1 200 OK\r\nConte")

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        request = OutgoingRequest(method="PUT", address=endpoint.url, headers=(), body=b"{}")
        outcomes = [await sender.send(request, timeout=5) for _ in range(2)]
    assert [kind_of(outcome) for outcome in outcomes] == [None, ErrorKind.PROTOCOL]
    assert len(endpoint.requests) == 2


async def test_a_reset_is_a_connection_failure() -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        talk.reset()

    async with Endpoint(script) as endpoint:
        assert kind_of(await send(endpoint.url)) == ErrorKind.CONNECTION


async def test_a_port_without_a_listener_is_a_connection_failure() -> None:
    async with Endpoint(silence) as endpoint:
        pass
    outcome = await send(endpoint.url)
    assert outcome.failure == Failure(kind=ErrorKind.CONNECTION, message="The server refused the connection.")
    assert outcome.remote is None


@pytest.mark.parametrize("header", ["a\r\nX-B: b", "a\nb", "a\0b"])
async def test_a_header_that_would_break_the_request_is_never_sent(header: str) -> None:
    async with Endpoint(silence) as endpoint:
        outcome = await send(endpoint.url, header=header)
    assert (kind_of(outcome), endpoint.requests) == (ErrorKind.PROTOCOL, [])


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:99999", "ftp://127.0.0.1", "http://", "http://a@127.0.0.1", "http://127.0.0.1/a b", "/a"],
)
async def test_an_address_that_http_cannot_carry_is_a_protocol_failure(address: str) -> None:
    assert kind_of(await send(address)) == ErrorKind.PROTOCOL
