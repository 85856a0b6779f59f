"""Access tokens, and refresh tokens that could not be saved yet, sealed in Valkey (or Redis).

The service works without it (G2): a value that Valkey does not return within 250 ms counts as absent, and after a
failure Valkey is not asked for a second, so that attempts do not wait for it again and again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hookward.application.oauth.ports import NewRefreshToken
from hookward.application.ports import Clock, Log, Sealer
from hookward.domain.errors import HookwardError
from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.oauth.model import AccessToken, TokenGrant, variant_of
from hookward.domain.sealing import sealed_place

_TIMEOUT_SECONDS = 0.25
_AWAY_SECONDS = 1.0
_REFRESH_TOKEN_MS = 30 * 86400 * 1000
_AWAY = (RedisError, OSError, TimeoutError)
T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_token = msgspec.json.Decoder(AccessToken)
_refresh_token = msgspec.json.Decoder(NewRefreshToken)


def open_token_client(url: str) -> Redis:
    """Open a Valkey client that never waits longer than 250 ms and never retries."""
    pool = BlockingConnectionPool.from_url(
        url,
        timeout=_TIMEOUT_SECONDS,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        max_connections=16,
    )
    return Redis(connection_pool=pool)


class ValkeyTokens:
    """The ``TokenCache`` port on Valkey.

    A key consists of account, credential and a digest of the non-secret parts of the request. The value decrypts only
    with the whole variant as associated data: a watch with another client secret gets nothing, and a dump of Valkey
    holds no digest of a client secret.
    """

    def __init__(self, redis: Redis, sealer: Sealer, *, clock: Clock, log: Log) -> None:
        self._redis = redis
        self._sealer = sealer
        self._clock = clock
        self._log = log
        self._away_until = 0.0

    async def token(self, grant: TokenGrant) -> AccessToken | None:
        """Return the access token that was put here last for this credential and variant."""
        return await self._get(_token_key(grant), _token_subject(grant), _token)

    async def put_token(self, grant: TokenGrant, token: AccessToken) -> None:
        """Share a token until its use ends; one whose use has ended is not shared."""
        left_ms = (token.until_us - self._clock.now_us()) // 1000
        if left_ms > 0:
            await self._put(_token_key(grant), _token_subject(grant), _encode(token), left_ms)

    async def refresh_token(self, account: AccountId, credential: CredentialId) -> NewRefreshToken | None:
        """Return a refresh token that could not be saved yet."""
        return await self._get(
            _refresh_token_key(account, credential), _refresh_token_subject(account, credential), _refresh_token
        )

    async def put_refresh_token(self, account: AccountId, credential: CredentialId, new: NewRefreshToken) -> None:
        """Share a refresh token with the next holder of the credential's lock."""
        subject = _refresh_token_subject(account, credential)
        await self._put(_refresh_token_key(account, credential), subject, _encode(new), _REFRESH_TOKEN_MS)

    async def drop_refresh_token(self, account: AccountId, credential: CredentialId) -> None:
        """Remove the shared refresh token."""
        await self._try(lambda: self._redis.delete(_refresh_token_key(account, credential)))

    async def _get(self, key: str, subject: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        sealed = await self._try(lambda: self._redis.get(key))
        if sealed is None:
            return None
        try:
            return decoder.decode(self._sealer.unseal(sealed, subject))
        except (HookwardError, msgspec.MsgspecError):  # of another variant, master key or release: counts as absent
            return None

    async def _put(self, key: str, subject: str, value: bytes, milliseconds: int) -> None:
        sealed = self._sealer.seal(value, subject)
        await self._try(lambda: self._redis.set(key, sealed, px=milliseconds))

    async def _try(self, command: Callable[[], Awaitable[Any]]) -> Any:
        if self._clock.monotonic() < self._away_until:
            return None
        try:
            return await command()
        except _AWAY as error:
            self._away_until = self._clock.monotonic() + _AWAY_SECONDS
            self._log.warning("tokens.valkey_away", error=type(error).__name__)
            return None


def _token_key(grant: TokenGrant) -> str:
    public = variant_of(grant.definition, None)
    return f"hookward:token:{grant.account}:{grant.credential.hex()}:{public[:16].hex()}"


def _token_subject(grant: TokenGrant) -> str:
    return sealed_place(grant.account, None, "credential", grant.credential, f"token:{grant.variant.hex()}")


def _refresh_token_key(account: AccountId, credential: CredentialId) -> str:
    return f"hookward:rotation:{account}:{credential.hex()}"


def _refresh_token_subject(account: AccountId, credential: CredentialId) -> str:
    return sealed_place(account, None, "credential", credential, "rotation")
