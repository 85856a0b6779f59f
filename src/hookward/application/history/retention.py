"""Retention: remove what is older than it may be, and nothing that is still open (G3)."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hookward.application.ports import Log
from hookward.domain.errors import StoreUnavailable

ROUND_SECONDS = 600.0
LATER_SECONDS = 30.0


class RetentionStore(Protocol):
    """Where old things are removed; both are done by one process at a time, and stall nobody."""

    async def drop_day(self, seconds: float) -> str | None:
        """Drop the partitions of one day that is over for everybody; answers its name, ``None`` when there is none."""
        ...

    async def delete_some(self, seconds: float) -> int:
        """Delete a bounded number of ended deliveries or events that are over for their account; answers how many."""
        ...


class Retainer:
    """Looks every few minutes, in every worker. ``seconds`` is how long an account's log is kept by default."""

    def __init__(self, store: RetentionStore, *, seconds: float, log: Log) -> None:
        self._store = store
        self._seconds = seconds
        self._log = log

    async def run(self) -> None:
        """Remove what is old until cancelled."""
        while True:
            try:
                await self._round()
            except StoreUnavailable as error:  # somebody reads the old day: there is time
                self._log.warning("retention.later", error=str(error))
                await asyncio.sleep(LATER_SECONDS)
                continue
            await asyncio.sleep(ROUND_SECONDS)

    async def _round(self) -> None:
        while day := await self._store.drop_day(self._seconds):
            self._log.info("retention.dropped", day=day)
        rows = 0
        while count := await self._store.delete_some(self._seconds):
            rows += count
            await asyncio.sleep(0)
        if rows:
            self._log.info("retention.deleted", rows=rows)
