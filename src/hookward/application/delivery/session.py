"""A shift: everything that one worker does under one lease, from claiming to the last record."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hookward.application.delivery.admission import SlotStore
from hookward.application.delivery.dispatcher import Dispatcher, Outbox
from hookward.application.delivery.executor import AttemptExecutor
from hookward.application.delivery.lanes import Lanes
from hookward.application.delivery.lease import Lease, Leases
from hookward.application.delivery.poller import DuePoller, WaitingStore
from hookward.application.delivery.recorder import Recorder, ResultStore
from hookward.application.events.publisher import Waker
from hookward.application.ports import Clock, Log
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.errors import LeaseLost, StoreUnavailable

TAKE_OVER_SECONDS = 2.0
_PAUSE_SECONDS = 0.2
_LAST_RECORD_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The ports of the store that a shift works with."""

    leases: Leases
    outbox: Outbox
    ledger: ResultStore
    slots: SlotStore
    waiting: WaitingStore


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What a worker may hold at a time; times are in seconds, ``load`` is bytes of large deliveries (see Lanes)."""

    lease: float = 45.0
    slots: int = 16
    in_flight: int = 1024
    room: int = 1024
    load: int = 16 << 20
    grace: float = 20.0


class WorkerSession:
    """One incarnation of a worker: it works until it is stopped or in doubt, then finishes what is in flight.

    In doubt it is when PostgreSQL did not answer a claim, a pull or a request for slots: what was taken is then not
    known here, so the shift ends in good order, which frees all that its lease still holds, and the next one begins.
    """

    def __init__(
        self, store: Store, lease: Lease, definitions: WatchRegistry, courier: AttemptExecutor,
        *, waker: Waker, bounds: WorkerLimits,
        clock: Clock, log: Log,
    ) -> None:  # fmt: skip
        self._store = store
        self._lease = lease
        self._bounds = bounds
        self._log = log
        self._doubt = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        self.recorder = Recorder(
            store.ledger, lease.token, log=log, slots=self._slots_to_return, after=self._recorded, doubt=self._doubt.set
        )
        self.lanes = Lanes(
            store.slots, lease, self.recorder, courier, slots=bounds.slots, own_slots=definitions.slots,
            in_flight=bounds.in_flight, load=bounds.load, clock=clock, log=log, doubt=self._doubt.set,
        )  # fmt: skip
        self.dispatcher = Dispatcher(
            store.outbox, store.ledger, definitions, self.lanes, self.recorder, lease,
            waker=waker, room=bounds.room, clock=clock, log=log, doubt=self._doubt.set,
        )  # fmt: skip
        self.puller = DuePoller(
            store.waiting, definitions, self.lanes, self.recorder, lease,
            room=bounds.room, log=log, doubt=self._doubt.set,
        )  # fmt: skip

    async def work(self, stop: asyncio.Event) -> None:
        """Take work until ``stop`` is set or the shift is in doubt; ``finish`` comes next.

        Raises LeaseLost when the lease ended underneath: what was in hand then belongs to others.
        """
        keeping = (
            self._lease.keep, self.recorder.run, self.lanes.ask, self.lanes.keep_up, self.dispatcher.close_old
        )  # fmt: skip
        taking = (self.dispatcher.run, self.puller.run, self.puller.cancel_closed, self._take_over)
        self._keepers = [_started(each) for each in keeping]
        takers = [_started(each) for each in taking]
        ends = [asyncio.create_task(event.wait(), name="shift.end") for event in (stop, self._doubt)]
        try:
            await _first([*ends, *takers, *self._keepers])
        except BaseException:
            await self._drop()
            raise
        finally:
            await _cancelled([*ends, *takers])
            await self.dispatcher.stop()

    async def finish(self, stop: asyncio.Event) -> None:
        """Let what is in flight land and be recorded, and give everything back; once ``stop`` is set, in grace time.

        Before that there is time: the lease is kept, and what was sent must not be sent again.
        """
        self.lanes.park_everything_queued()
        landing = asyncio.create_task(self._land(), name="shift.land")
        overdue = asyncio.create_task(self._overdue(stop), name="shift.overdue")
        try:
            await _first([landing, overdue, *self._keepers])
            if overdue.done() and not landing.done():
                await self._break_off()
        except LeaseLost:
            self._log.warning("worker.lease_lost", token=self._lease.token)
        finally:
            await _cancelled([landing, overdue])
            await self._drop()

    async def _overdue(self, stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(self._bounds.grace)

    async def _break_off(self) -> None:
        """Cancel what is still in flight, record what is known, and leave the rest to others: nobody crashed."""
        self._log.warning("worker.grace_over", in_flight=self.lanes.in_flight)
        await self.lanes.stop()
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_LAST_RECORD_SECONDS):
                await self.recorder.drained()
            await _cancelled(self._keepers)
            await self._store.leases.end(self._lease.token)

    async def _land(self) -> None:
        await self.lanes.landed()
        await self.recorder.drained()
        while True:
            try:
                await self._store.leases.end(self._lease.token)
            except StoreUnavailable as error:
                self._log.warning("worker.store_unavailable", error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    async def _drop(self) -> None:
        await _cancelled(self._keepers)
        await self.lanes.stop()

    async def _take_over(self) -> None:
        """Free what dead workers held, until cancelled."""
        while True:
            try:
                leases, rows, waiting = await self._store.leases.take_over()
            except StoreUnavailable:
                leases = rows = waiting = 0
            if leases:
                self._log.warning("lease.taken_over", leases=leases, outbox=rows, waiting=waiting)
                self.dispatcher.wake()
                self.puller.poke()
            await asyncio.sleep(TAKE_OVER_SECONDS)

    def _slots_to_return(self) -> dict[int, int]:
        return self.lanes.slots_to_return()

    def _recorded(self, *, woke: bool) -> None:
        self.lanes.lift()
        if woke:
            self.puller.poke()


def _started(work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    async def run() -> None:
        await work()

    return asyncio.create_task(run(), name=getattr(work, "__qualname__", "shift"))


async def _first(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Wait for the first of ``tasks`` to end; its error, if any, is raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    left = set(tasks)
    while left:  # again, when one has swallowed it: asyncio.wait_for may, until Python 3.12
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_PAUSE_SECONDS)
