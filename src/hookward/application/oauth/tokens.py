"""Access tokens for attempts: kept in memory, and requested once however many callers want them (ADR 13)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeAlias

from hookward.application.aio.cache import LruCache
from hookward.application.aio.tasks import BackgroundTasks
from hookward.application.oauth.ports import CredentialStore, TokenCache, TokenEndpoint
from hookward.application.oauth.refresh import TokenRefresher, TokenRequest
from hookward.application.oauth.unsaved import UnsavedRefreshTokens
from hookward.application.ports import Clock, Log, Random, Sealer
from hookward.domain.ids import CredentialId
from hookward.domain.oauth.model import AccessToken, NoToken, TokenGrant

MARGIN = 5.0
"""Seconds that a credential is locked beyond the token request: to lock it, and to save the rotated refresh token."""
MAX_TOKENS = 4096

TokenKey: TypeAlias = tuple[CredentialId, bytes]


@dataclass(frozen=True, slots=True)
class _Running:
    """A request that is under way."""

    request: TokenRequest
    task: asyncio.Task[AccessToken]


class Tokens:
    """The ``TokenSource`` of one process, which keeps up to ``max_tokens`` in memory.

    A token comes from memory, else from Valkey, else from a request under the credential's lock. ``timeout`` is how
    long a token endpoint may take, in seconds. A rotated refresh token is saved before its access token is returned.
    Only the moment between the endpoint's response and that write cannot be covered: if the process dies then, the
    refresh token is lost unless the endpoint accepts the old one.
    """

    def __init__(
        self, store: CredentialStore, cache: TokenCache, endpoint: TokenEndpoint, sealer: Sealer,
        *, timeout: float, clock: Clock, random: Random, log: Log, max_tokens: int = MAX_TOKENS,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._background = BackgroundTasks(log)
        lock_seconds = timeout + MARGIN
        unsaved = UnsavedRefreshTokens(
            store, cache, sealer, self._background, lock_seconds=lock_seconds, random=random, log=log
        )
        self._refresher = TokenRefresher(
            store, cache, endpoint, unsaved, self._background,
            timeout=timeout, lock_seconds=lock_seconds, clock=clock, random=random,
        )  # fmt: skip
        self._tokens: LruCache[TokenKey, AccessToken] = LruCache(max_tokens)
        self._running: dict[TokenKey, _Running] = {}

    async def get(self, grant: TokenGrant, *, seconds: float) -> AccessToken:
        """Return a token that is valid now."""
        return await self._get(grant, None, seconds)

    async def renew(self, grant: TokenGrant, refused: AccessToken, *, seconds: float) -> AccessToken:
        """Return another token than ``refused``: one that another process has got by now, else a new one."""
        return await self._get(grant, refused.value, seconds)

    async def close(self, *, seconds: float) -> None:
        """Wait up to ``seconds`` for the requests under way; those that wait for a lock give up at once."""
        for each in self._running.values():
            each.request.deadline = 0.0
        await self._background.close(seconds=seconds)

    async def _get(self, grant: TokenGrant, refused: str | None, seconds: float) -> AccessToken:
        key = (grant.credential, grant.variant)
        end = self._clock.monotonic() + seconds
        while True:
            kept = self._tokens.get(key)
            if kept is not None and kept.value != refused and kept.until_us > self._clock.now_us():
                return kept
            running = self._running.get(key) or self._start(key, grant, refused)
            request = running.request
            request.deadline = max(request.deadline, end)
            await asyncio.wait({running.task}, timeout=max(0.0, end - self._clock.monotonic()))
            if not running.task.done():
                raise NoToken(request.waiting_for)
            if running.task.cancelled():
                raise NoToken("this worker is being stopped")
            token = running.task.result()
            if token.value != refused or request.refused == refused:
                return token
            # The request began before this caller knew that the token is refused: ask again.

    def _start(self, key: TokenKey, grant: TokenGrant, refused: str | None) -> _Running:
        request = self._refresher.request(grant, refused)
        task = self._background.start(self._run(key, request), name="token.ask")
        running = self._running[key] = _Running(request, task)
        return running

    async def _run(self, key: TokenKey, request: TokenRequest) -> AccessToken:
        try:
            token = await self._refresher.run(request)
        finally:
            del self._running[key]
        if token.until_us > self._clock.now_us():
            self._tokens.put(key, token)
        return token
