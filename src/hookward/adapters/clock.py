"""The system clock and random numbers: the only module that reads them."""

from __future__ import annotations

import os
import random
import time

_SHORT = 16
_BUFFER_BYTES = 1 << 12


class SystemClock:
    """The ``Clock`` port on the clocks of this machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class OffsetClock(SystemClock):
    """A clock that shows PostgreSQL's time, from a measured offset in microseconds."""

    def __init__(self) -> None:
        self.offset_us = 0

    def now_us(self) -> int:
        return time.time_ns() // 1000 + self.offset_us


class SystemRandom:
    """The ``Random`` port, for one thread of one process.

    Up to 16 bytes, as for an id, come from a buffer, so that the kernel is called once for hundreds of ids. Longer
    values, such as keys and secrets, are read from the kernel one by one: no part of them is in memory beforehand.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._used = 0

    def bytes(self, count: int) -> bytes:
        if count > _SHORT:
            return os.urandom(count)
        end = self._used + count
        if end > len(self._buffer):
            self._buffer, end = os.urandom(_BUFFER_BYTES), count
        self._used = end
        return self._buffer[end - count : end]

    def uniform(self) -> float:
        return random.random()  # noqa: S311  spreads retries, protects no secret
