"""The one place where time and randomness come from."""

from __future__ import annotations

import os
import random
import time

_SHORT = 16
_SUPPLY = 1 << 12


class SystemClock:
    """The ``Clock`` of this machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class OffsetClock(SystemClock):
    """A clock that shows another machine's time: PostgreSQL's, from a measured offset in microseconds."""

    def __init__(self) -> None:
        self.offset_us = 0

    def now_us(self) -> int:
        return time.time_ns() // 1000 + self.offset_us


class SystemRandom:
    """The ``Random`` of this machine, for one thread of one process.

    What is as short as an id comes out of a supply: the kernel is asked once for hundreds. A key or a secret is asked
    for by itself: nothing of it lies here before it exists.
    """

    def __init__(self) -> None:
        self._supply = b""
        self._used = 0

    def bytes(self, count: int) -> bytes:
        if count > _SHORT:
            return os.urandom(count)
        end = self._used + count
        if end > len(self._supply):
            self._supply, end = os.urandom(_SUPPLY), count
        self._used = end
        return self._supply[end - count : end]

    def uniform(self) -> float:
        return random.random()  # noqa: S311  spreads retries, guards nothing
