"""Watches and crypto keys as the store keeps them, and what their sealed values are bound to."""

from __future__ import annotations

from datetime import datetime

import msgspec

from hookward.domain.ids import AccountId, CredentialId, CryptoKeyId, WatchId
from hookward.domain.sealing import sealed_place


class WatchRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A watch as stored: ``definition`` is JSON (``WatchDefinition``), ``secrets`` is sealed."""

    id: WatchId
    account: AccountId
    resource_type: str
    status: int
    definition: bytes
    secrets: bytes | None
    status_reason: str | None = None
    owner: str | None = None
    lane: int = 0
    active_since: int = 0
    version: int = 0
    created: datetime | None = None
    updated: datetime | None = None
    deleted: bool = False
    credential: CredentialId | None = None

    def __repr__(self) -> str:
        return f"<WatchRecord {self.id.hex()} v{self.version}>"


class PreviousSecret(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A former secret of a key, sealed, the moment until which it signs too, and the public key that goes with it."""

    secret: bytes
    until: datetime
    public: bytes | None = None

    def __repr__(self) -> str:
        return f"<PreviousSecret until {self.until}>"


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A crypto key as stored: ``definition`` is JSON, ``secret`` is sealed, ``previous`` are those before it.

    They are listed newest first. A retired key is a tombstone without secrets. ``public`` is the public key in DER,
    where there is one, and ``generation`` counts the secrets that the key has had, each by one.
    """

    id: CryptoKeyId
    account: AccountId
    definition: bytes
    secret: bytes
    owner: str | None = None
    version: int = 0
    created: datetime | None = None
    previous: tuple[PreviousSecret, ...] = ()
    rotated: datetime | None = None
    retired: bool = False
    public: bytes | None = None
    generation: int = 1

    def __repr__(self) -> str:
        return f"<KeyRecord {self.id.hex()} v{self.version}>"


def seal_subject(row: WatchRecord) -> str:
    """What a watch's sealed secrets are bound to: moved to another row they do not open."""
    return sealed_place(row.account, row.owner, "watch", row.id, "secrets")


def key_subject(row: KeyRecord) -> str:
    """What a crypto key's sealed secret is bound to."""
    return sealed_place(row.account, row.owner, "key", row.id, "secret")
