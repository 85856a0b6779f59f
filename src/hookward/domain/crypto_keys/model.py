"""Crypto keys: algorithms, signature formats, key material, and signers."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec


class Algorithm(StrEnum):
    """The signature algorithm of a key, by its name in RFC 9421 §3.3 and its registry."""

    HMAC_SHA256 = "hmac-sha256"
    ED25519 = "ed25519"
    ECDSA_P256_SHA256 = "ecdsa-p256-sha256"
    RSA_PSS_SHA512 = "rsa-pss-sha512"


class SignatureFormat(StrEnum):
    """The format of signatures: ``webhook-signature`` of Standard Webhooks, or HTTP Message Signatures (RFC 9421)."""

    STANDARD_WEBHOOKS = "standard-webhooks"
    RFC9421 = "rfc9421"


STANDARD_ALGORITHMS = (Algorithm.HMAC_SHA256, Algorithm.ED25519)
"""The algorithms that Standard Webhooks defines: ``v1`` and ``v1a``."""


class Material(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The bytes of a key.

    ``secret`` is the HMAC secret, the seed of Ed25519 (32 bytes), or else PKCS #8 in DER. ``public`` is the
    SubjectPublicKeyInfo in DER, ``None`` for HMAC.
    """

    secret: bytes
    public: bytes | None = None

    def __repr__(self) -> str:
        return "<Material>"


class Signer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key that is ready to sign.

    ``kid`` identifies its material to receivers. ``slow``: a signature takes about a millisecond.
    """

    kid: str
    algorithm: Algorithm
    format: SignatureFormat
    sign: Callable[[bytes], bytes]
    slow: bool = False

    def __repr__(self) -> str:
        return f"<Signer {self.kid} {self.algorithm}>"


def kid_of(key: str, generation: int) -> str:
    """Return the key id that receivers see: the key's id, and after a rotation also the number of its material."""
    return key if generation == 1 else f"{key}.{generation}"


class KeyDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of a crypto key that may be read back."""

    name: str
    algorithm: Algorithm = Algorithm.HMAC_SHA256
    format: SignatureFormat = SignatureFormat.STANDARD_WEBHOOKS
