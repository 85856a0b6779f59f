"""Identifiers: a UUIDv7 (RFC 9562 §5.7) inside, a prefixed hexadecimal text outside.

Ids are 16 raw bytes in memory and in the store, sort by creation time in both forms, and hold no dot, so they can
be signed (Standard Webhooks joins id, timestamp and body with dots).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from hashlib import blake2b
from typing import NewType

EventId = NewType("EventId", bytes)
WatchId = NewType("WatchId", bytes)
DeliveryId = NewType("DeliveryId", bytes)
CryptoKeyId = NewType("CryptoKeyId", bytes)
ApiKeyId = NewType("ApiKeyId", bytes)
CredentialId = NewType("CredentialId", bytes)  # nobody sees it
AccountRef = NewType("AccountRef", bytes)  # what users see of an account
AccountId = NewType("AccountId", int)  # what the store joins by

_DIGITS = re.compile(r"[0-9a-f]{32}")


class IdPrefix(StrEnum):
    """What an id names, as the text before its underscore."""

    EVENT = "evt"
    WATCH = "wat"
    DELIVERY = "dlv"
    CRYPTO_KEY = "key"
    API_KEY = "apk"
    ACCOUNT = "acc"
    ERASURE = "ers"


def uuid7(unix_ms: int, random: bytes) -> bytes:
    """Lay out a UUIDv7 of a moment (milliseconds since 1970) and 10 random bytes."""
    return (unix_ms << 80 | int.from_bytes(random[:10], "big") & _RANDOM | _VERSION_7).to_bytes(16, "big")


_VERSION_7 = 7 << 76 | 2 << 62
_RANDOM = (1 << 80) - 1 & ~(0xF << 76 | 3 << 62)


def unix_ms_of(identifier: bytes) -> int:
    """The moment (milliseconds since 1970) that a UUIDv7 carries."""
    return int.from_bytes(identifier[:6], "big")


def millisecond_of(identifier: bytes) -> tuple[bytes, bytes]:
    """The least and the greatest id that carry the same millisecond."""
    return identifier[:6] + bytes(10), identifier[:6] + b"\xff" * 10


def delivery_id(event: EventId, watch: WatchId) -> DeliveryId:
    """The id of the one delivery of this event for this watch.

    A function of both, so that whoever does the work again after a crash finds what was done; it carries the event's
    time, so that all that belongs to one event lives in one partition.
    """
    return DeliveryId(uuid7(unix_ms_of(event), blake2b(event + watch, digest_size=10).digest()))


def delivery_ids(event: EventId, watches: Iterable[WatchId]) -> list[DeliveryId]:
    """Return the id of the delivery of this event for each watch, in the order of the watches."""
    return [delivery_id(event, watch) for watch in watches]


def to_text(prefix: IdPrefix, identifier: bytes) -> str:
    """``evt_0193…``: what users see."""
    return prefix + "_" + identifier.hex()  # formatting an enum takes three times as long


def from_text(prefix: IdPrefix, text: str) -> bytes | None:
    """The 16 bytes behind ``text``; ``None`` when it is not an id of this kind."""
    head, _, digits = text.partition("_")
    if head != prefix or not _DIGITS.fullmatch(digits):  # fromhex alone would skip blanks
        return None
    return bytes.fromhex(digits)
