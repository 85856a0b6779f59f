"""One token request: the row held, everything read again, the endpoint asked, what it rotated written (ADR 13)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

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
    TokenAnswer,
    TokenGrant,
    usable_token,
)

FIRST_PAUSE = 0.02
MAX_PAUSE = 0.25
_ANOTHER = "another worker is asking for a token with the same credentials, and none came in time"
_SLOW = "the token endpoint did not answer within the attempt's timeout"
_GONE = "the credentials are gone; give the watch its oauth2Auth again"
_NONE = "there is no refresh token; authorize the watch, or give its oauth2Auth one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What token requests are made with; times are in seconds.

    ``timeout`` is what a request to a token endpoint may take, ``seconds`` for how long a row is held for it.
    """

    store: CredentialStore
    shelf: TokenCache
    endpoint: TokenEndpoint
    rotations: UnsavedRefreshTokens
    chores: BackgroundTasks
    timeout: float
    seconds: float
    clock: Clock
    random: Random


class TokenRequest:
    """Gets one token, for all who wait for it; ``refused`` is a token that a destination did not take.

    It waits for its turn until ``until`` (seconds on the monotonic clock), which who joins may put off. Once it asks
    it goes on to its end. ``waiting_for`` says why it takes so long.
    """

    def __init__(self, desk: Desk, grant: TokenGrant, refused: str | None) -> None:
        self.refused = refused
        self.until = 0.0
        self.waiting_for = _ANOTHER
        self._desk = desk
        self._grant = grant
        self._hold = CredentialLock(account=grant.account, credential=grant.credential, holder=desk.random.bytes(16))
        self._held = False

    async def run(self) -> AccessToken:
        """A token that was not refused; raises NoToken, AuthorizationRequired, and StoreUnavailable."""
        pause = FIRST_PAUSE
        try:
            while True:
                token = await self._shelved()
                if token is not None:
                    return token
                row = await self._take()
                if row is not None:
                    return await self._ask(row)
                if self._desk.clock.monotonic() >= self.until:
                    raise NoToken(_ANOTHER)
                await asyncio.sleep(pause * (0.5 + self._desk.random.uniform()))
                pause = min(pause * 2, MAX_PAUSE)
        finally:
            if self._held:  # whoever waits has the token by then
                self._desk.chores.detach(self._desk.store.release(self._hold), name="token.release")

    async def _shelved(self) -> AccessToken | None:
        token = await self._desk.shelf.token(self._grant)
        usable = token is not None and token.value != self.refused and token.until_us > self._desk.clock.now_us()
        return token if usable else None

    async def _take(self) -> CredentialRecord | None:
        """The row, held for long enough to ask; ``None`` when it is not, for now."""
        desk = self._desk
        began = desk.clock.monotonic()
        row = await desk.store.take(self._hold, seconds=desk.seconds)
        if row is None:
            raise NoToken(_GONE)
        self._held = row.held
        fits = desk.clock.monotonic() + desk.timeout <= began + desk.seconds
        return row if row.held and fits else None

    async def _ask(self, row: CredentialRecord) -> AccessToken:
        token = await self._shelved()  # somebody else may have asked in between
        if token is not None:
            return token
        self.waiting_for = _SLOW
        current = await self._current(row)
        asked_us = self._desk.clock.now_us()
        try:
            answer = await self._desk.endpoint.refresh(self._grant, current.token or None)
        except AuthorizationRequired as error:
            if self._grant.definition.grant_type is GrantType.CLIENT_CREDENTIALS:
                raise  # whoever shares the client id may ask for something else
            row, current, answer = await self._ask_again(current, error)
        await self._store_rotated(row, current, answer)
        token = usable_token(answer, asked_us)
        await self._desk.shelf.put_token(self._grant, token)
        return token

    async def _ask_again(
        self, before: NewRefreshToken, error: AuthorizationRequired
    ) -> tuple[CredentialRecord, NewRefreshToken, TokenAnswer]:
        """Refused: ask with a newer refresh token where there is one, else mark the credential."""
        again = await self._take()
        if again is None:
            raise NoToken(_ANOTHER) from error
        newer = await self._current(again)
        if newer.token == before.token:
            await self._mark(again, error)
            raise error
        try:
            return again, newer, await self._desk.endpoint.refresh(self._grant, newer.token)
        except AuthorizationRequired as second:
            await self._mark(again, second)
            raise

    async def _current(self, row: CredentialRecord) -> NewRefreshToken:
        """The refresh token to ask with, empty where the grant takes none: one that waits to be written comes first."""
        here = NewRefreshToken(base=row.generation, generation=row.generation, token="")
        if self._grant.definition.grant_type is GrantType.CLIENT_CREDENTIALS:
            return here
        newest = await self._desk.rotations.newest(self._hold, row)
        if newest is not None:
            return newest
        if row.refused is not None:
            raise AuthorizationRequired(row.refused)
        token = self._desk.rotations.open(self._hold, row)
        if not token:
            raise AuthorizationRequired(_NONE)
        return NewRefreshToken(base=row.generation, generation=row.generation, token=token)

    async def _store_rotated(self, row: CredentialRecord, current: NewRefreshToken, answer: TokenAnswer) -> None:
        """Write the refresh token that is now the one, unless the row has it; where that fails it is kept elsewhere."""
        if self._grant.definition.grant_type is GrantType.CLIENT_CREDENTIALS:
            return
        if answer.refresh_token and answer.refresh_token != current.token:
            rotation = NewRefreshToken(
                base=row.generation, generation=current.generation + 1, token=answer.refresh_token
            )
        elif current.generation != row.generation:
            rotation = current
        else:
            return
        rotations = self._desk.rotations
        try:
            written = await rotations.write(self._hold, row, rotation)
        except StoreUnavailable:
            written = False
        if not written:
            await rotations.keep(self._hold, rotation)
        elif current.generation != row.generation:
            await rotations.forget(self._hold)

    async def _mark(self, row: CredentialRecord, error: AuthorizationRequired) -> None:
        """Let nobody ask any more until somebody authorizes, unless somebody just did."""
        await self._desk.rotations.forget(self._hold)
        if not await self._desk.store.refuse(self._hold, generation=row.generation, reason=str(error)):
            raise NoToken(_ANOTHER) from error
        self._held = False
