"""Where token requests may go, and on which connections: the corpus of forbidden addresses as token endpoints."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from msgspec.structs import replace

from hookward.adapters.clock import SystemClock, SystemRandom
from hookward.adapters.http_client.connector import SenderBounds
from hookward.adapters.http_client.sender import HttpSender
from hookward.adapters.oauth.endpoint import HttpTokenEndpoint
from hookward.bootstrap.factories import open_token_sender
from hookward.config import EgressSettings, Settings
from hookward.domain.delivery.outcome import ErrorKind
from hookward.domain.egress import EgressPolicy
from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.oauth.model import AuthorizationRequired, NoToken, OAuthDefinition, TokenGrant
from tests.fakes.null_log import NullLog
from tests.integration.endpoint import Endpoint, answering
from tests.integration.names import Names
from tests.integration.proxy import Tunneling, proxy_of
from tests.ssrf import LOOPBACK, NAMES, HostileNames, Trap, at, embeddings, notations

CONTROL = "127.0.0.3"
ONE_OPENED = EgressPolicy(allow=(ip_network(f"{CONTROL}/32"),))
REFUSED = {ErrorKind.FORBIDDEN_ADDRESS, ErrorKind.OAUTH}
BODY = b'{"access_token":"a1","expires_in":60}'
GRANTED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
REACHED = "answered 200 with something else than a JSON object"
"""What a token request comes to that the trap answers."""
REASONS = (
    "unless the operator adds that address or network to egress.allow.",
    "The host is an IPv4 address in an unusual notation; write it as four decimal numbers.",
)


def grant(address: str, account: int = 1) -> TokenGrant:
    definition = OAuthDefinition(client_id="c", access_token_url=address)
    return TokenGrant(
        account=AccountId(account), credential=CredentialId(bytes(16)), definition=definition, client_secret="s",
        variant=b"v",
    )  # fmt: skip


def asking(sender: HttpSender) -> HttpTokenEndpoint:
    return HttpTokenEndpoint(sender, timeout=5.0, clock=SystemClock(), random=SystemRandom(), log=NullLog())


async def refusal(endpoint: HttpTokenEndpoint, address: str, *, code: bool = False) -> NoToken:
    """Why there is no token from ``address``, by a refresh token or for the code of an authorization."""
    back = {"code": "c", "verifier": "v", "redirect_uri": "https://here.example/"}
    with pytest.raises(NoToken) as caught:
        await (endpoint.exchange(grant(address), **back) if code else endpoint.refresh(grant(address), "r"))
    assert not isinstance(caught.value, AuthorizationRequired)  # which would pause the watch
    return caught.value


@pytest.mark.parametrize("code", [False, True], ids=["refresh", "code"])
async def test_no_address_of_the_corpus_is_asked_for_a_token(code: bool) -> None:
    found: dict[str, Any] = {}
    async with Trap() as trap, HttpSender(ONE_OPENED, resolver=HostileNames()) as sender:
        endpoint, control = asking(sender), f"http://{CONTROL}:{trap.port}/"
        assert REACHED in str(await refusal(endpoint, control, code=code))
        for address in at(trap.port):
            found[address] = (await refusal(endpoint, address, code=code)).failure.kind
        assert REACHED in str(await refusal(endpoint, control, code=code))
        assert trap.connections == 2  # the controls
    assert {address: kind for address, kind in found.items() if kind not in REFUSED} == {}


@pytest.mark.parametrize("host", [*notations(LOOPBACK), *embeddings(LOOPBACK), *NAMES])
async def test_a_token_endpoint_where_none_may_be_is_called_forbidden_with_the_reason(host: str) -> None:
    async with HttpSender(EgressPolicy(), resolver=HostileNames()) as sender:
        told = (await refusal(asking(sender), f"http://{host}:8080/token?key=s3cret")).failure
    assert told.kind is ErrorKind.FORBIDDEN_ADDRESS
    assert told.message.startswith(f"The token endpoint http://{host}:8080/token may not be asked: ")
    assert told.message.endswith(REASONS)


@pytest.mark.parametrize("second", [LOOPBACK, "::1", "::ffff:127.0.0.1", "0.0.0.0"])
async def test_a_token_endpoint_whose_name_is_bound_again_is_not_followed(second: str) -> None:
    names, bounds = Names([CONTROL], [second]), SenderBounds(dns_ttl=0, kept_connections=0)
    async with Trap() as trap, HttpSender(ONE_OPENED, resolver=names, bounds=bounds) as sender:
        address = f"http://rebinding.attacker.example:{trap.port}/"
        kinds = [(await refusal(asking(sender), address)).failure.kind for _ in range(3)]
        assert trap.connections == 1
    assert kinds == [ErrorKind.OAUTH, ErrorKind.FORBIDDEN_ADDRESS, ErrorKind.FORBIDDEN_ADDRESS]


@pytest.mark.parametrize("host", [LOOPBACK, "[::1]", "localhost", "2130706433", "attacker.example@127.0.0.1"])
async def test_a_token_endpoint_that_redirects_to_a_forbidden_address_is_not_followed(host: str) -> None:
    async with Trap() as trap:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://{host}:{trap.port}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with Endpoint(answering(moved), host=CONTROL) as endpoint, HttpSender(ONE_OPENED) as sender:
            told = await refusal(asking(sender), endpoint.url)
        assert ("redirects are not followed" in str(told), trap.connections) == (True, 0)


async def test_what_an_operator_closes_is_closed_to_token_requests_too() -> None:
    allow, deny = (ip_network("127.0.0.0/8"),), (ip_network("127.0.0.2/32"),)
    async with Trap() as trap, Trap() as other:
        egress = EgressSettings(allow=allow, deny=deny, ports=(range(trap.port, trap.port + 1),))
        async with open_token_sender(Settings(egress=egress)) as sender:
            told = [
                await refusal(asking(sender), address)
                for address in (
                    f"http://{CONTROL}:{trap.port}/",
                    f"http://127.0.0.2:{trap.port}/",
                    f"http://{CONTROL}:{other.port}/",
                )
            ]
        assert (trap.connections, other.connections) == (1, 0)
    assert [each.failure.kind for each in told] == [ErrorKind.OAUTH, *[ErrorKind.FORBIDDEN_ADDRESS] * 2]


async def test_token_requests_go_through_the_proxy_that_an_operator_names() -> None:
    tunneling = Tunneling()
    async with Endpoint(answering(GRANTED)) as endpoint, Endpoint(tunneling) as proxy, Trap() as trap:
        egress = EgressSettings(allow=(ip_network("127.0.0.1/32"),), proxy=proxy_of(proxy))
        async with open_token_sender(Settings(egress=egress)) as sender:
            for _ in range(2):
                assert (await asking(sender).refresh(grant(endpoint.url), "r")).access_token == "a1"
            told = await refusal(asking(sender), f"http://127.0.0.2:{trap.port}/")
        assert trap.connections == 0
    assert told.failure.kind is ErrorKind.FORBIDDEN_ADDRESS
    assert tunneling.asked == [f"127.0.0.1:{endpoint.port}"] * 2  # a tunnel each


async def test_no_account_follows_another_on_a_connection_to_a_token_endpoint() -> None:
    settings = Settings(egress=EgressSettings(allow=(ip_network("127.0.0.1/32"),)))
    async with Endpoint(answering(GRANTED)) as endpoint, open_token_sender(settings) as sender:
        for account in (1, 2, 1):
            await asking(sender).refresh(replace(grant(endpoint.url), account=AccountId(account)), "r")
    assert (endpoint.connections, len(endpoint.requests)) == (3, 3)
