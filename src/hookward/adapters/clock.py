"""The one place where time and randomness come from."""

from __future__ import annotations

import os
import random
import time


class SystemClock:
    """The :class:`~hookward.application.ports.Clock` of this machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class OffsetClock(SystemClock):
    """A clock that shows another machine's time: PostgreSQL's, from a measured offset in microseconds."""

    def __init__(self) -> None:
        self.offset_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.offset_us


class SystemChance:
    """The :class:`~hookward.application.ports.Chance` of this machine."""

    def bytes(self, count: int) -> bytes:
        return os.urandom(count)

    def fraction(self) -> float:
        return random.random()  # noqa: S311  spreads retries, guards nothing
