"""One token request under the credential's lock: ask the endpoint, save the rotated refresh token (ADR 13)."""

from __future__ import annotations

import asyncio

from hookward.application.aio.tasks import BackgroundTasks
from hookward.application.oauth.ports import (
    CredentialLock,
    CredentialRecord,
    CredentialStore,
    NewRefreshToken,
    TokenCache,
    TokenEndpoint,
)
from hookward.application.oauth.unsaved import UnsavedRefreshTokens
from hookward.application.ports import Clock, Random
from hookward.domain.errors import StoreUnavailable
from hookward.domain.oauth.model import (
    AccessToken,
    AuthorizationRequired,
    GrantType,
    NoToken,
    TokenGrant,
    TokenResponse,
    usable_token,
)

FIRST_PAUSE = 0.02
MAX_PAUSE = 0.25
_ANOTHER = "another worker is asking for a token with the same credentials, and none came in time"
_SLOW = "the token endpoint did not answer within the attempt's timeout"
_GONE = "the credentials are gone; give the watch its oauth2Auth again"
_NONE = "there is no refresh token; authorize the watch, or give its oauth2Auth one"


class TokenRequest:
    """A request for one token, which all callers that want this token share.

    ``refused`` is a token that the destination did not accept. The request waits for the credential's lock until
    ``deadline`` (seconds on the monotonic clock), which callers that join may move later. ``waiting_for`` explains the
    delay in the error of a caller that cannot wait longer.
    """

    def __init__(self, grant: TokenGrant, lock: CredentialLock, refused: str | None) -> None:
        self.grant = grant
        self.lock = lock
        self.refused = refused
        self.deadline = 0.0
        self.waiting_for = _ANOTHER
        self.locked = False


class TokenRefresher:
    """Makes token requests. Times are in seconds.

    ``timeout`` is how long a token endpoint may take, ``lock_seconds`` how long a credential is locked for a request.
    Once the endpoint is asked, a request goes on to its end.
    """

    def __init__(
        self, store: CredentialStore, cache: TokenCache, endpoint: TokenEndpoint, unsaved: UnsavedRefreshTokens,
        background: BackgroundTasks, *, timeout: float, lock_seconds: float, clock: Clock, random: Random,
    ) -> None:  # fmt: skip
        self._store = store
        self._cache = cache
        self._endpoint = endpoint
        self._unsaved = unsaved
        self._background = background
        self._timeout = timeout
        self._lock_seconds = lock_seconds
        self._clock = clock
        self._random = random

    def request(self, grant: TokenGrant, refused: str | None) -> TokenRequest:
        """Return a new request for a token other than ``refused``; ``run`` makes it."""
        lock = CredentialLock(account=grant.account, credential=grant.credential, holder=self._random.bytes(16))
        return TokenRequest(grant, lock, refused)

    async def run(self, request: TokenRequest) -> AccessToken:
        """Return a token that was not refused. Raises NoToken, AuthorizationRequired and StoreUnavailable."""
        pause = FIRST_PAUSE
        try:
            while True:
                token = await self._cached(request)
                if token is not None:
                    return token
                row = await self._acquire(request)
                if row is not None:
                    return await self._ask(request, row)
                if self._clock.monotonic() >= request.deadline:
                    raise NoToken(_ANOTHER)
                await asyncio.sleep(pause * (0.5 + self._random.uniform()))
                pause = min(pause * 2, MAX_PAUSE)
        finally:
            if request.locked:  # in the background: the callers have the token by then
                self._background.detach(self._store.release(request.lock), name="token.release")

    async def _cached(self, request: TokenRequest) -> AccessToken | None:
        token = await self._cache.token(request.grant)
        usable = token is not None and token.value != request.refused and token.until_us > self._clock.now_us()
        return token if usable else None

    async def _acquire(self, request: TokenRequest) -> CredentialRecord | None:
        """Lock the credential and return it; ``None`` when it is not locked for long enough to ask the endpoint."""
        began = self._clock.monotonic()
        row = await self._store.acquire(request.lock, seconds=self._lock_seconds)
        if row is None:
            raise NoToken(_GONE)
        request.locked = row.acquired
        fits = self._clock.monotonic() + self._timeout <= began + self._lock_seconds
        return row if row.acquired and fits else None

    async def _ask(self, request: TokenRequest, row: CredentialRecord) -> AccessToken:
        token = await self._cached(request)  # another process may have asked before we got the lock
        if token is not None:
            return token
        request.waiting_for = _SLOW
        current = await self._current(request, row)
        asked_us = self._clock.now_us()
        try:
            response = await self._endpoint.refresh(request.grant, current.token or None)
        except AuthorizationRequired as error:
            if _has_no_refresh_token(request.grant):
                raise  # other watches with this client id may ask for another scope, so the credential is not marked
            row, current, response = await self._ask_again(request, current, error)
        await self._save(request, row, current, response)
        token = usable_token(response, asked_us)
        await self._cache.put_token(request.grant, token)
        return token

    async def _ask_again(
        self, request: TokenRequest, before: NewRefreshToken, error: AuthorizationRequired
    ) -> tuple[CredentialRecord, NewRefreshToken, TokenResponse]:
        """Ask with a newer refresh token than the refused one if there is one, else mark the credential as refused."""
        again = await self._acquire(request)
        if again is None:
            raise NoToken(_ANOTHER) from error
        newer = await self._current(request, again)
        if newer.token == before.token:
            await self._mark_refused(request, again, error)
            raise error
        try:
            return again, newer, await self._endpoint.refresh(request.grant, newer.token)
        except AuthorizationRequired as second:
            await self._mark_refused(request, again, second)
            raise

    async def _current(self, request: TokenRequest, row: CredentialRecord) -> NewRefreshToken:
        """Return the refresh token to ask with: an unsaved one if there is one, else that of the row.

        It is empty for client credentials. Raises AuthorizationRequired when there is none that may be used.
        """
        here = NewRefreshToken(base=row.generation, generation=row.generation, token="")
        if _has_no_refresh_token(request.grant):
            return here
        newest = await self._unsaved.newest(request.lock, row)
        if newest is not None:
            return newest
        if row.refused is not None:
            raise AuthorizationRequired(row.refused)
        token = self._unsaved.stored_token(request.lock, row)
        if not token:
            raise AuthorizationRequired(_NONE)
        return NewRefreshToken(base=row.generation, generation=row.generation, token=token)

    async def _save(
        self, request: TokenRequest, row: CredentialRecord, current: NewRefreshToken, response: TokenResponse
    ) -> None:
        """Write the refresh token that is valid now, unless the row has it; keep it as unsaved where that fails."""
        if _has_no_refresh_token(request.grant):
            return
        if response.refresh_token and response.refresh_token != current.token:
            valid = NewRefreshToken(
                base=row.generation, generation=current.generation + 1, token=response.refresh_token
            )
        elif current.generation != row.generation:
            valid = current
        else:
            return
        try:
            saved = await self._unsaved.save(request.lock, row, valid)
        except StoreUnavailable:
            saved = False
        if not saved:
            await self._unsaved.keep(request.lock, valid)
        elif current.generation != row.generation:
            await self._unsaved.forget(request.lock)

    async def _mark_refused(self, request: TokenRequest, row: CredentialRecord, error: AuthorizationRequired) -> None:
        """Mark the credential as refused until it is authorized again, unless that has just happened."""
        await self._unsaved.forget(request.lock)
        if not await self._store.refuse(request.lock, generation=row.generation, reason=str(error)):
            raise NoToken(_ANOTHER) from error
        request.locked = False


def _has_no_refresh_token(grant: TokenGrant) -> bool:
    return grant.definition.grant_type is GrantType.CLIENT_CREDENTIALS
