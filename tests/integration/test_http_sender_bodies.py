"""Bodies too large to be written at once, and servers that do not take them."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest

from hookward.adapters.http_client.sender import HttpSender
from hookward.domain.delivery.outcome import ErrorKind, Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy
from tests.integration.endpoint import OK, Endpoint, Talk

pytestmark = pytest.mark.both_loops

LOOPBACK = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))
HUGE = b"x" * 50_000_000


def request(address: str, body: bytes = HUGE) -> OutgoingRequest:
    return OutgoingRequest(method="POST", address=address, headers=(), body=body)


def kind_of(outcome: Outcome) -> ErrorKind | None:
    return None if outcome.failure is None else outcome.failure.kind


async def until(reached: asyncio.Semaphore) -> None:
    async with asyncio.timeout(5):
        await reached.acquire()


async def until_stuck(sender: HttpSender) -> asyncio.Transport:
    """Wait until a connection holds as much now as a moment ago, and return its transport."""
    held = 0
    while True:
        await asyncio.sleep(0.01)
        transports = [each.transport for each in sender._connector._peers if each.transport is not None]
        size = transports[0].get_write_buffer_size() if transports else 0
        if size and size == held:
            return transports[0]
        held = size


async def test_a_body_that_is_not_read_waits_outside_the_transport() -> None:
    async def script(talk: Talk) -> None:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        sending = asyncio.create_task(sender.send(request(endpoint.url), timeout=0.3))
        most = 0
        while not sending.done():
            await asyncio.sleep(0.01)
            for protocol in sender._connector._peers:
                if protocol.transport is not None:
                    most = max(most, protocol.transport.get_write_buffer_size())
    assert kind_of(await sending) == ErrorKind.TIMEOUT
    assert 0 < most <= 256 * 1024


async def test_an_answer_before_the_end_of_a_body_counts_and_costs_the_connection() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.readuntil(b"\r\n\r\n")
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await talk.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        for _ in range(2):
            outcome = await sender.send(request(endpoint.url), timeout=5)
            assert outcome.response is not None
            assert outcome.response.status == 413
    assert endpoint.connections == 2


async def test_a_server_that_answers_without_reading_gets_no_more_on_that_connection() -> None:
    turn = asyncio.Semaphore(0)

    async def script(talk: Talk) -> None:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while talk.number == 1:
            await turn.acquire()
            await talk.send(OK)
        await talk.send(OK)
        await asyncio.Event().wait()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        transports = []
        for _ in range(400):  # 64 KiB each, more than the buffers on the way hold
            sending = asyncio.create_task(sender.send(request(endpoint.url, b"x" * 65_536), timeout=5))
            await asyncio.sleep(0)
            turn.release()
            await sending
            transports += [each.transport for each in sender._connector._peers if each.transport is not None]
            if endpoint.connections > 1:
                break
        assert endpoint.connections == 2
        async with asyncio.timeout(5):
            while transports[0].get_write_buffer_size():
                await asyncio.sleep(0.01)


async def test_what_a_body_that_is_not_read_has_filled_is_given_back_at_once() -> None:
    async def script(talk: Talk) -> None:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        sending = asyncio.create_task(sender.send(request(endpoint.url), timeout=0.3))
        async with asyncio.timeout(5):
            transport = await until_stuck(sender)
        await sending
        async with asyncio.timeout(5):
            while transport.get_write_buffer_size():
                await asyncio.sleep(0.01)


async def test_a_large_body_on_a_connection_that_breaks_is_a_failure() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.readuntil(b"\r\n\r\n")
        talk.reset()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await sender.send(request(endpoint.url), timeout=5)
    assert kind_of(outcome) == ErrorKind.CONNECTION


async def test_a_large_body_is_sent_again_whole_when_a_kept_connection_turns_out_closed() -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(OK)
        if talk.number > 1:
            await talk.until_closed()

    body = b"x" * 2_000_000
    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        outcomes = [await sender.send(request(endpoint.url, body), timeout=5) for _ in range(2)]
    assert [kind_of(outcome) for outcome in outcomes] == [None, None]
    assert [len(received.body) for received in endpoint.requests] == [len(body)] * 2


async def test_a_cancelled_large_body_closes_its_connection() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.readuntil(b"\r\n\r\n")
        talk.endpoint.arrived.release()
        await talk.until_closed()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        task = asyncio.create_task(sender.send(request(endpoint.url), timeout=5))
        await until(endpoint.arrived)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(endpoint.ended)
    assert [each for each in asyncio.all_tasks() if each.get_name() == "http.write"] == []


async def test_closing_waits_for_no_reader_of_a_body() -> None:
    async def script(talk: Talk) -> None:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK) as sender:
        sending = asyncio.create_task(sender.send(request(endpoint.url), timeout=60))
        async with asyncio.timeout(5):
            await until_stuck(sender)
            await sender.close()
        assert kind_of(await sending) == ErrorKind.CONNECTION
