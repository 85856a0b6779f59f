"""Watches and crypto keys as the store keeps them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from hookward.application.ports import Sealer
from hookward.domain.crypto_keys.model import KeyDefinition
from hookward.domain.ids import AccountId, CredentialId, CryptoKeyId, WatchId
from hookward.domain.sealing import watch_subject
from hookward.domain.watches.model import WatchDefinition, WatchSecrets


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

    def read_definition(self) -> WatchDefinition:
        """Return the definition, decoded."""
        return read_watch_definition(self.definition)

    def read_secrets(self, sealer: Sealer) -> WatchSecrets:
        """Return the secrets, decrypted; those of a watch without any are empty. Raises DecryptionFailed."""
        if self.secrets is None:
            return WatchSecrets()
        return _read_watch_secrets(sealer.unseal(self.secrets, watch_subject(self)))

    def __repr__(self) -> str:
        return f"<WatchRecord {self.id.hex()} v{self.version}>"


class PreviousSecret(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A former secret of a key, sealed, the time until which it signs as well, and its public key if there is one."""

    secret: bytes
    until: datetime
    public: bytes | None = None

    def __repr__(self) -> str:
        return f"<PreviousSecret until {self.until}>"


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A crypto key as stored: ``definition`` is JSON (``KeyDefinition``), ``secret`` is sealed.

    ``previous`` are its former secrets that still sign, newest first. A retired key is a tombstone without secrets.
    ``public`` is the public key in DER, ``None`` for HMAC. ``generation`` is 1 and grows by one with each rotation.
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

    def read_definition(self) -> KeyDefinition:
        """Return the definition, decoded."""
        return read_key_definition(self.definition)

    def __repr__(self) -> str:
        return f"<KeyRecord {self.id.hex()} v{self.version}>"


read_watch_definition = msgspec.json.Decoder(WatchDefinition).decode
read_key_definition = msgspec.json.Decoder(KeyDefinition).decode
_read_watch_secrets = msgspec.json.Decoder(WatchSecrets).decode
