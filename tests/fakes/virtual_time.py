"""Loop time that jumps to the next timer instead of waiting for it: hours of retries pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Never waits: a wait for a timer moves the time instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 1,000 seconds and jumps."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return 1_000.0 + self._virtual.now


class VirtualClock:
    """The Clock port on the running loop's time; the wall clock began in 2026."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def now_us(self) -> int:
        return 1_780_000_000_000_000 + int(self.monotonic() * 1e6)

    def monotonic(self) -> float:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # in a thread of the loop that was asked last
            if self._loop is None:
                raise
        return self._loop.time()


class FixedRandom:
    """The Random port without surprises: counted bytes, and always the middle of a spread."""

    def __init__(self) -> None:
        self._count = 0

    def bytes(self, count: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(8, "big").rjust(count, b"\0")[-count:]

    def uniform(self) -> float:
        return 0.5
