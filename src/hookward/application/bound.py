"""How many of something may be under way, so that the rest of the api stays free for others (G6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hookward.domain.errors import Backlogged
from hookward.domain.ids import AccountId

IN_FLIGHT = 16
PER_ACCOUNT = 4


class Bound:
    """How many of something may be under way, in all and for one account."""

    def __init__(self, what: str, *, retry_after: int) -> None:
        self._what = what
        self._retry_after = retry_after
        self._running: Counter[AccountId] = Counter()

    @contextmanager
    def place(self, account: AccountId) -> Iterator[None]:
        """Take a place for as long as it lasts; raises Backlogged when there is none."""
        if self._running.total() >= IN_FLIGHT or self._running[account] >= PER_ACCOUNT:
            raise Backlogged(
                f"too many {self._what} are under way; wait for their answers", retry_after=self._retry_after
            )
        self._running[account] += 1
        try:
            yield
        finally:
            self._running[account] -= 1
            if not self._running[account]:
                del self._running[account]
