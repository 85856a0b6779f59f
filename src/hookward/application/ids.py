"""Make ids: the one place where use cases get new ones from."""

from __future__ import annotations

from hookward.application.ports import Clock, Random
from hookward.domain.ids import uuid7


def make_id(clock: Clock, random: Random) -> bytes:
    """Return a new UUIDv7 (16 bytes) of this millisecond, with 74 random bits."""
    return uuid7(clock.now_us() // 1000, random.bytes(10))
