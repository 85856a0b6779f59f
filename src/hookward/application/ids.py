"""Make ids: the one place where use cases get new ones from."""

from __future__ import annotations

from hookward.application.ports import Clock, Random
from hookward.domain.ids import uuid7


def make_id(clock: Clock, random: Random) -> bytes:
    """Return a new UUIDv7 (16 bytes) of this millisecond, with 74 random bits."""
    return uuid7(clock.now_us() // 1000, random.bytes(10))


def make_ids(clock: Clock, random: Random, count: int) -> list[bytes]:
    """Return ``count`` new UUIDv7 of this millisecond, as ``make_id`` does."""
    unix_ms = clock.now_us() // 1000
    return [uuid7(unix_ms, random.bytes(10)) for _ in range(count)]
