"""Retention: delete what is older than its account keeps, but nothing that is still to be delivered (G3)."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hookward.application.ports import Log
from hookward.domain.errors import StoreUnavailable

ROUND_SECONDS = 600.0
LATER_SECONDS = 30.0


class RetentionStore(Protocol):
    """Where old data is deleted. One process at a time does it, and it blocks no other work."""

    async def drop_day(self, seconds: float) -> str | None:
        """Drop the partitions of one day that no account keeps; returns its name, or ``None`` if there is none."""
        ...

    async def delete_some(self, seconds: float) -> int:
        """Delete some finished deliveries or events that are older than their account keeps; returns how many."""
        ...


class Retainer:
    """Deletes old data every ten minutes, in every worker. ``seconds`` is the default retention of an account."""

    def __init__(self, store: RetentionStore, *, seconds: float, log: Log) -> None:
        self._store = store
        self._seconds = seconds
        self._log = log

    async def run(self) -> None:
        """Delete old data until cancelled."""
        while True:
            try:
                await self._round()
            except StoreUnavailable as error:  # a query may be reading the old day: try again later
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
