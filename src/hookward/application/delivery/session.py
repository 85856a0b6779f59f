"""WorkerSession: everything that one worker does under one lease, from claiming to the last record."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from hookward.application.aio.tasks import cancel_until_done, start_task, wait_first
from hookward.application.delivery.dispatcher import Dispatcher, OpenRows
from hookward.application.delivery.executor import AttemptExecutor
from hookward.application.delivery.fan_out import FanOuts
from hookward.application.delivery.lane import LaneTable
from hookward.application.delivery.lane_upkeep import LaneUpkeep
from hookward.application.delivery.lanes import Lanes
from hookward.application.delivery.lease import Lease, Leases
from hookward.application.delivery.matching import EventMatcher
from hookward.application.delivery.outbox import Outbox
from hookward.application.delivery.poller import DuePoller, WaitingStore
from hookward.application.delivery.recorder import Recorder, ResultStore
from hookward.application.delivery.slots import SlotClient, SlotStore
from hookward.application.ports import Clock, Log, WakeupSender
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.errors import LeaseLost, StoreUnavailable

TAKE_OVER_SECONDS = 2.0
_PAUSE_SECONDS = 0.2
_LAST_RECORD_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStores:
    """The ports of the store that a worker session uses."""

    leases: Leases
    outbox: Outbox
    results: ResultStore
    slots: SlotStore
    waiting: WaitingStore


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What a worker may hold at a time; times are in seconds, ``load`` is bytes of large deliveries (see ``Lanes``).

    An event that more than ``fan_out`` watches match is written in chunks of ``fan_out_chunk`` deliveries; at most
    ``fan_outs`` such events are held.
    """

    lease: float = 45.0
    slots: int = 16
    in_flight: int = 1024
    room: int = 1024
    load: int = 16 << 20
    grace: float = 20.0
    fan_out: int = 256
    fan_out_chunk: int = 1000
    fan_outs: int = 256


class WorkerSession:
    """Works until it is stopped or uncertain, then finishes what is in flight.

    It is uncertain when PostgreSQL did not respond to a claim, a pull or a request for slots: what was granted is then
    not known here. The session ends in good order, which frees all that its lease still holds, and the next one begins.
    """

    def __init__(
        self,
        stores: WorkerStores,
        lease: Lease,
        registry: WatchRegistry,
        executor: AttemptExecutor,
        *,
        waker: WakeupSender,
        limits: WorkerLimits,
        clock: Clock,
        log: Log,
    ) -> None:
        self.registry = registry
        self._leases = stores.leases
        self._lease = lease
        self._grace = limits.grace
        self._log = log
        self._uncertain = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        uncertain = self._uncertain.set
        recorder = self.recorder = Recorder(
            stores.results, lease.token, log=log, slots=self._slots_to_return, on_recorded=self._recorded,
            mark_uncertain=uncertain,
        )  # fmt: skip
        table = LaneTable(slots=limits.slots, own_slots=registry.slots, clock=clock)
        slots = SlotClient(stores.slots, lease.token, log=log, mark_uncertain=uncertain)
        self.lanes = Lanes(
            executor, recorder, lease, table=table, slots=slots, in_flight=limits.in_flight, load=limits.load,
            clock=clock,
        )  # fmt: skip
        self._upkeep = LaneUpkeep(self.lanes, table, slots, recorder, clock=clock)
        self._open_rows = OpenRows(self.lanes, recorder, clock=clock)
        matcher = EventMatcher(registry, recorder, clock=clock)
        self._fan_outs = FanOuts(
            stores.outbox, stores.results, matcher, recorder, lease.token,
            threshold=limits.fan_out, chunk=limits.fan_out_chunk, limit=limits.fan_outs, log=log,
            on_failure=self._wake_dispatcher,
        )  # fmt: skip
        self.dispatcher = Dispatcher(
            stores.outbox, lease.token, matcher, self.lanes, recorder, open_rows=self._open_rows,
            fan_outs=self._fan_outs, waker=waker, room=limits.room, log=log,
            mark_uncertain=uncertain,
        )  # fmt: skip
        self.poller = DuePoller(
            stores.waiting, lease.token, registry, self.lanes, recorder,
            room=limits.room, log=log, mark_uncertain=uncertain,
        )  # fmt: skip

    async def work(self, stop: asyncio.Event) -> None:
        """Take work until ``stop`` is set or the session is uncertain; ``finish`` comes next.

        Raises LeaseLost when the lease has ended: other workers take over what was in hand.
        """
        keeping = (
            self._lease.keep, self.recorder.run, self.lanes.ask, self._upkeep.run, self._open_rows.close_old
        )  # fmt: skip
        taking = (self.dispatcher.run, self.poller.run, self.poller.cancel_closed, self._take_over)
        self._keepers = [start_task(each) for each in keeping]
        takers = [start_task(each) for each in taking]
        ends = [asyncio.create_task(event.wait(), name="session.end") for event in (stop, self._uncertain)]
        try:
            await wait_first([*ends, *takers, *self._keepers])
        except BaseException:
            await self._drop()
            raise
        finally:
            await cancel_until_done([*ends, *takers], every=_PAUSE_SECONDS)
            await self._fan_outs.stop()

    async def finish(self, stop: asyncio.Event) -> None:
        """Wait until what is in flight is recorded, and give everything back; once ``stop`` is set, in grace time.

        Before ``stop`` there is no limit: the lease is kept, and what was sent must not be sent again.
        """
        self.lanes.defer_all_queued()
        landing = asyncio.create_task(self._land(), name="session.land")
        overdue = asyncio.create_task(self._overdue(stop), name="session.overdue")
        try:
            await wait_first([landing, overdue, *self._keepers])
            if overdue.done() and not landing.done():
                await self._break_off()
        except LeaseLost:
            self._log.warning("worker.lease_lost", token=self._lease.token)
        finally:
            await cancel_until_done([landing, overdue], every=_PAUSE_SECONDS)
            await self._drop()

    async def _overdue(self, stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(self._grace)

    async def _break_off(self) -> None:
        """Cancel what is still in flight, record what is known, and leave the rest to other workers: no crash."""
        self._log.warning("worker.grace_over", in_flight=self.lanes.in_flight)
        await self.lanes.sends.cancel()
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_LAST_RECORD_SECONDS):
                await self.recorder.drained()
            await cancel_until_done(self._keepers, every=_PAUSE_SECONDS)
            await self._leases.end(self._lease.token)

    async def _land(self) -> None:
        await self.lanes.sends.finished()
        await self.recorder.drained()
        while True:
            try:
                await self._leases.end(self._lease.token)
            except StoreUnavailable as error:
                self._log.warning("worker.store_unavailable", error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    async def _drop(self) -> None:
        await cancel_until_done(self._keepers, every=_PAUSE_SECONDS)
        await self.lanes.sends.cancel()

    async def _take_over(self) -> None:
        """Free what dead workers held, until cancelled."""
        while True:
            try:
                leases, rows, waiting = await self._leases.take_over()
            except StoreUnavailable:
                leases = rows = waiting = 0
            if leases:
                self._log.warning("lease.taken_over", leases=leases, outbox=rows, waiting=waiting)
                self.dispatcher.wake()
                self.poller.wake()
            await asyncio.sleep(TAKE_OVER_SECONDS)

    def _slots_to_return(self) -> dict[int, int]:
        return self.lanes.slots_to_return()

    def _wake_dispatcher(self) -> None:
        self.dispatcher.wake()

    def _recorded(self, woke: bool) -> None:  # noqa: FBT001  a plain callback
        self.lanes.resume_heavy()
        if woke:
            self.poller.wake()
