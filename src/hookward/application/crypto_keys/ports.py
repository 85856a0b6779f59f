"""The port of those who make keys and let them sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hookward.domain.crypto_keys.model import Algorithm, Material, SignatureFormat


class SigningKeys(Protocol):
    """Keys of all algorithms. Making one may take a moment: away from the loop."""

    def generate(self, algorithm: Algorithm) -> Material:
        """A new key."""
        ...

    def read(self, algorithm: Algorithm, text: str) -> Material:
        """The key that somebody brings; raises ValueError, which says what it must be."""
        ...

    def signer(self, algorithm: Algorithm, secret: bytes) -> Callable[[bytes], bytes]:
        """What signs with a key's secret."""
        ...

    def public_text(self, algorithm: Algorithm, format_: SignatureFormat, public: bytes) -> str:
        """A public key as receivers keep it: ``whpk_…`` of Standard Webhooks, else PEM."""
        ...

    def jwk(self, algorithm: Algorithm, public: bytes, kid: str) -> dict[str, str]:
        """A public key as a JSON Web Key (RFC 7517)."""
        ...
