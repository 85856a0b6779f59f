"""The corpus of forbidden addresses against the sender: nothing of it reaches the trap."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from hookward.adapters.http_client.connector import SenderBounds
from hookward.adapters.http_client.sender import HttpSender
from hookward.domain.delivery.outcome import ErrorKind, Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy, EgressProxy
from tests.integration.endpoint import OK, Endpoint, answering
from tests.integration.names import Names
from tests.integration.proxy import Tunneling, proxy_of
from tests.ssrf import CORPUS, LOOPBACK, NAMES, HostileNames, Trap, at, embeddings, notations

pytestmark = pytest.mark.both_loops

CONTROL = "127.0.0.3"
ONE_OPENED = EgressPolicy(allow=(ip_network(f"{CONTROL}/32"),))
ALL_OPENED = EgressPolicy(allow=(ip_network("0.0.0.0/0"), ip_network("::/0")))


async def send(sender: HttpSender, address: str, timeout: float = 5) -> Outcome:
    return await sender.send(OutgoingRequest(method="POST", address=address, headers=(), body=b"{}"), timeout=timeout)


async def drive(policy: EgressPolicy, trap: Trap, proxy: EgressProxy | None = None) -> dict[str, ErrorKind | None]:
    """What came of each address; the control is reached before and after, so that nothing was merely broken."""
    control = f"http://{CONTROL}:{trap.port}/"
    found: dict[str, ErrorKind | None] = {}
    async with HttpSender(policy, resolver=HostileNames(), proxy=proxy) as sender:
        assert (await send(sender, control)).response is not None
        for address in at(trap.port):
            outcome = await send(sender, address)
            found[address] = None if outcome.failure is None else outcome.failure.kind
        assert (await send(sender, control)).response is not None
    return found


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(set(CORPUS)) >= 300


async def test_no_address_of_the_corpus_is_reached() -> None:
    async with Trap() as trap:
        found = await drive(ONE_OPENED, trap)
        assert trap.connections == 2  # the controls
    assert {address: kind for address, kind in found.items() if kind not in _REFUSED} == {}


async def test_no_address_of_the_corpus_is_asked_of_a_proxy() -> None:
    tunneling = Tunneling()
    async with Trap() as trap, Endpoint(tunneling) as proxy:
        found = await drive(ONE_OPENED, trap, proxy_of(proxy))
        control = f"{CONTROL}:{trap.port}"
        assert (tunneling.asked, trap.connections) == ([control, control], 2)
    assert {address: kind for address, kind in found.items() if kind not in _REFUSED} == {}


_REFUSED = {ErrorKind.FORBIDDEN_ADDRESS, ErrorKind.PROTOCOL, ErrorKind.DNS}


@pytest.mark.parametrize("host", [*notations(LOOPBACK), *embeddings(LOOPBACK), *NAMES])
async def test_an_address_that_is_one_is_called_forbidden(host: str) -> None:
    async with HttpSender(EgressPolicy(), resolver=HostileNames()) as sender:
        outcome = await send(sender, f"http://{host}:8080/")
    assert outcome.failure is not None
    assert outcome.failure.kind == ErrorKind.FORBIDDEN_ADDRESS


@pytest.mark.parametrize(
    "host",
    [
        LOOPBACK, "127.0.0.2", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost",
        "LOCALHOST", "spoofed.attacker.example", "mapped.attacker.example", "any.attacker.example",
    ],
)  # fmt: skip
async def test_the_trap_would_be_reached_if_all_were_opened(host: str) -> None:
    async with Trap() as trap, HttpSender(ALL_OPENED, resolver=HostileNames()) as sender:
        outcome = await send(sender, f"http://{host}:{trap.port}/")
    assert (outcome.response and outcome.response.body, trap.connections) == (b"ok", 1)


@pytest.mark.parametrize(
    "answers",
    [
        [[CONTROL], [LOOPBACK]],
        [[CONTROL], ["::1"]],
        [[CONTROL], ["::ffff:127.0.0.1"]],
        [[CONTROL], ["0.0.0.0"]],
        [[CONTROL], [LOOPBACK, "::1", "127.0.0.2"]],
    ],
)
async def test_a_name_that_is_bound_again_is_not_followed(answers: list[list[str]]) -> None:
    bounds = SenderBounds(dns_ttl=0)
    async with Trap() as trap, HttpSender(ONE_OPENED, resolver=Names(*answers), bounds=bounds) as sender:
        outcomes = [await send(sender, f"http://rebinding.attacker.example:{trap.port}/") for _ in range(3)]
    assert [outcome.failure and outcome.failure.kind for outcome in outcomes] == [
        None,
        ErrorKind.FORBIDDEN_ADDRESS,
        ErrorKind.FORBIDDEN_ADDRESS,
    ]
    assert trap.connections == 1


@pytest.mark.parametrize("first", [LOOPBACK, "::1", "0.0.0.0", "::ffff:127.0.0.1"])
async def test_of_a_name_with_both_only_the_allowed_address_is_reached(first: str) -> None:
    names = Names([first, CONTROL, first])
    async with Trap() as trap, HttpSender(ONE_OPENED, resolver=names) as sender:
        outcomes = [await send(sender, f"http://both.attacker.example:{trap.port}/") for _ in range(4)]
    assert [outcome.remote for outcome in outcomes] == [f"{CONTROL}:{trap.port}"] * 4


@pytest.mark.parametrize("host", [LOOPBACK, "[::1]", "localhost", "2130706433", "attacker.example@127.0.0.1"])
async def test_a_redirect_to_a_forbidden_address_is_not_followed(host: str) -> None:
    async with Trap() as trap:
        location = f"http://{host}:{trap.port}/".encode()
        answer = b"HTTP/1.1 307 Moved\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location
        async with Endpoint(answering(answer), host=CONTROL) as endpoint, HttpSender(ONE_OPENED) as sender:
            outcome = await send(sender, endpoint.url)
    assert (outcome.response and outcome.response.status, trap.connections) == (307, 0)


async def test_a_port_of_another_protocol_is_not_connected_to() -> None:
    async with HttpSender(ALL_OPENED, resolver=HostileNames()) as sender:
        outcomes = [await send(sender, f"http://{host}:25/") for host in ("127.0.0.1", "localhost", "[::1]")]
    words = "Port 25 (smtp) belongs to another protocol than HTTP; deliveries may not connect to it unless the operator"
    for outcome in outcomes:
        assert outcome.failure is not None
        assert outcome.failure.kind == ErrorKind.FORBIDDEN_ADDRESS
        assert outcome.failure.message.startswith(words)


async def test_a_listed_port_is_the_only_one() -> None:
    async with Endpoint(answering(OK)) as open_, Trap() as trap:
        policy = EgressPolicy(allow=ALL_OPENED.allow, ports=(range(open_.port, open_.port + 1),))
        async with HttpSender(policy, resolver=HostileNames()) as sender:
            right = await send(sender, open_.url)
            wrong = [await send(sender, f"http://{host}:{trap.port}/") for host in ("127.0.0.1", "localhost", "[::1]")]
    assert right.failure is None
    assert ([each.failure and each.failure.kind for each in wrong], trap.connections) == (
        [ErrorKind.FORBIDDEN_ADDRESS] * 3,
        0,
    )


async def test_a_closed_address_is_not_reached_though_it_is_opened() -> None:
    policy = EgressPolicy(allow=ALL_OPENED.allow, deny=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
    async with Trap() as trap, HttpSender(policy, resolver=HostileNames()) as sender:
        hosts = ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]")
        outcomes = [await send(sender, f"http://{host}:{trap.port}/") for host in hosts]
    kinds = [outcome.failure and outcome.failure.kind for outcome in outcomes]
    assert (kinds, trap.connections) == ([ErrorKind.FORBIDDEN_ADDRESS] * 4, 0)
