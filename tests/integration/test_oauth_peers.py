"""Tokens of authorization servers that we did not write, by each grant and client authentication."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from hookward.adapters.clock import SystemClock, SystemRandom
from hookward.adapters.oauth.endpoint import HttpTokenEndpoint
from hookward.bootstrap.factories import open_token_sender
from hookward.config import EgressSettings, Settings
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
from tests.peers import Peer, needs_node

pytestmark = [needs_node, pytest.mark.asyncio(loop_scope="module")]

BASIC, POST, KEY, NONE = (
    ClientAuthMethod.BASIC,
    ClientAuthMethod.POST,
    ClientAuthMethod.PRIVATE_KEY_JWT,
    ClientAuthMethod.NONE,
)
METHODS = {"basic": BASIC, "post": POST, "none": NONE, "rsa": KEY, "pss": KEY, "ec": KEY, "ed": KEY}
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint() -> AsyncIterator[HttpTokenEndpoint]:
    settings = Settings(egress=EgressSettings(allow=(ip_network("127.0.0.1/32"),)))
    async with open_token_sender(settings) as sender:
        yield HttpTokenEndpoint(sender, timeout=10, clock=SystemClock(), random=SystemRandom(), log=NullLog())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def oidc() -> AsyncIterator[Peer]:
    async with Peer("oidc.mjs") as peer:
        yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mock() -> AsyncIterator[Peer]:
    async with Peer("mock.mjs") as peer:
        yield peer


def grant(peer: Peer, client: str = "basic", **more: Any) -> TokenGrant:
    secret = more.pop("secret", peer.told.get("secrets", {}).get(client))
    given = {"grant_type": GrantType.REFRESH_TOKEN, "client_auth_method": METHODS.get(client, BASIC), **more}
    definition = OAuthDefinition(client_id=f"{client}:1", access_token_url=peer.told["token"], **given)
    return TokenGrant(
        account=AccountId(1), credential=CredentialId(bytes(16)), definition=definition, client_secret=secret,
        variant=b"v",
    )  # fmt: skip


async def status(peer: Peer, tokens: TokenResponse) -> int:
    """What the resource says to who comes with the token."""
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    async with aiohttp.request("POST", peer.told["resource"], headers=headers) as answer:
        return answer.status


async def minted(peer: Peer, client: str = "basic") -> str:
    return str((await peer.ask(do="mint", client=client))["token"])


@pytest.mark.parametrize("client", METHODS)
async def test_a_refresh_token_is_rotated_for_each_client_authentication(
    client: str, oidc: Peer, endpoint: HttpTokenEndpoint
) -> None:
    first = await minted(oidc, client)
    given = grant(oidc, client, scope="openid read", extra_parameters={"resource": oidc.told["api"]})
    tokens = await endpoint.refresh(given, first)
    assert await status(oidc, tokens) == 200
    assert tokens.lifetime == 600
    assert tokens.refresh_token not in (None, first)
    again = await endpoint.refresh(given, tokens.refresh_token)
    assert await status(oidc, again) == 200


@pytest.mark.parametrize("client", [client for client, method in METHODS.items() if method is not NONE])
async def test_a_client_s_own_credentials_are_taken_for_each_client_authentication(
    client: str, oidc: Peer, endpoint: HttpTokenEndpoint
) -> None:
    more = {"scope": "read", "extra_parameters": {"resource": oidc.told["api"]}}
    tokens = await endpoint.refresh(grant(oidc, client, grant_type=GrantType.CLIENT_CREDENTIALS, **more), None)
    assert await status(oidc, tokens) == 200
    assert (tokens.lifetime, tokens.refresh_token) == (600, None)


@pytest.mark.parametrize("client", METHODS)
async def test_a_code_is_exchanged_for_each_client_authentication(
    client: str, oidc: Peer, endpoint: HttpTokenEndpoint
) -> None:
    code = (await oidc.ask(do="code", client=client, challenge=CHALLENGE))["code"]
    given = grant(oidc, client)
    tokens = await endpoint.exchange(given, code=code, verifier=VERIFIER, redirect_uri=oidc.told["redirect"])
    assert await status(oidc, tokens) == 200
    again = await endpoint.refresh(given, tokens.refresh_token)
    assert await status(oidc, again) == 200


async def test_what_a_browser_brings_back_is_exchanged(oidc: Peer, endpoint: HttpTokenEndpoint) -> None:
    asked = {
        "response_type": "code", "client_id": "none:1", "redirect_uri": oidc.told["redirect"], "state": "s",
        "scope": "openid offline_access read", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        address = URL(oidc.told["authorize"]).with_query(asked)
        for _ in range(8):
            if str(address).startswith(oidc.told["redirect"]):
                break
            async with browser.get(address, allow_redirects=False) as answer:
                assert answer.status == 303, await answer.text()
                address = address.join(URL(answer.headers["Location"]))
    assert (address.query["state"], address.query["iss"]) == ("s", oidc.told["url"])
    tokens = await endpoint.exchange(
        grant(oidc, "none"), code=address.query["code"], verifier=VERIFIER, redirect_uri=oidc.told["redirect"]
    )
    assert await status(oidc, tokens) == 200
    assert tokens.refresh_token is not None


async def test_a_code_goes_only_with_its_verifier(oidc: Peer, endpoint: HttpTokenEndpoint) -> None:
    code = (await oidc.ask(do="code", client="basic", challenge=CHALLENGE))["code"]
    with pytest.raises(AuthorizationRequired, match="refused the authorization code"):
        await endpoint.exchange(grant(oidc), code=code, verifier="w" * 43, redirect_uri=oidc.told["redirect"])


async def test_a_refresh_token_that_comes_twice_ends_all_that_was_granted(
    oidc: Peer, endpoint: HttpTokenEndpoint
) -> None:
    before = (await oidc.ask(do="counts"))["revoked"]
    first = await minted(oidc)
    tokens = await endpoint.refresh(grant(oidc), first)
    with pytest.raises(AuthorizationRequired, match="refused the refresh token"):
        await endpoint.refresh(grant(oidc), first)
    assert await status(oidc, tokens) == 401
    with pytest.raises(AuthorizationRequired):
        await endpoint.refresh(grant(oidc), tokens.refresh_token)
    assert (await oidc.ask(do="counts"))["revoked"] == before + 1


async def test_an_access_token_ends_with_its_lifetime(oidc: Peer, endpoint: HttpTokenEndpoint) -> None:
    await oidc.ask(do="live", client="brief", seconds=1)
    tokens = await endpoint.refresh(grant(oidc, "brief"), await minted(oidc, "brief"))
    assert tokens.lifetime == 1
    while await status(oidc, tokens) == 200:  # the server counts whole seconds
        pass
    assert await status(oidc, tokens) == 401


@pytest.mark.parametrize(
    ("client", "more", "told"),
    [
        ("basic", {"secret": "wrong"}, "401, invalid_client; check clientId"),
        ("post", {"secret": "wrong"}, "401, invalid_client; check clientId"),
        ("basic", {"client_auth_method": NONE}, "401, invalid_client; check clientId"),
        ("basic", {"scope": "everything"}, "400, invalid_scope; check scope"),
        (
            "basic",
            {"extra_parameters": {"resource": "https://other.example/"}},
            "400, invalid_target; check the resource",
        ),
    ],
)
async def test_what_the_server_refuses_is_told_by_its_code(
    client: str, more: dict[str, Any], told: str, oidc: Peer, endpoint: HttpTokenEndpoint
) -> None:
    with pytest.raises(NoToken) as caught:
        await endpoint.refresh(grant(oidc, client, **more), await minted(oidc, client))
    assert type(caught.value) is NoToken
    assert told in str(caught.value)


async def test_a_key_of_another_client_is_refused(oidc: Peer, endpoint: HttpTokenEndpoint) -> None:
    with pytest.raises(NoToken, match="401, invalid_client"):
        await endpoint.refresh(grant(oidc, "ec", secret=oidc.told["secrets"]["rsa"]), await minted(oidc, "ec"))


@pytest.mark.parametrize("kind", GrantType)
@pytest.mark.parametrize("client", ["basic", "post", "none"])
async def test_the_mock_server_grants(client: str, kind: GrantType, mock: Peer, endpoint: HttpTokenEndpoint) -> None:
    await mock.ask(do="live", seconds=0.5)
    given = grant(mock, client, secret="s", grant_type=kind)
    tokens = await endpoint.refresh(given, await minted(mock) if kind is GrantType.REFRESH_TOKEN else None)
    assert await status(mock, tokens) == 200
    assert (tokens.lifetime, tokens.refresh_token is None) == (0.5, kind is GrantType.CLIENT_CREDENTIALS)


async def test_what_the_mock_server_does_wrong_is_told(mock: Peer, endpoint: HttpTokenEndpoint) -> None:
    given, token = grant(mock, secret="s"), await minted(mock)
    wrong = {
        "error": "answered 500, server_error.",
        "broken": "answered 200 with something else than a JSON object",
        "tokenless": "answered 200 without an access_token.",
        "lost": "did not answer: The server closed the connection",
    }
    await mock.ask(do="fail", failures=list(wrong))
    for told in wrong.values():
        with pytest.raises(NoToken) as caught:
            await endpoint.refresh(given, token)
        assert (type(caught.value), told in str(caught.value)) == (NoToken, True)
    await mock.ask(do="fail", failures=["keeping"])
    assert (await endpoint.refresh(given, token)).refresh_token is None
    assert (await endpoint.refresh(given, token)).refresh_token is not None
    with pytest.raises(AuthorizationRequired) as spent:
        await endpoint.refresh(given, token)
    assert token not in str(spent.value)
    assert (await mock.ask(do="counts"))["reused"] == 1
