"""Record: outcomes of many deliveries in one transaction, as soon as the one before has committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from hookward.application.parcel import Parcel, Stage
from hookward.application.ports import Log
from hookward.domain.delivery import DeliveryStatus, Entry
from hookward.domain.errors import LeaseLost, StoreUnavailable

MAX_GROUP = 512
_RETRY_SECONDS = 0.2
_UNRECORDABLE = "its record was refused by the store"


class Ledger(Protocol):
    """Where outcomes become durable."""

    async def record(
        self, token: int, entries: Sequence[Entry], *, done: Sequence[int], slots: Mapping[int, int]
    ) -> None:
        """Write all in one transaction; LeaseLost (and nothing changed) when the lease has ended."""
        ...


class Recorder:
    """Group commit of ledger entries under one lease.

    ``slots`` is asked, before each group, which lane slots to give back with it. ``linger`` is how long, in seconds,
    a group waits for company under load. ``after`` is told of every group, with ``woke`` when a lane may have been
    woken by it; ``doubt`` when it cannot be known whether a group was written.
    """

    def __init__(
        self, ledger: Ledger, token: int, *, log: Log, slots: Callable[[], dict[int, int]],
        after: Callable[..., None], doubt: Callable[[], None], linger: float = 0.003,
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._token = token
        self._log = log
        self._slots = slots
        self._linger = linger
        self._after = after
        self._doubt = doubt
        self._entries: list[Entry] = []
        self._done: list[int] = []
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def settle(self, parcel: Parcel, entry: Entry) -> None:
        """Take what became of a parcel's attempt."""
        parcel.stage = Stage.SETTLED
        self._add(entry)
        self._leave(parcel)

    def park(self, parcel: Parcel, *, seconds: float = 0.0) -> None:
        """Make a parcel wait in the store: in flight under our lease, or free for whoever has slots, then."""
        sending = parcel.stage is Stage.SENDING
        self._add(parcel.parked(held=sending, seconds=seconds))
        parcel.waited = True
        if not sending:
            parcel.stage = Stage.SETTLED
        self._leave(parcel)

    def enter(self, entry: Entry) -> None:
        """Take an entry that no parcel stands for."""
        self._add(entry)

    def close(self, seq: int) -> None:
        """Take an outbox row for which nothing is left to do."""
        self._done.append(seq)
        self._wake()

    def give_back(self) -> None:
        """Look for slots to give back even if nothing is recorded."""
        self._wake()

    async def drained(self) -> None:
        """Wait until all that was taken is durable."""
        await self._idle.wait()

    async def run(self) -> None:
        """Record until cancelled; raises LeaseLost."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._linger if len(self._entries) > 1 else 0)
            self._some.clear()
            entries, self._entries = self._entries, []
            done, self._done = self._done, []
            slots = self._slots()
            await self._write(entries, done, slots)
            self._after(woke=bool(slots) or any(entry.wait is not None for entry in entries))
            if not self._some.is_set():
                self._idle.set()

    def _add(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._wake()

    def _wake(self) -> None:
        self._some.set()
        self._idle.clear()

    def _leave(self, parcel: Parcel) -> None:
        claimed, parcel.claimed = parcel.claimed, None
        if claimed is not None:
            claimed.parcels.discard(parcel)
            if not claimed.parcels:
                self._done.append(claimed.seq)

    async def _write(self, entries: list[Entry], done: list[int], slots: dict[int, int]) -> None:
        if not entries and not done and not slots:
            return
        for start in range(0, len(entries), MAX_GROUP):
            chunk = entries[start : start + MAX_GROUP]
            if start + MAX_GROUP < len(entries):
                await self._write_group(chunk, [], {})
            else:
                await self._write_group(chunk, done, slots)
        if not entries:
            await self._write_group([], done, slots)

    async def _write_group(self, entries: list[Entry], done: list[int], slots: dict[int, int]) -> None:
        while True:
            try:
                await self._ledger.record(self._token, entries, done=done, slots=slots)
            except StoreUnavailable as error:
                self._doubt()
                self._log.warning("record.store_unavailable", error=str(error), waiting=len(entries))
                await asyncio.sleep(_RETRY_SECONDS)
            except LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001  a row that PostgreSQL refuses: find it, spare its neighbours
                await self._isolate(entries, done, slots, error)
                return
            else:
                return

    async def _isolate(self, entries: list[Entry], done: list[int], slots: dict[int, int], error: Exception) -> None:
        if len(entries) == 1 and entries[0].attempt is not None:
            entry = entries[0]
            self._log.error("record.refused_by_store", delivery_id=entry.id.hex(), error=type(error).__name__)
            ended = msgspec.structs.replace(
                entry, attempt=None, wait=None, payload=None, status=DeliveryStatus.FAILED, reason=_UNRECORDABLE
            )
            await self._write_group([ended], done, slots)
            return
        if len(entries) <= 1:
            raise error
        middle = len(entries) // 2
        await self._write_group(entries[:middle], [], {})
        await self._write_group(entries[middle:], done, slots)
