"""Recorder: writes the results of many deliveries in one transaction, as soon as the one before has committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from hookward.application.aio.group_commit import GroupCommit
from hookward.application.delivery.task import DeliveryTask, TaskState
from hookward.application.ports import Log
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate
from hookward.domain.errors import LeaseLost, StoreUnavailable

MAX_GROUP = 512
MAX_GROUP_BYTES = 4 << 20
_RETRY_SECONDS = 0.2
_UNRECORDABLE = "its record was refused by the store"


class ResultStore(Protocol):
    """Where results become durable."""

    async def record(
        self, token: int, updates: Sequence[DeliveryUpdate], *, done: Sequence[int], slots: Mapping[int, int]
    ) -> None:
        """Write everything in one transaction. Raises LeaseLost, having changed nothing, when the lease has ended."""
        ...


class Recorder:
    """Group commit of delivery updates under one lease.

    ``slots`` returns, before each group, the slots of lanes to give back with it. ``linger`` is how long, in seconds,
    a group waits for more updates under load. ``on_recorded`` is called after each round, with ``woke`` true when a
    lane may have deliveries that are due; ``mark_uncertain`` when it is not known whether a group was written.
    """

    def __init__(
        self,
        results: ResultStore,
        token: int,
        *,
        log: Log,
        slots: Callable[[], dict[int, int]],
        on_recorded: Callable[[bool], None],
        mark_uncertain: Callable[[], None],
        linger: float = 0.003,
    ) -> None:
        self._results = results
        self._token = token
        self._log = log
        self._slots = slots
        self._linger = linger
        self._on_recorded = on_recorded
        self._mark_uncertain = mark_uncertain
        self._updates = GroupCommit[DeliveryUpdate](
            refuse=self._refused,
            weight=_weight,
            max_items=MAX_GROUP,
            max_weight=MAX_GROUP_BYTES,
            fatal=(LeaseLost,),
        )
        self._writing_bytes = 0
        self._done: list[int] = []
        self._with_last: tuple[list[int], dict[int, int]] = ([], {})
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def unwritten_bytes(self) -> int:
        """Bytes of the bodies that are not written yet."""
        return self._updates.weight + self._writing_bytes

    def settle(self, task: DeliveryTask, update: DeliveryUpdate) -> None:
        """Record the result of a delivery's attempt."""
        task.state = TaskState.SETTLED
        self.add(update)
        self._release_row(task)

    def defer(self, task: DeliveryTask, *, seconds: float = 0.0) -> None:
        """Let a delivery wait in the store.

        One that is being sent waits under our lease; any other is free after ``seconds`` for every worker.
        """
        sending = task.state is TaskState.SENDING
        self.add(task.wait_for_slot(held=sending, seconds=seconds))
        task.waited = True
        if not sending:
            task.state = TaskState.SETTLED
        self._release_row(task)

    def add(self, update: DeliveryUpdate) -> None:
        """Record an update of a delivery that no task stands for."""
        self._updates.add(update)
        self.wake()

    def close_row(self, seq: int) -> None:
        """Delete an outbox row for which nothing is left to do."""
        self._done.append(seq)
        self.wake()

    def wake(self) -> None:
        """Write, and return slots, even if there is no update."""
        self._some.set()
        self._idle.clear()

    async def drained(self) -> None:
        """Wait until everything that was added is durable."""
        await self._idle.wait()

    async def run(self) -> None:
        """Record until cancelled. Raises LeaseLost."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._linger if len(self._updates) > 1 else 0)
            self._some.clear()
            done, self._done = self._done, []
            slots = self._slots()
            woke = bool(slots)
            if len(self._updates) or done or slots:
                self._with_last = (done, slots)
                woke = await self._write_pending() or woke
            self._on_recorded(woke)
            if not self._some.is_set():
                self._idle.set()

    async def _write_pending(self) -> bool:
        """Write the updates that are pending now; return whether one of them waits.

        The rows and slots of this round go with the last group: every update that was added before them is durable by
        then.
        """
        left, woke = len(self._updates), False
        while True:
            pending = self._updates.weight
            group = self._updates.take()
            self._writing_bytes = pending - self._updates.weight
            left -= len(group)
            woke = woke or any(update.wait is not None for update in group)
            await self._updates.commit(group, self._write, last=left <= 0)
            self._writing_bytes = 0
            if left <= 0:
                return woke

    async def _write(self, group: Sequence[DeliveryUpdate], *, last: bool) -> None:
        done, slots = self._with_last if last else ([], {})
        while True:
            try:
                await self._results.record(self._token, group, done=done, slots=slots)
            except StoreUnavailable as error:
                self._mark_uncertain()
                self._log.warning("record.store_unavailable", error=str(error), waiting=len(group))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    def _refused(self, update: DeliveryUpdate, error: Exception) -> DeliveryUpdate:
        """Return what replaces an attempt that PostgreSQL refuses. Raises ``error`` where there is no attempt."""
        if update.attempt is None:
            raise error
        self._log.error("record.refused_by_store", delivery_id=update.id.hex(), error=type(error).__name__)
        return msgspec.structs.replace(
            update, attempt=None, wait=None, payload=None, status=DeliveryStatus.FAILED, reason=_UNRECORDABLE
        )

    def _release_row(self, task: DeliveryTask) -> None:
        claimed, task.claimed = task.claimed, None
        if claimed is not None:
            claimed.tasks.discard(task)
            if not claimed.tasks:
                self._done.append(claimed.seq)


def _weight(update: DeliveryUpdate) -> int:
    """Return the bytes of the bodies in an update; what is logged and what is sent again are one object."""
    attempt, payload = update.attempt, update.payload
    sent = len(payload.body or b"") if payload else 0
    if attempt is None:
        return sent
    return max(sent, len(attempt.request_body or b"")) + len(attempt.response_body or b"")
