"""Secrets at rest: AES-256-GCM (NIST SP 800-38D) with associated data, in a format that names its key.

A sealed value is ``0x01 | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag``. The key id lets several master
keys live side by side; the associated data binds a value to the row and field that it was sealed for.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hookward.domain.errors import ConfigError, HookwardError

KEY_BYTES = 32
_FORMAT = 1
_NONCE_BYTES = 12
_HEADER_BYTES = 5


class Unsealable(HookwardError):
    """A sealed value that this process's keys do not open."""


class AesGcmSealer:
    """The :class:`~hookward.application.ports.Sealer` port: seals with the first key, opens with any."""

    def __init__(self, *keys: bytes) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ConfigError(f"security.master_key: must be {KEY_BYTES} bytes in base64")
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._current = _key_id(keys[0])
        self._fingerprints = [_derived(key) for key in keys]

    def seal(self, secret: bytes, about: str) -> bytes:
        """Seal ``secret`` for the place that ``about`` names."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, secret, about.encode())
        return bytes((_FORMAT,)) + self._current + nonce + sealed

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Open what was sealed for the same place; :class:`Unsealable` says what does not fit."""
        if len(sealed) < _HEADER_BYTES + _NONCE_BYTES or sealed[0] != _FORMAT:
            raise Unsealable("a sealed secret is damaged")
        cipher = self._ciphers.get(sealed[1:_HEADER_BYTES])
        if cipher is None:
            raise Unsealable(f"sealed with master key {sealed[1:_HEADER_BYTES].hex()}, which is not configured")
        body = _HEADER_BYTES + _NONCE_BYTES
        try:
            return cipher.decrypt(sealed[_HEADER_BYTES:body], sealed[body:], about.encode())
        except InvalidTag:
            raise Unsealable("a sealed secret was changed or moved") from None

    def fingerprint(self, secret: bytes, about: str) -> bytes:
        """HMAC-SHA256 of ``secret`` and what it is about, by the key that seals."""
        return self.fingerprints(secret, about)[0]

    def fingerprints(self, secret: bytes, about: str) -> tuple[bytes, ...]:
        """The same by every key of the ring, the one that seals first."""
        subject = about.encode()
        message = len(subject).to_bytes(4, "big") + subject + secret
        return tuple([hmac.digest(key, message, "sha256") for key in self._fingerprints])


def _derived(key: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"hookward fingerprints").derive(key)


def _key_id(key: bytes) -> bytes:
    return sha256(b"hookward key id" + key).digest()[:4]
