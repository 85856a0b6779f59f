"""Identifiers: a UUIDv7 (RFC 9562 §5.7) inside, a prefixed hexadecimal string outside.

Ids are 16 raw bytes in memory and in the database, sort by creation time in both forms, and hold no dot, so they can
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
CredentialId = NewType("CredentialId", bytes)  # internal
AccountRef = NewType("AccountRef", bytes)  # public id of an account
AccountId = NewType("AccountId", int)  # key in the database

_DIGITS = re.compile(r"[0-9a-f]{32}")


class IdPrefix(StrEnum):
    """The kind of object that an id names: the string before its underscore."""

    EVENT = "evt"
    WATCH = "wat"
    DELIVERY = "dlv"
    CRYPTO_KEY = "key"
    API_KEY = "apk"
    ACCOUNT = "acc"
    ERASURE = "ers"


def uuid7(unix_ms: int, random: bytes) -> bytes:
    """Return a UUIDv7 of a time (milliseconds since 1970) and 10 random bytes."""
    return (unix_ms << 80 | int.from_bytes(random[:10], "big") & _RANDOM | _VERSION_7).to_bytes(16, "big")


_VERSION_7 = 7 << 76 | 2 << 62
_RANDOM = (1 << 80) - 1 & ~(0xF << 76 | 3 << 62)


def unix_ms_of(identifier: bytes) -> int:
    """Return the time (milliseconds since 1970) that a UUIDv7 carries."""
    return int.from_bytes(identifier[:6], "big")


def millisecond_of(identifier: bytes) -> tuple[bytes, bytes]:
    """Return the least and the greatest id of the same millisecond."""
    return identifier[:6] + bytes(10), identifier[:6] + b"\xff" * 10


def delivery_id_of(event: EventId, watch: WatchId) -> DeliveryId:
    """Return the id of the one delivery of this event for this watch.

    It depends on both only, so that work repeated after a crash finds the delivery that exists. It carries the event's
    time, so that an event and its deliveries are in one partition.
    """
    return DeliveryId(uuid7(unix_ms_of(event), blake2b(event + watch, digest_size=10).digest()))


def delivery_ids(event: EventId, watches: Iterable[WatchId]) -> dict[WatchId, DeliveryId]:
    """Return the id of the delivery of this event for each watch, in the order of the watches."""
    return {watch: delivery_id_of(event, watch) for watch in watches}


def to_text(prefix: IdPrefix, identifier: bytes) -> str:
    """Return the public form of an id: ``evt_0193…``."""
    return prefix + "_" + identifier.hex()  # formatting an enum takes three times as long


def from_text(prefix: IdPrefix, text: str) -> bytes | None:
    """Return the 16 bytes of an id in its public form; ``None`` if ``text`` is not an id of this kind."""
    head, _, digits = text.partition("_")
    if head != prefix or not _DIGITS.fullmatch(digits):  # fromhex alone would ignore spaces
        return None
    return bytes.fromhex(digits)
