"""How far a watch may go from the configured defaults."""

from __future__ import annotations

import msgspec

MIN_TIMEOUT = 0.05


class WatchBounds(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a watch may ask for: seconds an attempt may take, requests in flight, waits in a schedule, and
    seconds that each of them may last.
    """

    timeout: float = 30.0
    concurrency: int = 100
    retries: int = 30
    wait: float = 7 * 86400.0
