"""What a crypto key is made of, and what signs: algorithms, formats, material."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec


class Algorithm(StrEnum):
    """How a key signs: the names of RFC 9421 §3.3 and its registry."""

    HMAC_SHA256 = "hmac-sha256"
    ED25519 = "ed25519"
    ECDSA_P256_SHA256 = "ecdsa-p256-sha256"
    RSA_PSS_SHA512 = "rsa-pss-sha512"


class SignatureFormat(StrEnum):
    """How a signature is written: ``webhook-signature`` of Standard Webhooks, or HTTP Message Signatures (RFC 9421)."""

    STANDARD_WEBHOOKS = "standard-webhooks"
    RFC9421 = "rfc9421"


STANDARD_ALGORITHMS = (Algorithm.HMAC_SHA256, Algorithm.ED25519)
"""Those that Standard Webhooks has a version for: ``v1`` and ``v1a``."""


class Material(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key's own bytes.

    ``secret``: of HMAC the secret itself, of Ed25519 its seed (32 bytes), else PKCS #8 in DER. ``public``: the
    SubjectPublicKeyInfo in DER, none for HMAC.
    """

    secret: bytes
    public: bytes | None = None

    def __repr__(self) -> str:
        return "<Material>"


class Signer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One key that signs.

    ``kid`` names its material to receivers; ``slow`` says that signing takes about a millisecond.
    """

    kid: str
    algorithm: Algorithm
    format: SignatureFormat
    sign: Callable[[bytes], bytes]
    slow: bool = False

    def __repr__(self) -> str:
        return f"<Signer {self.kid} {self.algorithm}>"


def kid_of(key: str, generation: int) -> str:
    """How material is named: by the key's id, and once it was rotated by the number of its material too."""
    return key if generation == 1 else f"{key}.{generation}"


class KeyDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """All of a crypto key that may be read back."""

    name: str
    algorithm: Algorithm = Algorithm.HMAC_SHA256
    format: SignatureFormat = SignatureFormat.STANDARD_WEBHOOKS
