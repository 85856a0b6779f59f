"""Limits on concurrent work, so that one account cannot use up what all share (G6)."""

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
    """Refuse work while ``limit`` pieces of it run in total, or ``per_account`` for one account.

    ``what`` names the work in the error, in the plural; ``retry_after`` is in seconds.
    """

    def __init__(self, what: str, *, retry_after: int, limit: int = IN_FLIGHT, per_account: int = PER_ACCOUNT) -> None:
        self._what = what
        self._retry_after = retry_after
        self._limit = limit
        self._per_account = per_account
        self._running: Counter[AccountId] = Counter()

    @contextmanager
    def take(self, account: AccountId) -> Iterator[None]:
        """Count the body of a ``with`` statement as running work. Raises TooManyPending when a limit is reached."""
        if self._running.total() >= self._limit or self._running[account] >= self._per_account:
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
    """Let ``limit`` pieces of costly work run at a time, but only one for each account and owner.

    An owner that asks for a lot delays itself: others wait at most for one piece of its work.
    """

    def __init__(self, limit: int) -> None:
        self._semaphore = asyncio.Semaphore(limit)
        self._locks: WeakValueDictionary[tuple[AccountId, str | None], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, account: AccountId, owner: str | None) -> AsyncIterator[None]:
        """Wait until this account and owner may run, and count the body of the ``async with`` as running."""
        lock = self._locks.setdefault((account, owner), asyncio.Lock())
        async with lock, self._semaphore:
            yield
