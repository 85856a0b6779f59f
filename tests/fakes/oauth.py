"""The ports of OAuth2 in memory: a token source, a store of credentials, a cache, and an endpoint that rotates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from hookward.application.oauth.credentials import CredentialState, read_state, write_state
from hookward.application.oauth.ports import CredentialLock, CredentialRecord, NewRefreshToken
from hookward.domain.errors import HookwardError, StoreUnavailable
from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.oauth.model import (
    AccessToken,
    AuthorizationRequired,
    GrantType,
    NoToken,
    OAuthDefinition,
    TokenGrant,
    TokenResponse,
    variant_of,
)

ACCOUNT = AccountId(1)
CREDENTIAL = CredentialId(b"credential------")
FAR_US = 9_000_000_000_000_000


def new_grant(
    *, secret: str | None = "hush", credential: CredentialId = CREDENTIAL, account: AccountId = ACCOUNT, **oauth: object
) -> TokenGrant:
    values = {"client_id": "client", "access_token_url": "https://auth.test/token", **oauth}
    definition = msgspec.convert(values, OAuthDefinition)
    return TokenGrant(
        account=account,
        credential=credential,
        definition=definition,
        client_secret=secret,
        variant=variant_of(definition, secret),
    )


def client_credentials(**values: object) -> TokenGrant:
    return new_grant(grant_type=GrantType.CLIENT_CREDENTIALS, **values)  # type: ignore[arg-type]


class FakeTokens:
    """The TokenSource port: ``script`` is what it gives or raises, one after the other, the last one for ever.

    Tokens in ``old`` were asked for long ago, all others just now.
    """

    def __init__(self, *script: str | HookwardError, seconds: float = 0.0) -> None:
        self.script = list(script) or ["token"]
        self.seconds = seconds
        self.old: set[str] = set()
        self.asked: list[tuple[TokenGrant, str | None, float]] = []

    async def get(self, grant: TokenGrant, *, seconds: float) -> AccessToken:
        return await self._give(grant, None, seconds)

    async def renew(self, grant: TokenGrant, refused: AccessToken, *, seconds: float) -> AccessToken:
        return await self._give(grant, refused.value, seconds)

    async def _give(self, grant: TokenGrant, refused: str | None, seconds: float) -> AccessToken:
        self.asked.append((grant, refused, seconds))
        await asyncio.sleep(min(self.seconds, seconds))
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(said, HookwardError):
            raise said
        asked_us = 0 if said in self.old else FAR_US
        return AccessToken(value=said, until_us=FAR_US, asked_us=asked_us)


class FakeCredentials:
    """The CredentialStore port in memory, with one credential. Methods whose names are in ``down`` fail.

    ``on_acquire`` is called before each attempt to lock the credential; ``acquisitions`` counts them.
    """

    def __init__(self, now: Callable[[], float], token: str | None = "r1") -> None:
        self.now = now
        self.there = True
        self.state = CredentialState(original_token=token, token=token)
        self.generation = 1
        self.refused: str | None = None
        self.holder: bytes | None = None
        self.held_until = 0.0
        self.down: set[str] = set()
        self.acquisitions = 0
        self.on_acquire: Callable[[], Awaitable[None]] | None = None

    async def acquire(self, lock: CredentialLock, *, seconds: float) -> CredentialRecord | None:
        if self.on_acquire is not None:
            await self.on_acquire()
        await self._reach("acquire")
        self.acquisitions += 1
        if not self.there:
            return None
        free = self.holder in (None, lock.holder) or self.held_until <= self.now()
        if free:
            self.holder, self.held_until = lock.holder, self.now() + seconds
        return CredentialRecord(
            state=write_state(self.state), generation=self.generation, refused=self.refused, acquired=free
        )

    async def release(self, lock: CredentialLock) -> None:
        await self._reach("release")
        if self.holder == lock.holder:
            self.holder = None

    async def write(self, lock: CredentialLock, *, expected: int, generation: int, state: bytes) -> bool:
        await self._reach("write")
        if self.holder != lock.holder or self.generation != expected:
            return False
        self.state, self.generation, self.refused = read_state(state), generation, None
        return True

    async def refuse(self, lock: CredentialLock, *, generation: int, reason: str) -> bool:
        await self._reach("refuse")
        if self.holder != lock.holder or self.generation != generation:
            return False
        self.refused, self.holder = reason, None
        return True

    def authorize(self, token: str) -> None:
        """Authorize the credential again, as a browser does without the lock."""
        self.state = CredentialState(original_token=token, token=token)
        self.generation += 1
        self.refused = None

    async def _reach(self, name: str) -> None:
        await asyncio.sleep(0)
        if name in self.down:
            raise StoreUnavailable("away")


class FakeTokenCache:
    """The TokenCache port in memory; while ``away`` it stores nothing and returns nothing."""

    def __init__(self) -> None:
        self.tokens: dict[tuple[bytes, bytes], AccessToken] = {}
        self.refresh_tokens: dict[bytes, NewRefreshToken] = {}
        self.away = False

    async def token(self, grant: TokenGrant) -> AccessToken | None:
        await asyncio.sleep(0)
        return None if self.away else self.tokens.get((grant.credential, grant.variant))

    async def put_token(self, grant: TokenGrant, token: AccessToken) -> None:
        await asyncio.sleep(0)
        if not self.away:
            self.tokens[grant.credential, grant.variant] = token

    async def refresh_token(self, _account: AccountId, credential: CredentialId) -> NewRefreshToken | None:
        await asyncio.sleep(0)
        return None if self.away else self.refresh_tokens.get(credential)

    async def put_refresh_token(self, _account: AccountId, credential: CredentialId, new: NewRefreshToken) -> None:
        await asyncio.sleep(0)
        if not self.away:
            self.refresh_tokens[credential] = new

    async def drop_refresh_token(self, _account: AccountId, credential: CredentialId) -> None:
        await asyncio.sleep(0)
        if not self.away:
            self.refresh_tokens.pop(credential, None)

    def flush(self) -> None:
        """Forget everything."""
        self.tokens.clear()
        self.refresh_tokens.clear()


class RotatingEndpoint:
    """The TokenEndpoint port: a strict server that rotates refresh tokens, and revokes all when one comes twice.

    ``seconds`` is how long a response takes, ``lifetime`` is that of its tokens in seconds. ``fails`` are raised
    instead of the next responses.
    """

    def __init__(self, first: str | None = "r1", *, lifetime: float | None = 100.0, seconds: float = 0.05) -> None:
        self.current = first
        self.lifetime = lifetime
        self.seconds = seconds
        self.rotates = True
        self.revoked = False
        self.asked: list[str | None] = []
        self.fails: list[NoToken] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.on_ask: Callable[[], Awaitable[None]] | None = None

    async def refresh(self, grant: TokenGrant, refresh_token: str | None) -> TokenResponse:
        self.asked.append(refresh_token)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
            if self.on_ask is not None:
                await self.on_ask()
        finally:
            self.in_flight -= 1
        if self.fails:
            raise self.fails.pop(0)
        count = len(self.asked)
        if grant.definition.grant_type is GrantType.CLIENT_CREDENTIALS:
            return TokenResponse(access_token=f"a{count}", lifetime=self.lifetime, refresh_token="surprise")
        if self.revoked or refresh_token != self.current:
            self.revoked = True
            raise AuthorizationRequired("invalid_grant")
        if not self.rotates:
            return TokenResponse(access_token=f"a{count}", lifetime=self.lifetime)
        self.current = f"r{count + 1}"
        return TokenResponse(access_token=f"a{count}", lifetime=self.lifetime, refresh_token=self.current)

    async def exchange(self, grant: TokenGrant, *, code: str, verifier: str, redirect_uri: str) -> TokenResponse:
        raise NotImplementedError
