"""Publish public keys, so that receivers can verify what asymmetric keys sign (a JSON Web Key Set, RFC 7517)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from hookward.application.ports import Clock
from hookward.application.signing_keys import SigningKeys
from hookward.domain.ids import CryptoKeyId, Prefix, to_text
from hookward.domain.signing_key import kid_of
from hookward.domain.watch import KeyDefinition

MAX_PUBLIC_KEYS = 1000
"""Asymmetric keys of one account: they share one set with everybody's."""
MAX_PUBLISHED = 10_000
KEPT_SECONDS = 60.0
_definition = msgspec.json.Decoder(KeyDefinition)


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

    The whole set is made again when the version of the definitions has changed, and every minute, as overlaps end:
    whoever asks without a key makes nobody work.
    """

    def __init__(self, store: PublicKeyStore, keys: SigningKeys, *, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._kept: tuple[int, float, bytes] | None = None

    async def every(self) -> bytes:
        """The set as JSON."""
        version, now = await self._store.version(), self._clock.monotonic()
        kept = self._kept
        if kept is None or kept[0] != version or now - kept[1] >= KEPT_SECONDS:
            rows = await self._store.published(None, limit=MAX_PUBLISHED)
            kept = self._kept = (version, now, self._set(rows))
        return kept[2]

    async def of(self, key: CryptoKeyId) -> bytes:
        """The set of one key: what it signs with, and what it signed with until its overlap is over."""
        return self._set(await self._store.published(key, limit=1))

    def _set(self, rows: Sequence[PublishedKey]) -> bytes:
        now = datetime.fromtimestamp(self._clock.now_us() / 1_000_000, UTC)
        return msgspec.json.encode({"keys": [jwk for row in rows for jwk in self._jwks(row, now)]})

    def _jwks(self, row: PublishedKey, now: datetime) -> list[dict[str, str]]:
        algorithm, name = _definition.decode(row.definition).algorithm, to_text(Prefix.CRYPTO_KEY, row.id)
        live = [row.public, *(public for public, until in row.previous if until > now)]
        return [
            self._keys.jwk(algorithm, public, kid_of(name, row.generation - index)) for index, public in enumerate(live)
        ]
