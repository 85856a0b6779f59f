"""AuthorizedSender: sends with an access token, and after a 401 once more with a new one.

Where other workers have another token by then, that one is tried first: a new one is requested once for all of them.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache

import msgspec

from hookward.application.oauth.ports import TokenSource
from hookward.application.ports import Clock, Sender
from hookward.domain.delivery.masking import SecretMask
from hookward.domain.delivery.outcome import Failure, Outcome
from hookward.domain.delivery.request import OutgoingRequest, RequestBuilder
from hookward.domain.errors import HookwardError
from hookward.domain.oauth.model import AccessToken, AuthorizationRequired, NoToken, TokenGrant
from hookward.domain.redaction import redacted_repr

UNAUTHORIZED = 401
_US = 1_000_000


async def build_request(
    builder: RequestBuilder, second: int, token: str | None = None
) -> tuple[OutgoingRequest, dict[str, str]]:
    """Return what ``builder.build`` returns; where signing is slow, build in a thread."""
    if builder.signs_slowly:
        return await asyncio.to_thread(builder.build, second, token)
    return builder.build(second, token)


class AuthorizedAttempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The last request of an attempt and its outcome.

    ``sent_us`` is when it was sent, ``masked_headers`` are its headers for the log. ``reached`` says whether anything
    was sent at all, ``unauthorized`` that the watch has to be authorized before anything can be sent.
    """

    sent_us: int
    masked_headers: dict[str, str]
    outcome: Outcome
    reached: bool = True
    unauthorized: bool = False

    __repr__ = redacted_repr


@lru_cache(maxsize=1024)
def _mask_of(token: str) -> SecretMask:
    return SecretMask((token,))


class AuthorizedSender:
    """Makes attempts with access tokens."""

    def __init__(self, sender: Sender, tokens: TokenSource, *, clock: Clock) -> None:
        self._sender = sender
        self._tokens = tokens
        self._clock = clock

    async def send(self, grant: TokenGrant, builder: RequestBuilder, *, seconds: float) -> AuthorizedAttempt:
        """Make an attempt with a token, within ``seconds`` in total; on a 401, once more with a new token.

        Raises StoreUnavailable and other errors of ours that keep a token from being read, while nothing was sent.
        """
        began, sent_us = self._clock.monotonic(), self._clock.now_us()
        end = began + seconds
        try:
            token = await self._tokens.get(grant, seconds=seconds)
        except NoToken as error:
            _, masked = await build_request(builder, sent_us // _US)
            return AuthorizedAttempt(
                sent_us=sent_us,
                masked_headers=masked,
                outcome=Outcome(duration_us=self._since(began), failure=error.failure),
                reached=False,
                unauthorized=isinstance(error, AuthorizationRequired),
            )
        first = await self._send(builder, token, end)
        attempt, token = await self._renewed(grant, builder, token, first, began, end)
        if token.asked_us < first.sent_us:  # another worker had it before this attempt: request one that is new
            attempt, _ = await self._renewed(grant, builder, token, attempt, began, end)
        return attempt

    async def _renewed(
        self,
        grant: TokenGrant,
        builder: RequestBuilder,
        token: AccessToken,
        refused: AuthorizedAttempt,
        began: float,
        end: float,
    ) -> tuple[AuthorizedAttempt, AccessToken]:
        """Return the attempt with another token, and that token, where the endpoint responded 401; else the same."""
        response = refused.outcome.response
        if response is None or response.status != UNAUTHORIZED:
            return refused, token
        try:
            other = await self._tokens.renew(grant, token, seconds=end - self._clock.monotonic())
        except NoToken as error:
            message = f"the endpoint answered 401, and there is no other access token: {error.failure.message}"
            failure = Failure(kind=error.failure.kind, message=message)
            outcome = Outcome(duration_us=self._since(began), failure=failure, remote=refused.outcome.remote)
            required = isinstance(error, AuthorizationRequired)
            return msgspec.structs.replace(refused, outcome=outcome, unauthorized=required), token
        except HookwardError:  # our own stores do not let us request one: the outcome is the 401
            return refused, token
        return await self._send(builder, other, end), other

    async def _send(self, builder: RequestBuilder, token: AccessToken, end: float) -> AuthorizedAttempt:
        sent_us = self._clock.now_us()
        request, masked = await build_request(builder, sent_us // _US, token.value)
        timeout = max(end - self._clock.monotonic(), 0.001)  # none left: the outcome says that it timed out
        outcome = await self._sender.send(request, timeout=timeout)
        if outcome.response is not None:  # it may repeat what was sent
            response = _mask_of(token.value).mask_response(outcome.response)
            outcome = msgspec.structs.replace(outcome, response=response)
        return AuthorizedAttempt(sent_us=sent_us, masked_headers=masked, outcome=outcome)

    def _since(self, began: float) -> int:
        return round((self._clock.monotonic() - began) * _US)
