"""The holder's side of a lease. Deadlines use the monotonic clock."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hookward.application.ports import Clock, Log
from hookward.domain.errors import StoreUnavailable

MARGIN = 5.0


class Leases(Protocol):
    """Where leases are kept; times are in seconds."""

    async def begin(self, worker: str, seconds: float) -> int: ...

    async def renew(self, token: int, seconds: float) -> None: ...

    async def end(self, token: int) -> None: ...

    async def abandon(self, token: int) -> None: ...

    async def take_over(self) -> tuple[int, int, int]: ...


class Lease:
    """The right of one worker session to send and record."""

    def __init__(self, leases: Leases, token: int, *, seconds: float, began: float, clock: Clock, log: Log) -> None:
        self.token = token
        self._leases = leases
        self._seconds = seconds
        self._clock = clock
        self._log = log
        self._until = began + seconds
        self._renewed = asyncio.Event()

    @classmethod
    async def begin(cls, leases: Leases, worker: str, *, seconds: float, clock: Clock, log: Log) -> Lease:
        """Open a lease. The clock is read before PostgreSQL is asked, so our deadline is never the later one."""
        began = clock.monotonic()
        return cls(leases, await leases.begin(worker, seconds), seconds=seconds, began=began, clock=clock, log=log)

    def covers(self, seconds: float) -> bool:
        """Return whether a send that may last ``seconds`` can start now and still be recorded."""
        return self._clock.monotonic() + seconds + MARGIN < self._until

    async def until_covers(self, seconds: float) -> None:
        """Wait for a renewal that lets such a send start."""
        while not self.covers(seconds):
            self._renewed.clear()
            await self._renewed.wait()

    async def keep(self) -> None:
        """Renew until cancelled. Raises LeaseLost when a renewal came too late."""
        pause = self._seconds / 9
        while True:
            await asyncio.sleep(pause)
            began = self._clock.monotonic()
            try:
                await self._leases.renew(self.token, self._seconds)
            except StoreUnavailable as error:
                self._log.warning("lease.store_unavailable", error=str(error))
                pause = min(1.0, self._seconds / 9)
                continue
            self._until = began + self._seconds
            self._renewed.set()
            pause = self._seconds / 9
