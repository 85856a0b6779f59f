"""Encrypt secrets at rest: AES-256-GCM (NIST SP 800-38D) with associated data, in a format that names its key.

A sealed value is ``0x01 | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag``; the first five bytes are the
key's *prefix*. The associated data is the prefix and the row and field that the value was sealed for. A master key is
not used directly: the encryption key, the key of fingerprints and the key id are derived from it (HKDF, RFC 5869).
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
PREFIX_BYTES = 5
_FORMAT = b"\x01"
_NONCE_BYTES = 12
_BODY = PREFIX_BYTES + _NONCE_BYTES
_TAG_BYTES = 16


class AesGcmSealer:
    """The ``SealingKeys`` port: encrypts with the first master key, decrypts with any."""

    def __init__(self, *keys: bytes) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ConfigError(f"security.master_key: must be {KEY_BYTES} bytes in base64")
        self._keys = {each.prefix: each for each in map(_MasterKey, dict.fromkeys(keys))}
        self.key_prefixes = tuple(self._keys)
        self._current = self._keys[self.key_prefixes[0]]

    def __repr__(self) -> str:
        return f"<AesGcmSealer {' '.join(prefix[1:].hex() for prefix in self.key_prefixes)}>"

    def seal(self, secret: bytes, about: str) -> bytes:
        """Return ``secret``, encrypted with the first master key and ``about`` as associated data."""
        key, nonce = self._current, os.urandom(_NONCE_BYTES)
        return key.prefix + nonce + key.cipher.encrypt(nonce, secret, key.prefix + about.encode())

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Decrypt what was sealed with the same ``about``. Raises DecryptionFailed with the reason."""
        prefix = sealed[:PREFIX_BYTES]
        if len(sealed) < _BODY + _TAG_BYTES or prefix[:1] != _FORMAT:
            raise DecryptionFailed("a sealed secret is damaged")
        key = self._keys.get(prefix)
        if key is None:
            raise DecryptionFailed(f"sealed with master key {prefix[1:].hex()}, which is not configured")
        try:
            return key.cipher.decrypt(sealed[PREFIX_BYTES:_BODY], sealed[_BODY:], prefix + about.encode())
        except InvalidTag:
            raise DecryptionFailed("a sealed secret was changed or moved") from None

    def fingerprint(self, secret: bytes, about: str) -> bytes:
        """Return the HMAC-SHA256 of ``secret`` and ``about``, by the first master key."""
        return self._current.fingerprint(secret, about)

    def fingerprints(self, secret: bytes, about: str) -> tuple[bytes, ...]:
        """Return the fingerprints by every master key, that of the first key first."""
        return tuple([key.fingerprint(secret, about) for key in self._keys.values()])


class _MasterKey:
    """The keys that are derived from one master key."""

    __slots__ = ("_fingerprints", "cipher", "prefix")

    def __init__(self, key: bytes) -> None:
        self.prefix = _FORMAT + _derived(key, b"id", PREFIX_BYTES - 1)
        self.cipher = AESGCM(_derived(key, b"sealing", KEY_BYTES))
        self._fingerprints = _derived(key, b"fingerprints", KEY_BYTES)

    def fingerprint(self, secret: bytes, about: str) -> bytes:
        subject = about.encode()
        return hmac.digest(self._fingerprints, len(subject).to_bytes(4, "big") + subject + secret, "sha256")


def _derived(key: bytes, use: bytes, size: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=None, info=b"hookward " + use).derive(key)
