"""Publish public keys as a JSON Web Key Set (RFC 7517), so that receivers can verify asymmetric signatures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from hookward.application.crypto_keys.ports import SigningKeys
from hookward.application.ports import Clock
from hookward.application.records import read_key_definition
from hookward.domain.crypto_keys.model import kid_of
from hookward.domain.ids import CryptoKeyId, IdPrefix, to_text

MAX_PUBLIC_KEYS = 1000
"""Asymmetric keys of one account: they share one set with those of all accounts."""
MAX_PUBLISHED = 10_000
KEPT_SECONDS = 60.0


class PublishedKey(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The public part of a key; ``previous`` are its former public keys, newest first, and until when each is valid."""

    id: CryptoKeyId
    definition: bytes
    generation: int
    public: bytes
    previous: Sequence[tuple[bytes, datetime]] = ()


class PublicKeyStore(Protocol):
    """Where public keys are read, of all accounts."""

    async def published(self, id_: CryptoKeyId | None, *, limit: int) -> Sequence[PublishedKey]: ...

    async def version(self) -> int: ...


class PublishedKeys:
    """The set of the newest public keys of all accounts, or of one key.

    The whole set is built again when a key has changed, and every minute because overlaps end. Concurrent requests
    share one build, and unchanged keys are not encoded again, so requests without an API key cost little even while
    keys change all the time.
    """

    def __init__(self, store: PublicKeyStore, keys: SigningKeys, *, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._kept: tuple[int, float, bytes] | None = None
        self._making = asyncio.Lock()
        self._made: dict[tuple[str, bytes], dict[str, str]] = {}

    async def every(self) -> bytes:
        """Return the whole set as JSON."""
        version = await self._store.version()
        kept = self._fresh(version)
        if kept is not None:
            return kept
        async with self._making:  # another request may have built it in between
            return self._fresh(version) or await self._make(version)

    async def _make(self, version: int) -> bytes:
        now = self._clock.monotonic()
        made = self._set(await self._store.published(None, limit=MAX_PUBLISHED), keep=True)
        self._kept = (version, now, made)
        return made

    def _fresh(self, version: int) -> bytes | None:
        """Return the last set, unless a key has changed since or an overlap may have ended."""
        if self._kept is None or self._kept[0] < version or self._clock.monotonic() - self._kept[1] >= KEPT_SECONDS:
            return None
        return self._kept[2]

    async def of(self, key: CryptoKeyId) -> bytes:
        """Return the set of one key as JSON: its current public key, and former ones until their overlap ends."""
        return self._set(await self._store.published(key, limit=1))

    def _set(self, rows: Sequence[PublishedKey], *, keep: bool = False) -> bytes:
        now = datetime.fromtimestamp(self._clock.now_us() / 1_000_000, UTC)
        made = {named: self._made.get(named) or self._jwk(*named, row) for row in rows for named in _live(row, now)}
        if keep:
            self._made = made
        return msgspec.json.encode({"keys": list(made.values())})

    def _jwk(self, kid: str, public: bytes, row: PublishedKey) -> dict[str, str]:
        return self._keys.jwk(read_key_definition(row.definition).algorithm, public, kid)


def _live(row: PublishedKey, now: datetime) -> list[tuple[str, bytes]]:
    """Return the key ids and public keys of a key that are valid now."""
    name = to_text(IdPrefix.CRYPTO_KEY, row.id)
    live = [row.public, *(public for public, until in row.previous if until > now)]
    return [(kid_of(name, row.generation - index), public) for index, public in enumerate(live)]
