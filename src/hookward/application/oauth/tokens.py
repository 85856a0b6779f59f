"""Tokens: access tokens for those who send, asked for once however many want them (ADR 13)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

from hookward.application.aio.tasks import BackgroundTasks
from hookward.application.oauth.ports import CredentialStore, TokenCache, TokenEndpoint
from hookward.application.oauth.refresh import Desk, TokenRequest
from hookward.application.oauth.unsaved import UnsavedRefreshTokens
from hookward.application.ports import Clock, Log, Random, Sealer
from hookward.domain.ids import CredentialId
from hookward.domain.oauth.model import AccessToken, NoToken, TokenGrant

MARGIN = 5.0
"""Seconds that a row is held beyond the token request: to take it, and to write what came of it."""
_KEPT = 4096

Key: TypeAlias = tuple[CredentialId, bytes]


@dataclass(frozen=True, slots=True)
class _Asking:
    """A request that is under way."""

    request: TokenRequest
    task: asyncio.Task[AccessToken]


class Tokens:
    """The ``TokenSource`` of one process.

    From memory, else from Valkey, else asked for while the credential's row is held. ``timeout`` is what a request to
    a token endpoint may take, in seconds. What a request rotates is written before its token is handed out; only the
    moment between the endpoint's answer and that write cannot be covered: a process that dies then takes the refresh
    token with it, if the endpoint takes no other.
    """

    def __init__(
        self, store: CredentialStore, shelf: TokenCache, endpoint: TokenEndpoint, sealer: Sealer,
        *, timeout: float, clock: Clock, random: Random, log: Log,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._chores = BackgroundTasks(log)
        seconds = timeout + MARGIN
        self._desk = Desk(
            store=store, shelf=shelf, endpoint=endpoint, chores=self._chores, timeout=timeout, seconds=seconds,
            rotations=UnsavedRefreshTokens(store, shelf, sealer, self._chores, seconds=seconds, random=random, log=log),
            clock=clock, random=random,
        )  # fmt: skip
        self._kept: OrderedDict[Key, AccessToken] = OrderedDict()
        self._asking: dict[Key, _Asking] = {}

    async def get(self, grant: TokenGrant, *, seconds: float) -> AccessToken:
        """A token that can be used."""
        return await self._get(grant, None, seconds)

    async def renew(self, grant: TokenGrant, refused: AccessToken, *, seconds: float) -> AccessToken:
        """Another one than ``refused``: one that somebody has by now, else a new one."""
        return await self._get(grant, refused.value, seconds)

    async def close(self, *, seconds: float) -> None:
        """Let what is asked for come to its end, for so long; nobody waits for a turn any more."""
        for asking in self._asking.values():
            asking.request.until = 0.0
        await self._chores.close(seconds=seconds)

    async def _get(self, grant: TokenGrant, refused: str | None, seconds: float) -> AccessToken:
        key = (grant.credential, grant.variant)
        end = self._clock.monotonic() + seconds
        while True:
            kept = self._kept.get(key)
            if kept is not None and kept.value != refused and kept.until_us > self._clock.now_us():
                return kept
            asking = self._asking.get(key) or self._ask(key, grant, refused)
            request = asking.request
            request.until = max(request.until, end)
            await asyncio.wait({asking.task}, timeout=max(0.0, end - self._clock.monotonic()))
            if not asking.task.done():
                raise NoToken(request.waiting_for)
            if asking.task.cancelled():
                raise NoToken("this worker is being stopped")
            token = asking.task.result()
            if token.value != refused or request.refused == refused:
                return token
            # Those who asked did not know yet that it is refused.

    def _ask(self, key: Key, grant: TokenGrant, refused: str | None) -> _Asking:
        request = TokenRequest(self._desk, grant, refused)
        task = self._chores.start(self._run(key, request), name="token.ask")
        asking = self._asking[key] = _Asking(request, task)
        return asking

    async def _run(self, key: Key, request: TokenRequest) -> AccessToken:
        try:
            token = await request.run()
        finally:
            del self._asking[key]
        if token.until_us > self._clock.now_us():
            self._kept[key] = token
            self._kept.move_to_end(key)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return token
