"""Signatures of Standard Webhooks (specification of 2023, sections "Signature scheme" and "Webhook headers")."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence

from hookward.domain.crypto_keys.model import Signer

PREFIX = "whsec_"
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64
TOLERANCE_SECONDS = 300
"""How far ``webhook-timestamp`` may differ from the receiver's clock, in both directions."""


def sign_v1(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return ``v1,<base64>``: HMAC-SHA256 over ``{id}.{timestamp}.{body}``; timestamp in seconds since 1970."""
    digest = hmac.digest(secret, b"%b.%d.%b" % (message_id.encode(), timestamp, body), "sha256")
    return "v1," + b64encode(digest).decode()


def sign_v1a(sign: Callable[[bytes], bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return ``v1a,<base64>``: Ed25519 (``sign``) over ``{id}.{timestamp}.{body}``; timestamp in seconds since 1970."""
    return "v1a," + b64encode(sign(b"%b.%d.%b" % (message_id.encode(), timestamp, body))).decode()


def signatures(
    secrets: tuple[bytes, ...], message_id: str, timestamp: int, body: bytes, pairs: Sequence[Signer] = ()
) -> str:
    """Return the value of ``webhook-signature``: one signature for each key, separated by spaces.

    ``secrets`` are HMAC keys, ``pairs`` Ed25519 keys.
    """
    if len(secrets) == 1 and not pairs:
        return sign_v1(secrets[0], message_id, timestamp, body)
    signed = [sign_v1(secret, message_id, timestamp, body) for secret in secrets]
    return " ".join([*signed, *(sign_v1a(each.sign, message_id, timestamp, body) for each in pairs)])


def verify(header: str, secret: bytes, message_id: str, timestamp: int, body: bytes) -> bool:
    """Return whether one of the signatures in a ``webhook-signature`` header was made with this secret.

    Each is compared in constant time. The caller checks the age of the timestamp.
    """
    expected = sign_v1(secret, message_id, timestamp, body).encode()
    return any(hmac.compare_digest(expected, each.encode()) for each in header.split())


def secret_to_text(secret: bytes) -> str:
    """Return the secret in the form that receivers configure: ``whsec_<base64>``."""
    return PREFIX + b64encode(secret).decode()


def secret_from_text(text: str) -> bytes | None:
    """Return the 24 to 64 bytes of a ``whsec_`` secret; ``None`` if the text is no such secret."""
    if not text.startswith(PREFIX):
        return None
    try:
        secret = b64decode(text.removeprefix(PREFIX), validate=True)
    except (Base64Error, ValueError):
        return None
    return secret if MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES else None
