"""ConcurrencyLimit: how many of something may be under way, so that the rest of the api stays free for others (G6)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

from hookward.domain.errors import TooManyPending
from hookward.domain.ids import AccountId

IN_FLIGHT = 16
PER_ACCOUNT = 4


class ConcurrencyLimit:
    """ConcurrencyLimit for something that takes a while: so many in all, and so many for one account."""

    def __init__(self, what: str, *, retry_after: int) -> None:
        self._what = what
        self._retry_after = retry_after
        self._running: Counter[AccountId] = Counter()

    @contextmanager
    def take(self, account: AccountId) -> Iterator[None]:
        """Take a place for as long as it lasts; raises TooManyPending when there is none."""
        if self._running.total() >= IN_FLIGHT or self._running[account] >= PER_ACCOUNT:
            raise TooManyPending(
                f"too many {self._what} are under way; wait for their answers", retry_after=self._retry_after
            )
        self._running[account] += 1
        try:
            yield
        finally:
            self._running[account] -= 1
            if not self._running[account]:
                del self._running[account]


class FairSemaphore:
    """Lets so many do something costly at a time, and of one account and owner one.

    Whoever asks for much waits for themselves: others wait for one turn of theirs at most.
    """

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._lines: WeakValueDictionary[tuple[AccountId, str | None], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, account: AccountId, owner: str | None) -> AsyncIterator[None]:
        """Wait for a turn, and keep it for as long as it lasts."""
        line = self._lines.setdefault((account, owner), asyncio.Lock())
        async with line, self._places:
            yield
