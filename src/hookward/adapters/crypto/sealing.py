"""Secrets at rest: AES-256-GCM (NIST SP 800-38D) with associated data, in a format that names its key.

A sealed value is ``0x01 | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag``; the first five bytes are the
key's *mark*. They are authenticated with what the value is about: the row and field that it was sealed for. A master
key does no work itself: what seals, what makes fingerprints and the key's id are derived from it (HKDF, RFC 5869).
"""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hookward.domain.errors import ConfigError, DecryptionFailed

KEY_BYTES = 32
MARK_BYTES = 5
_FORMAT = b"\x01"
_NONCE_BYTES = 12
_BODY = MARK_BYTES + _NONCE_BYTES
_TAG_BYTES = 16


class AesGcmSealer:
    """The ``SealingKeys`` port: seals with the first key, opens with any."""

    def __init__(self, *keys: bytes) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ConfigError(f"security.master_key: must be {KEY_BYTES} bytes in base64")
        self._keys = {each.mark: each for each in map(_MasterKey, dict.fromkeys(keys))}
        self.marks = tuple(self._keys)
        self._current = self._keys[self.marks[0]]

    def __repr__(self) -> str:
        return f"<AesGcmSealer {' '.join(mark[1:].hex() for mark in self.marks)}>"

    def seal(self, secret: bytes, about: str) -> bytes:
        """Seal ``secret`` for the place that ``about`` names."""
        key, nonce = self._current, os.urandom(_NONCE_BYTES)
        return key.mark + nonce + key.cipher.encrypt(nonce, secret, key.mark + about.encode())

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Open what was sealed for the same place; ``DecryptionFailed`` says what does not fit."""
        mark = sealed[:MARK_BYTES]
        if len(sealed) < _BODY + _TAG_BYTES or mark[:1] != _FORMAT:
            raise DecryptionFailed("a sealed secret is damaged")
        key = self._keys.get(mark)
        if key is None:
            raise DecryptionFailed(f"sealed with master key {mark[1:].hex()}, which is not configured")
        try:
            return key.cipher.decrypt(sealed[MARK_BYTES:_BODY], sealed[_BODY:], mark + about.encode())
        except InvalidTag:
            raise DecryptionFailed("a sealed secret was changed or moved") from None

    def fingerprint(self, secret: bytes, about: str) -> bytes:
        """HMAC-SHA256 of ``secret`` and what it is about, by the key that seals."""
        return self._current.fingerprint(secret, about)

    def fingerprints(self, secret: bytes, about: str) -> tuple[bytes, ...]:
        """The same by every key of the ring, the one that seals first."""
        return tuple([key.fingerprint(secret, about) for key in self._keys.values()])


class _MasterKey:
    """What is derived from one master key."""

    __slots__ = ("_fingerprints", "cipher", "mark")

    def __init__(self, key: bytes) -> None:
        self.mark = _FORMAT + _derived(key, b"id", MARK_BYTES - 1)
        self.cipher = AESGCM(_derived(key, b"sealing", KEY_BYTES))
        self._fingerprints = _derived(key, b"fingerprints", KEY_BYTES)

    def fingerprint(self, secret: bytes, about: str) -> bytes:
        subject = about.encode()
        return hmac.digest(self._fingerprints, len(subject).to_bytes(4, "big") + subject + secret, "sha256")


def _derived(key: bytes, use: bytes, size: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=None, info=b"hookward " + use).derive(key)
