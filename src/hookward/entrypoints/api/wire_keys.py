"""The shapes of ``/v1/crypto-keys``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookward.domain.signing_key import Algorithm, SignatureFormat
from hookward.entrypoints.api.wire import Wire
from hookward.entrypoints.api.wire_requests import Duration, Input, KeyIdText, Limit


class NewKey(Wire, frozen=True):
    """A crypto key to make, or with ``secret`` to import.

    An imported secret is ``whsec_`` and 24 to 64 bytes in base64 for ``hmac-sha256``, ``whsk_`` and the key in base64
    for ``ed25519``, and for all but HMAC a private key in PEM (PKCS #8). ``ecdsa-p256-sha256`` and ``rsa-pss-sha512``
    sign as ``rfc9421`` only, which then is the default.
    """

    name: str
    algorithm: Algorithm = Algorithm.HMAC_SHA256
    format: SignatureFormat = SignatureFormat.STANDARD_WEBHOOKS
    secret: str | None = None


class KeyRotation(Input, frozen=True):
    """How to rotate: the new secret, where it is not to be made, and how long the former signs beside it."""

    secret: str | None = None
    overlap: Annotated[
        Duration | None, Meta(description="At most 30d; 24 h by default, unless configured otherwise.")
    ] = None


class KeyQueryParameters(Input, frozen=True):
    """Query parameters of the list of crypto keys."""

    name: Annotated[str | UnsetType, Meta(description="A name, whole.")] = UNSET
    owner: Annotated[str | UnsetType, Meta(description="Whose.")] = UNSET
    limit: Limit = 50
    cursor: Annotated[KeyIdText | UnsetType, Meta(description="The nextCursor of the page before.")] = UNSET


class KeyAnswer(Wire, frozen=True, omit_defaults=True):
    """A crypto key; ``secret`` only in the answer that made it, and only of HMAC.

    ``overlapUntil``: when its last former secret ends. ``kid`` names what it signs with now to receivers, where they
    need it: ``keyid`` of HTTP Message Signatures, ``kid`` of the key set.
    """

    id: str
    name: str
    algorithm: Algorithm
    format: SignatureFormat
    kid: str | None = None
    public_key: str | None = None
    created: str | None = None
    owner: str | None = None
    rotated: str | None = None
    overlap_until: str | None = None
    secret: str | msgspec.UnsetType = msgspec.UNSET


class PublicKey(Wire, frozen=True, omit_defaults=True):
    """A public key as a JSON Web Key (RFC 7517, RFC 7518, RFC 8037): ``kty`` says which of the numbers it has."""

    kty: Literal["OKP", "EC", "RSA"]
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA", "ES256", "PS512"]
    crv: str | msgspec.UnsetType = msgspec.UNSET
    x: str | msgspec.UnsetType = msgspec.UNSET
    y: str | msgspec.UnsetType = msgspec.UNSET
    n: str | msgspec.UnsetType = msgspec.UNSET
    e: str | msgspec.UnsetType = msgspec.UNSET


class KeySet(Wire, frozen=True):
    """A JSON Web Key Set."""

    keys: list[PublicKey]


class KeySetQuery(Input, frozen=True):
    """Query parameters of the key set."""

    kid: Annotated[str | UnsetType, Meta(description="The kid of a key: only that one's.")] = UNSET


class KeyList(Wire, frozen=True):
    """A page of crypto keys; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[KeyAnswer]
    next_cursor: str | None
