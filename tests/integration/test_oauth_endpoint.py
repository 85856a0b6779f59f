"""Token requests on the wire, and endpoints that fail."""

from __future__ import annotations

import asyncio
import base64
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
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
from hookward.domain.oauth.model import (
    AuthorizationRequired,
    ClientAuthMethod,
    GrantType,
    NoToken,
    OAuthDefinition,
    TokenGrant,
    TokenResponse,
)
from tests.fakes.null_log import NullLog
from tests.integration.endpoint import Endpoint, Received, answering, closing, silence

BODY = b'{"access_token":"a1","token_type":"Bearer","expires_in":60,"refresh_token":"r2"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
ID, SECRET = "me+you:here", "s3 cr:et%é"
LOOPBACK = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))


def grant(address: str, method: ClientAuthMethod = ClientAuthMethod.BASIC, **more: Any) -> TokenGrant:
    secret = more.pop("secret", SECRET)
    definition = OAuthDefinition(client_id=ID, access_token_url=address, client_auth_method=method, **more)
    return TokenGrant(
        account=AccountId(1), credential=CredentialId(bytes(16)), definition=definition, client_secret=secret,
        variant=b"v",
    )  # fmt: skip


def asking(sender: HttpSender, timeout: float = 5.0, log: Any = None) -> HttpTokenEndpoint:
    return HttpTokenEndpoint(sender, timeout=timeout, clock=SystemClock(), random=SystemRandom(), log=log or NullLog())


async def sent(given: TokenGrant, refresh_token: str | None = "r 1") -> tuple[Received, dict[str, list[str]]]:
    """What reaches the token endpoint, wherever ``given`` has it."""
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        there = replace(given.definition, access_token_url=endpoint.url + "/token?tenant=1")
        tokens = await asking(sender).refresh(replace(given, definition=there), refresh_token)
    assert tokens == TokenResponse(access_token="a1", lifetime=60.0, refresh_token="r2")
    (received,) = endpoint.requests
    return received, parse_qs(received.body.decode(), keep_blank_values=True, strict_parsing=True)


async def test_basic_encodes_each_part_before_it_joins_them() -> None:
    received, form = await sent(grant("", scope="read write"))
    assert received.line == "POST /token?tenant=1 HTTP/1.1"
    assert received.headers["content-type"] == "application/x-www-form-urlencoded"
    assert received.headers["accept"] == "application/json"
    scheme, _, given = received.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(given)) == ("Basic", b"me%2Byou%3Ahere:s3+cr%3Aet%25%C3%A9")
    assert form == {"grant_type": ["refresh_token"], "refresh_token": ["r 1"], "scope": ["read write"]}


async def test_post_gives_the_secret_in_the_body() -> None:
    received, form = await sent(grant("", ClientAuthMethod.POST, grant_type=GrantType.CLIENT_CREDENTIALS), None)
    assert "authorization" not in received.headers
    assert form == {"grant_type": ["client_credentials"], "client_id": [ID], "client_secret": [SECRET]}


async def test_a_public_client_says_who_it_is() -> None:
    received, form = await sent(grant("", ClientAuthMethod.NONE, secret=None))
    assert "authorization" not in received.headers
    assert form == {"grant_type": ["refresh_token"], "refresh_token": ["r 1"], "client_id": [ID]}


async def test_a_key_signs_an_assertion_that_is_never_the_same() -> None:
    key = ECKey.generate_key("P-256")
    given = grant("", ClientAuthMethod.PRIVATE_KEY_JWT, secret=key.as_pem(private=True).decode())
    seen = set()
    for _ in range(2):
        _, form = await sent(given)
        claims = jwt.decode(form["client_assertion"][0], key, algorithms=["ES256"]).claims
        assert (claims["iss"], claims["sub"]) == (ID, ID)
        assert claims["aud"].endswith("/token?tenant=1")
        assert claims["exp"] - claims["iat"] == 60
        assert abs(claims["iat"] - SystemClock().now_us() / 1e6) < 30
        seen.add(claims["jti"])
        assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
        assert form["client_id"] == [ID]
        assert "client_secret" not in form
    assert len(seen) == 2


async def test_further_parameters_are_sent_and_replace_nothing() -> None:
    extra = {"audience": "https://api.example/?a=b&c", "empty": "", "body": "x=1", "grant_type": "password",
             "client_secret": "other", "scope": "all"}  # fmt: skip
    _, form = await sent(grant("", scope="some", extra_parameters=extra))
    assert form == {
        "grant_type": ["refresh_token"], "refresh_token": ["r 1"], "scope": ["some"],
        "audience": [extra["audience"]], "empty": [""], "body": ["x=1"],
    }  # fmt: skip


async def test_a_code_is_exchanged_with_its_verifier() -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        there = grant(endpoint.url, scope="some", extra_parameters={"resource": "urn:x"})
        await asking(sender).exchange(there, code="c 1", verifier="v~1", redirect_uri="https://here.example/cb?x=1")
    assert parse_qs(endpoint.requests[0].body.decode()) == {
        "grant_type": ["authorization_code"], "code": ["c 1"], "code_verifier": ["v~1"],
        "redirect_uri": ["https://here.example/cb?x=1"], "resource": ["urn:x"],
    }  # fmt: skip


async def test_without_refresh_token_no_request_is_made() -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        with pytest.raises(AuthorizationRequired):
            await asking(sender).refresh(grant(endpoint.url), None)
    assert endpoint.connections == 0


async def refused(script: Any, *, timeout: float = 5.0, bounds: SenderBounds | None = None) -> tuple[Endpoint, NoToken]:
    async with Endpoint(script) as endpoint, HttpSender(LOOPBACK, bounds=bounds) as sender:
        with pytest.raises(NoToken) as caught:
            await asking(sender, timeout).refresh(grant(f"{endpoint.url}/token?key=s3cret"), "r1-s3cret")
    message = caught.value.failure.message
    assert message.startswith(f"The token endpoint {endpoint.url}/token ")
    assert "s3cret" not in f"{message} {caught.value!r}"
    assert type(caught.value) is NoToken
    return endpoint, caught.value


async def test_an_endpoint_that_does_not_answer_is_waited_for_no_longer_than_allowed() -> None:
    _, refusal = await refused(silence, timeout=0.05)
    assert (refusal.failure.kind, "No complete answer within 0.05 s" in str(refusal)) == (ErrorKind.OAUTH, True)


async def test_a_closed_connection_is_a_failure_of_the_token_endpoint() -> None:
    _, refusal = await refused(closing())
    assert refusal.failure.kind is ErrorKind.OAUTH
    assert "did not answer: The server closed the connection" in str(refusal)


@pytest.mark.parametrize("told", ["correcthorsebattery", "not_correcthorsebattery_but", "r_one_r_two"])
async def test_an_error_code_that_is_a_secret_that_was_sent_is_not_repeated(told: str) -> None:
    body = b'{"error":"%b"}' % told.encode()
    answer = b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with Endpoint(answering(answer)) as endpoint, HttpSender(LOOPBACK) as sender:
        with pytest.raises(NoToken) as caught:
            await asking(sender).refresh(grant(endpoint.url, secret="correcthorsebattery"), "r_one_r_two")
    assert ("correcthorsebattery" in str(caught.value), "r_one_r_two" in str(caught.value)) == (False, False)
    assert " answered 400, " in str(caught.value)


async def test_a_redirect_is_not_followed() -> None:
    async with Endpoint(answering(OK)) as target:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {target.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        _, refusal = await refused(answering(moved))
    assert "redirects are not followed" in str(refusal)
    assert target.connections == 0


async def test_a_long_answer_is_too_large() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b" " * 99_999
    _, refusal = await refused(answering(endless), bounds=SenderBounds(log_limit=65_536, answer_limit=65_536))
    assert "did not answer: The answer is longer than 65536 bytes" in str(refusal)


async def test_a_forbidden_address_is_not_asked() -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(EgressPolicy()) as sender:
        with pytest.raises(NoToken) as caught:
            await asking(sender).refresh(grant(f"{endpoint.url}/token"), "r1")
    assert caught.value.failure.kind is ErrorKind.FORBIDDEN_ADDRESS
    assert "may not be asked: " in str(caught.value)
    assert endpoint.connections == 0


async def test_a_key_that_cannot_sign_makes_no_request() -> None:
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        with pytest.raises(NoToken, match="the clientSecret must be a private key") as caught:
            await asking(sender).refresh(grant(endpoint.url, ClientAuthMethod.PRIVATE_KEY_JWT), "r1")
    assert SECRET not in str(caught.value)
    assert endpoint.connections == 0


async def test_no_connection_is_used_for_a_second_token_request() -> None:
    settings = Settings(egress=EgressSettings(allow=LOOPBACK.allow))
    async with Endpoint(answering(OK)) as endpoint, open_token_sender(settings) as sender:
        for _ in range(3):
            await asking(sender).refresh(grant(endpoint.url), "r1")
    assert (endpoint.connections, len(endpoint.requests)) == (3, 3)


class Lines(NullLog):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, object]] = []

    def info(self, event: str, /, **values: object) -> None:
        self.lines.append({"event": event, **values})


async def test_each_request_leaves_one_line_without_a_secret() -> None:
    log = Lines()
    async with Endpoint(answering(OK)) as endpoint, HttpSender(LOOPBACK) as sender:
        await asking(sender, log=log).refresh(grant(endpoint.url), "r1-s3cret")
    async with asyncio.timeout(5), HttpSender(LOOPBACK) as sender:
        with pytest.raises(NoToken):
            await asking(sender, log=log).refresh(grant(endpoint.url), "r1-s3cret")
    told = {"event": "token.asked", "account": 1, "credential_id": "00" * 16, "grant": "refresh_token"}
    granted, lost = ({name: value for name, value in line.items() if name != "ms"} for line in log.lines)
    assert granted == {**told, "status": 200, "error": None}
    place = f"The token endpoint {endpoint.url}"
    assert lost == {**told, "status": None, "error": f"{place} did not answer: The server refused the connection."}
