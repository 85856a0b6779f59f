"""The port that generates, reads and uses signing keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hookward.domain.crypto_keys.model import Algorithm, Material, SignatureFormat


class SigningKeys(Protocol):
    """Keys of all algorithms. Call ``generate`` and ``read`` in a thread: an RSA key takes a tenth of a second."""

    def generate(self, algorithm: Algorithm) -> Material:
        """Return a new key."""
        ...

    def read(self, algorithm: Algorithm, text: str) -> Material:
        """Return the key that ``text`` holds. Raises ValueError, which says what is expected."""
        ...

    def signer(self, algorithm: Algorithm, secret: bytes) -> Callable[[bytes], bytes]:
        """Return a function that signs bytes with a key's secret."""
        ...

    def public_text(self, algorithm: Algorithm, format_: SignatureFormat, public: bytes) -> str:
        """Return a public key in the form that receivers configure: ``whpk_…`` of Standard Webhooks, else PEM."""
        ...

    def jwk(self, algorithm: Algorithm, public: bytes, kid: str) -> dict[str, str]:
        """Return a public key as a JSON Web Key (RFC 7517)."""
        ...
