"""Request tokens from token endpoints (RFC 6749 §3.2) through the guarded sender: no redirects, all bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from hookward.adapters.oauth.client_keys import ClientKey, UnusableKey, load_private_key
from hookward.adapters.oauth.request import build_token_request
from hookward.adapters.oauth.response import granted
from hookward.application.ports import Clock, Log, Random, Sender
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.oauth.model import (
    AuthorizationRequired,
    ClientAuthMethod,
    GrantType,
    NoToken,
    TokenGrant,
    TokenResponse,
)

_ASSERTION_SECONDS = 60
_KEPT_KEYS = 256
_LONGEST_PLACE = 200


class HttpTokenEndpoint:
    """The ``TokenEndpoint`` port.

    ``sender`` should keep no connections: on a reused connection that turns out to be closed it sends again, and a
    refresh token that is sent twice looks stolen. ``timeout`` is in seconds for one request.
    """

    def __init__(self, sender: Sender, *, timeout: float, clock: Clock, random: Random, log: Log) -> None:
        self._sender = sender
        self._timeout = timeout
        self._clock = clock
        self._random = random
        self._log = log
        self._key = lru_cache(_KEPT_KEYS)(load_private_key)

    async def refresh(self, grant: TokenGrant, refresh_token: str | None) -> TokenResponse:
        """Request a token with the grant type of the definition (RFC 6749 §4.4, §6)."""
        kind, scope = grant.definition.grant_type, grant.definition.scope
        if kind is GrantType.CLIENT_CREDENTIALS:
            return await self._ask(grant, kind, {}, scope=scope, consented=None)
        if refresh_token is None:
            raise AuthorizationRequired("There is no refresh token: authorize the watch first.")
        own = {"refresh_token": refresh_token}
        return await self._ask(grant, kind, own, scope=scope, consented="the refresh token")

    async def exchange(self, grant: TokenGrant, *, code: str, verifier: str, redirect_uri: str) -> TokenResponse:
        """Exchange an authorization code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
        own = {"code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        return await self._ask(grant, "authorization_code", own, scope=None, consented="the authorization code")

    async def _ask(
        self, grant: TokenGrant, kind: str, own: Mapping[str, str], *, scope: str | None, consented: str | None
    ) -> TokenResponse:
        request = build_token_request(grant, kind, own, scope=scope, assertion=await self._assertion(grant))
        outcome = await self._sender.send(request, timeout=self._timeout)
        place = place_of(grant.definition.access_token_url)
        try:
            secrets = (grant.client_secret or "", *own.values())
            tokens = _tokens_of(outcome, place=place, consented=consented, secrets=secrets)
        except NoToken as refusal:
            self._note(grant, kind, outcome, refusal.failure)
            raise
        self._note(grant, kind, outcome, None)
        return tokens

    async def _assertion(self, grant: TokenGrant) -> str | None:
        """Return a JWT that authenticates the client, with a unique ``jti`` (RFC 7523 §3)."""
        definition = grant.definition
        if definition.client_auth_method is not ClientAuthMethod.PRIVATE_KEY_JWT:
            return None
        now = self._clock.now_us() // 1_000_000
        claims: dict[str, str | int] = {
            "iss": definition.client_id,
            "sub": definition.client_id,
            "aud": definition.access_token_url,
            "jti": self._random.bytes(16).hex(),
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        try:
            key: ClientKey = await asyncio.to_thread(self._key, grant.client_secret or "")  # RSA keys take a while
        except UnusableKey as unusable:
            raise NoToken(f"For private_key_jwt the clientSecret {unusable}.") from None
        return key.sign(claims)

    def _note(self, grant: TokenGrant, kind: str, outcome: Outcome, failure: Failure | None) -> None:
        self._log.info(
            "token.asked",
            account=grant.account,
            credential_id=grant.credential.hex(),
            grant=str(kind),
            status=None if outcome.response is None else outcome.response.status,
            ms=outcome.duration_us // 1000,
            error=None if failure is None else failure.message,
        )


def place_of(address: str) -> str:
    """Return the name of a token endpoint for messages: without user information and query, which may be secret."""
    try:
        parts = urlsplit(address)
    except ValueError:  # the sender reports that it is no URL
        return "The token endpoint"
    return f"The token endpoint {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:_LONGEST_PLACE]


def _tokens_of(outcome: Outcome, *, place: str, consented: str | None, secrets: Collection[str]) -> TokenResponse:
    if outcome.response is not None:
        return granted(outcome.response, place=place, consented=consented, secrets=secrets)
    failure = outcome.failure
    assert failure is not None
    forbidden = failure.kind is ErrorKind.FORBIDDEN_ADDRESS
    kind = failure.kind if forbidden else ErrorKind.OAUTH
    raise NoToken(f"{place} {'may not be asked' if forbidden else 'did not answer'}: {failure.message}", kind)
