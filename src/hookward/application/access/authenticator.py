"""The API keys in memory: requests are authenticated without waiting for PostgreSQL (ADR 9).

* A key that is not in memory is looked up before it is refused: another process may have created it a moment ago (G5).
  Concurrent look-ups share statements, so that a flood of invented keys costs little. Negative results are cached: a
  key cannot later be created with a value that the caller guessed.
* A revoked key stops working within a second. Every process asks four times a second which keys were revoked, and
  trusts its memory only as long as the last response is fresh. When PostgreSQL is away requests wait a few seconds for
  a response, as publishing does, and then fail with 503: nothing could be done for them without PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from hookward.application.access.api_keys import ApiKeyRecord
from hookward.application.aio.cache import LruCache
from hookward.application.aio.loader import BatchLoader
from hookward.application.ports import Clock
from hookward.domain.access.callers import Caller
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import ApiKeyId

POLL_SECONDS = 0.25
TRUST_SECONDS = 0.9
PATIENCE_SECONDS = 4.0
NOTE_SECONDS = 5.0
USED_SECONDS = 60.0
MAX_KEYS = 10_000
MAX_UNKNOWN = 10_000
_BATCH = 256


class FoundKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that are valid, and the version of the definitions at that moment; from one snapshot."""

    version: int
    keys: Sequence[ApiKeyRecord]


class Revocations(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of the keys that were revoked after a version, and the current version; from one snapshot."""

    version: int
    digests: Sequence[bytes]


class ApiKeySource(Protocol):
    """Look up API keys. Both methods raise StoreUnavailable."""

    async def find(self, digests: Sequence[bytes]) -> FoundKeys: ...

    async def note_used(self, ids: Sequence[ApiKeyId]) -> None:
        """Store that these keys were used just now."""
        ...


class RevocationSource(Protocol):
    """Tell which API keys were revoked."""

    async def revoked_since(self, version: int | None) -> Revocations:
        """Return what was revoked after ``version``; ``None`` asks for the current version only.

        Raises StoreUnavailable.
        """
        ...


class _CachedKey:
    """A key in memory; ``noted`` is when (monotonic seconds) its use was last noted."""

    __slots__ = ("caller", "id", "noted")

    def __init__(self, row: ApiKeyRecord) -> None:
        self.id = row.id
        self.caller = Caller(account=row.account, scopes=frozenset(row.scopes), owner=row.owner)
        self.noted = float("-inf")


class ApiKeyCache:
    """The API keys of all accounts that were used here. ``follow`` and ``note`` must run as background tasks.

    It keeps up to ``max_keys`` keys, and up to ``max_unknown`` digests of keys that do not exist.
    """

    def __init__(
        self, source: ApiKeySource, revocations: RevocationSource, *, clock: Clock, max_keys: int = MAX_KEYS,
        max_unknown: int = MAX_UNKNOWN,
    ) -> None:  # fmt: skip
        self._source = source
        self._revocations = revocations
        self._clock = clock
        self._keys: LruCache[bytes, _CachedKey] = LruCache(max_keys)
        self._unknown_digests: LruCache[bytes, bool] = LruCache(max_unknown)
        self._loader = BatchLoader(self._load_keys, limit=_BATCH, name="api_keys.load")
        self._version: int | None = None
        self._polled = float("-inf")
        self._fresh = asyncio.Event()
        self._used: set[ApiKeyId] = set()

    async def caller(self, digest: bytes) -> Caller | None:
        """Return the caller whose key has this digest, or ``None`` if there is no such key.

        Raises StoreUnavailable when that cannot be decided while PostgreSQL is away.
        """
        now = self._clock.monotonic()
        if now - self._polled > TRUST_SECONDS:
            await self._wait_until_fresh(now + PATIENCE_SECONDS)
        key = self._keys.get(digest)
        if key is None:
            if digest in self._unknown_digests:
                return None
            key = await self._loader.load(digest)
            if key is None:
                return None
        if now - key.noted >= USED_SECONDS:
            key.noted = now
            self._used.add(key.id)
        return key.caller

    async def follow(self) -> None:
        """Poll for revoked keys until cancelled."""
        while True:
            began = self._clock.monotonic()
            try:
                revoked = await self._revocations.revoked_since(self._version)
            except StoreUnavailable:
                await asyncio.sleep(POLL_SECONDS)
                continue
            self._forget(revoked)
            self._polled = began
            self._fresh.set()
            self._fresh = asyncio.Event()
            await asyncio.sleep(POLL_SECONDS)

    async def note(self) -> None:
        """Store which keys were used, each about once a minute, until cancelled."""
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            used, self._used = self._used, set()
            if used:
                try:
                    await self._source.note_used(sorted(used))
                except StoreUnavailable:
                    self._used |= used

    def _forget(self, revoked: Revocations) -> None:
        if self._version is not None and revoked.version < self._version:  # the store was restored from a backup
            self._keys.clear()
            self._unknown_digests.clear()
        for digest in revoked.digests:
            self._keys.pop(digest)
        self._version = revoked.version

    async def _wait_until_fresh(self, deadline: float) -> None:
        while (now := self._clock.monotonic()) - self._polled > TRUST_SECONDS:
            try:
                async with asyncio.timeout(deadline - now):
                    await self._fresh.wait()
            except TimeoutError:
                raise StoreUnavailable("API keys cannot be verified while PostgreSQL is unreachable") from None

    async def _load_keys(self, digests: Sequence[bytes]) -> Mapping[bytes, _CachedKey]:
        found = await self._source.find(digests)
        while self._version is not None and found.version < self._version:
            # A revocation that is known already may be of one of these keys.
            found = await self._source.find(digests)
        loaded = {row.digest: _CachedKey(row) for row in found.keys}
        for digest in digests:
            if digest in loaded:
                self._keys.put(digest, loaded[digest])
            else:
                self._unknown_digests.put(digest, True)
        return loaded
