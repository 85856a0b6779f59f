"""Publish public keys, so that receivers can verify what asymmetric keys sign (a JSON Web Key Set, RFC 7517)."""

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
"""Asymmetric keys of one account: they share one set with everybody's."""
MAX_PUBLISHED = 10_000
KEPT_SECONDS = 60.0


class PublishedKey(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The public side of a key; ``previous`` are the public keys before it, newest first, and until when each holds."""

    id: CryptoKeyId
    definition: bytes
    generation: int
    public: bytes
    previous: Sequence[tuple[bytes, datetime]] = ()


class PublicKeyStore(Protocol):
    """Where public keys are found, whose account they may be."""

    async def published(self, id_: CryptoKeyId | None, *, limit: int) -> Sequence[PublishedKey]: ...

    async def version(self) -> int: ...


class PublishedKeys:
    """The set of all public keys: the newest so many of the service, or those of one key.

    The whole set is made again when a key has changed, and every minute, as overlaps end: once, however many ask
    meanwhile, and of keys that it had before as they were. So whoever asks without a key makes nobody work, also while
    somebody changes keys all the time.
    """

    def __init__(self, store: PublicKeyStore, keys: SigningKeys, *, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._kept: tuple[int, float, bytes] | None = None
        self._making = asyncio.Lock()
        self._made: dict[tuple[str, bytes], dict[str, str]] = {}

    async def every(self) -> bytes:
        """The set as JSON."""
        version = await self._store.version()
        kept = self._fresh(version)
        if kept is not None:
            return kept
        async with self._making:  # somebody else may have made it meanwhile
            return self._fresh(version) or await self._make(version)

    async def _make(self, version: int) -> bytes:
        now = self._clock.monotonic()
        made = self._set(await self._store.published(None, limit=MAX_PUBLISHED), keep=True)
        self._kept = (version, now, made)
        return made

    def _fresh(self, version: int) -> bytes | None:
        """The set that was made, unless a key has changed since, or an overlap may have ended."""
        if self._kept is None or self._kept[0] < version or self._clock.monotonic() - self._kept[1] >= KEPT_SECONDS:
            return None
        return self._kept[2]

    async def of(self, key: CryptoKeyId) -> bytes:
        """The set of one key: what it signs with, and what it signed with until its overlap is over."""
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
    """What of a key verifies now: how each is named, and its public key."""
    name = to_text(IdPrefix.CRYPTO_KEY, row.id)
    live = [row.public, *(public for public, until in row.previous if until > now)]
    return [(kid_of(name, row.generation - index), public) for index, public in enumerate(live)]
