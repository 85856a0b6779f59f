"""Record: outcomes of many deliveries in one transaction, as soon as the one before has committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from hookward.application.delivery.task import DeliveryTask, TaskState
from hookward.application.ports import Log
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate
from hookward.domain.errors import LeaseLost, StoreUnavailable

MAX_GROUP = 512
MAX_GROUP_BYTES = 4 << 20
_RETRY_SECONDS = 0.2
_UNRECORDABLE = "its record was refused by the store"


class ResultStore(Protocol):
    """Where outcomes become durable."""

    async def record(
        self, token: int, entries: Sequence[DeliveryUpdate], *, done: Sequence[int], slots: Mapping[int, int]
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
        self, ledger: ResultStore, token: int, *, log: Log, slots: Callable[[], dict[int, int]],
        after: Callable[..., None], doubt: Callable[[], None], linger: float = 0.003,
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._token = token
        self._log = log
        self._slots = slots
        self._linger = linger
        self._after = after
        self._doubt = doubt
        self._entries: list[DeliveryUpdate] = []
        self._done: list[int] = []
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.held = 0
        """Bytes of the bodies that are not written yet."""

    def settle(self, task: DeliveryTask, entry: DeliveryUpdate) -> None:
        """Take what became of a task's attempt."""
        task.state = TaskState.SETTLED
        self._add(entry)
        self._leave(task)

    def park(self, task: DeliveryTask, *, seconds: float = 0.0) -> None:
        """Make a task wait in the store: in flight under our lease, or free for whoever has slots, then."""
        sending = task.state is TaskState.SENDING
        self._add(task.wait_for_slot(held=sending, seconds=seconds))
        task.waited = True
        if not sending:
            task.state = TaskState.SETTLED
        self._leave(task)

    def enter(self, entry: DeliveryUpdate) -> None:
        """Take an entry that no task stands for."""
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
            woke = bool(slots) or any(entry.wait is not None for entry in entries)
            await self._write(entries, done, slots)
            self.held -= sum(map(_weight, entries))
            del entries  # large ones, maybe, and the next may be long in coming
            self._after(woke=woke)
            if not self._some.is_set():
                self._idle.set()

    def _add(self, entry: DeliveryUpdate) -> None:
        self._entries.append(entry)
        self.held += _weight(entry)
        self._wake()

    def _wake(self) -> None:
        self._some.set()
        self._idle.clear()

    def _leave(self, task: DeliveryTask) -> None:
        claimed, task.claimed = task.claimed, None
        if claimed is not None:
            claimed.tasks.discard(task)
            if not claimed.tasks:
                self._done.append(claimed.seq)

    async def _write(self, entries: list[DeliveryUpdate], done: list[int], slots: dict[int, int]) -> None:
        if not entries and not done and not slots:
            return
        *groups, last = _groups(entries)
        for group in groups:
            await self._write_group(group, [], {})
        await self._write_group(last, done, slots)

    async def _write_group(self, entries: list[DeliveryUpdate], done: list[int], slots: dict[int, int]) -> None:
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

    async def _isolate(
        self, entries: list[DeliveryUpdate], done: list[int], slots: dict[int, int], error: Exception
    ) -> None:
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


def _groups(entries: list[DeliveryUpdate]) -> list[list[DeliveryUpdate]]:
    """One group at least, each of entries that one statement takes."""
    groups: list[list[DeliveryUpdate]] = [[]]
    size = 0
    for entry in entries:
        size += _weight(entry)
        if len(groups[-1]) == MAX_GROUP or (size > MAX_GROUP_BYTES and groups[-1]):
            groups.append([])
            size = _weight(entry)
        groups[-1].append(entry)
    return groups


def _weight(entry: DeliveryUpdate) -> int:
    """Bytes of the bodies that an entry keeps in memory; what is logged and what is sent again are one object."""
    attempt, payload = entry.attempt, entry.payload
    sent = len(payload.body or b"") if payload else 0
    if attempt is None:
        return sent
    return max(sent, len(attempt.request_body or b"")) + len(attempt.response_body or b"")
