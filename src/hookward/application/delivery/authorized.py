"""An exchange with an endpoint that wants an access token: get one, send, and after a 401 once more with a new one.

Where other workers have another token by then, that is tried first: a new one is asked for once for all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import lru_cache
from typing import Protocol

import msgspec

from hookward.application.oauth.ports import TokenSource
from hookward.application.ports import Clock
from hookward.domain.delivery.masking import SecretMask
from hookward.domain.delivery.outcome import Failure, Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.errors import HookwardError
from hookward.domain.oauth.model import AccessToken, AuthorizationRequired, NoToken, TokenGrant

UNAUTHORIZED = 401
_US = 1_000_000


class Make(Protocol):
    """Composes the request of a ``second`` (since 1970), and its headers with secrets masked."""

    def __call__(
        self, *, second: int, token: AccessToken | None = None
    ) -> Awaitable[tuple[OutgoingRequest, dict[str, str]]]: ...


class Sender(Protocol):
    """Sends one HTTP request; ``timeout`` is seconds for all of it. Never raises for what an endpoint does."""

    async def send(self, request: OutgoingRequest, *, timeout: float) -> Outcome: ...  # noqa: ASYNC109


class AuthorizedAttempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The last request of an attempt and what came of it; ``sent_us`` is when, ``shown`` its headers as logged.

    ``reached`` says whether anything was sent at all; ``unauthorized`` that somebody has to authorize before anything
    can be.
    """

    sent_us: int
    shown: dict[str, str]
    outcome: Outcome
    reached: bool = True
    unauthorized: bool = False


@lru_cache(maxsize=1024)
def _veil_of(token: str) -> SecretMask:
    return SecretMask((token,))


class AuthorizedSender:
    """Makes exchanges with tokens."""

    def __init__(self, sender: Sender, tokens: TokenSource, *, clock: Clock) -> None:
        self._sender = sender
        self._tokens = tokens
        self._clock = clock

    async def make(self, grant: TokenGrant, make: Make, *, seconds: float) -> AuthorizedAttempt:
        """All of an attempt, within so many seconds.

        Raises what keeps our own stores from giving a token, while nothing has been sent.
        """
        began, sent_us = self._clock.monotonic(), self._clock.now_us()
        end = began + seconds
        try:
            token = await self._tokens.get(grant, seconds=seconds)
        except NoToken as error:
            _, shown = await make(second=sent_us // _US)
            outcome = Outcome(duration_us=self._since(began), failure=error.failure)
            required = isinstance(error, AuthorizationRequired)
            return AuthorizedAttempt(
                sent_us=sent_us, shown=shown, outcome=outcome, reached=False, unauthorized=required
            )
        first = await self._send(make, token, end)
        exchange, token = await self._renewed(grant, make, token, first, began, end)
        if token.asked_us < first.sent_us:  # others had it already, and it is no better: now one is asked for
            exchange, _ = await self._renewed(grant, make, token, exchange, began, end)
        return exchange

    async def _renewed(
        self, grant: TokenGrant, make: Make, token: AccessToken, refused: AuthorizedAttempt, began: float, end: float
    ) -> tuple[AuthorizedAttempt, AccessToken]:
        """The exchange with another token, and that, where the endpoint answered 401; else as it was."""
        answer = refused.outcome.response
        if answer is None or answer.status != UNAUTHORIZED:
            return refused, token
        try:
            other = await self._tokens.renew(grant, token, seconds=end - self._clock.monotonic())
        except NoToken as error:
            message = f"the endpoint answered 401, and there is no other access token: {error.failure.message}"
            failure = Failure(kind=error.failure.kind, message=message)
            outcome = Outcome(duration_us=self._since(began), failure=failure, remote=refused.outcome.remote)
            required = isinstance(error, AuthorizationRequired)
            return msgspec.structs.replace(refused, outcome=outcome, unauthorized=required), token
        except HookwardError:  # our own stores keep us from asking: a 401 it is
            return refused, token
        return await self._send(make, other, end), other

    async def _send(self, make: Make, token: AccessToken, end: float) -> AuthorizedAttempt:
        sent_us = self._clock.now_us()
        request, shown = await make(second=sent_us // _US, token=token)
        timeout = max(end - self._clock.monotonic(), 0.001)  # none left: it says that it timed out
        outcome = await self._sender.send(request, timeout=timeout)
        if outcome.response is not None:  # which may repeat what was sent
            outcome = msgspec.structs.replace(outcome, response=_veil_of(token.value).mask_response(outcome.response))
        return AuthorizedAttempt(sent_us=sent_us, shown=shown, outcome=outcome)

    def _since(self, began: float) -> int:
        return round((self._clock.monotonic() - began) * _US)
