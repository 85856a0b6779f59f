"""No forbidden network is reached, whatever literals and name servers say."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_network

import pytest
from aiohttp.client_proto import ResponseHandler

from hookward.adapters.http_client.connector import GuardedConnector, SenderBounds, ThreadedResolver
from hookward.adapters.http_client.sender import HttpSender
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy
from tests.integration.endpoint import OK, Endpoint, Script, answering, closing, silence
from tests.integration.names import Names

pytestmark = pytest.mark.both_loops

NOTHING_OPENED = EgressPolicy()
LOOPBACK = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))


async def send(sender: HttpSender, address: str, timeout: float = 5) -> Outcome:
    return await sender.send(OutgoingRequest(method="POST", address=address, headers=(), body=b"{}"), timeout=timeout)


def kind_of(outcome: Outcome) -> ErrorKind | None:
    return None if outcome.failure is None else outcome.failure.kind


LITERALS = """
    127.0.0.1 127.0.0.1. 2130706433 0x7f000001 0x7f.1 0177.0.0.1 127.1 0 ①②⑦.0.0.1
    [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:7f00:0001] [::127.0.0.1] [64:ff9b::7f00:1] [::]
    localhost LOCALHOST
""".split()  # noqa: SIM905


@pytest.mark.parametrize("host", LITERALS)
async def test_no_spelling_of_loopback_is_reached(host: str) -> None:
    async with Endpoint(silence) as endpoint, HttpSender(NOTHING_OPENED) as sender:
        outcome = await send(sender, f"http://{host}:{endpoint.port}/")
    expected = ErrorKind.FORBIDDEN_ADDRESS if host.isascii() else ErrorKind.PROTOCOL
    assert (kind_of(outcome), endpoint.connections, outcome.remote) == (expected, 0, None)


async def test_a_refusal_is_in_the_words_of_the_policy() -> None:
    async with HttpSender(NOTHING_OPENED) as sender:
        outcome = await send(sender, "http://127.0.0.1:9/")
    message = NOTHING_OPENED.refusal("127.0.0.1", 9)
    assert message is not None
    assert outcome.failure == Failure(kind=ErrorKind.FORBIDDEN_ADDRESS, message=message)


async def test_an_opened_address_is_reached_in_its_mapped_form_too() -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await send(sender, f"http://[::ffff:127.0.0.1]:{endpoint.port}/")
    assert (kind_of(outcome), outcome.remote) == (None, f"[::ffff:127.0.0.1]:{endpoint.port}")


async def test_a_real_look_up_reaches_an_opened_address() -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        outcome = await send(sender, f"http://localhost:{endpoint.port}/")
    assert (kind_of(outcome), outcome.remote) == (None, f"127.0.0.1:{endpoint.port}")


async def test_a_name_of_a_forbidden_address_is_not_reached() -> None:
    async with Endpoint(silence) as endpoint, HttpSender(NOTHING_OPENED, resolver=Names(["127.0.0.1"])) as sender:
        outcome = await send(sender, f"http://hook.example:{endpoint.port}/")
    assert (kind_of(outcome), endpoint.connections) == (ErrorKind.FORBIDDEN_ADDRESS, 0)


async def test_a_name_is_reached_at_those_of_its_addresses_that_are_allowed() -> None:
    names = Names(["127.0.0.2", "10.0.0.1", "127.0.0.1", "169.254.169.254"])
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK, resolver=names) as sender:
        outcome = await send(sender, f"http://hook.example:{endpoint.port}/")
    assert outcome.remote == f"127.0.0.1:{endpoint.port}"


async def test_a_name_whose_allowed_address_is_down_may_be_tried_again() -> None:
    async with Endpoint(silence) as endpoint:
        pass
    async with HttpSender(LOOPBACK, resolver=Names(["127.0.0.1", "10.0.0.1"])) as sender:
        outcome = await send(sender, f"http://hook.example:{endpoint.port}/")
    assert kind_of(outcome) == ErrorKind.CONNECTION


@pytest.mark.parametrize("script", [answering(OK), closing(OK)])
async def test_a_name_that_is_bound_again_is_judged_again(script: Script) -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    bounds = SenderBounds(dns_ttl=0)
    async with (
        Endpoint(script) as endpoint,
        Endpoint(silence) as other,
        HttpSender(LOOPBACK, bounds=bounds, resolver=names) as sender,
    ):
        first = await send(sender, f"http://hook.example:{endpoint.port}/")
        second = await send(sender, f"http://hook.example:{other.port}/")
    assert (kind_of(first), kind_of(second)) == (None, ErrorKind.FORBIDDEN_ADDRESS)
    assert (names.asked, other.connections) == (2, 0)


async def test_a_socket_is_refused_even_when_the_look_up_let_its_address_pass() -> None:
    connector = GuardedConnector(LOOPBACK, Names(["127.0.0.1"]), SenderBounds(), None)
    try:
        with pytest.raises(OSError, match="loopback"):
            connector._socket((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.2", 80)))
    finally:
        await connector.close()


async def test_a_peer_that_is_gone_before_it_is_noted_breaks_nothing() -> None:
    connector = GuardedConnector(LOOPBACK, Names(["127.0.0.1"]), SenderBounds(), None)
    try:
        assert connector._note_peer(ResponseHandler(asyncio.get_running_loop())) == ""
    finally:
        await connector.close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError("broken"), "no answer"),
        ([], "the name has no address"),
    ],
)
async def test_a_name_without_address_is_a_dns_failure(answer: list[str] | OSError, message: str) -> None:
    async with HttpSender(LOOPBACK, resolver=Names(answer)) as sender:
        outcome = await send(sender, "http://hook.example/")
    assert outcome.failure == Failure(kind=ErrorKind.DNS, message=f"The host name was not found: {message}.")


async def test_an_impossible_name_is_a_dns_failure() -> None:
    async with HttpSender(LOOPBACK) as sender:
        outcome = await send(sender, f"http://{'a' * 64}.example/")
    assert kind_of(outcome) == ErrorKind.DNS


async def test_a_name_server_that_does_not_answer_is_a_timeout() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async with HttpSender(LOOPBACK, resolver=Names(forever)) as sender:
        outcome = await send(sender, "http://hook.example/", timeout=0.05)
    assert outcome.failure == Failure(kind=ErrorKind.TIMEOUT, message="No connection within 0.05 s.")


async def test_a_look_up_gives_numeric_addresses() -> None:
    resolver = ThreadedResolver(1)
    found = await resolver.resolve("localhost", 80)
    await resolver.close()
    assert {NOTHING_OPENED.refusal(result["host"], 443) is not None for result in found} == {True}
