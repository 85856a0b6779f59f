"""Secrets at rest: AES-256-GCM (NIST SP 800-38D) with associated data, in a format that names its key.

A sealed value is ``0x01 | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag``. The key id lets several master
keys live side by side; the associated data binds a value to the row and field that it was sealed for.
"""

from __future__ import annotations

import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

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


def _key_id(key: bytes) -> bytes:
    return sha256(b"hookward key id" + key).digest()[:4]
