"""Lanes as one worker sees them: who may send now, within each watch's slots and the worker's own bound.

A watch's slots are shared by all workers. A worker that finds work for a watch asks for slots, uses them for one
delivery after the other, and gives them back when it has not needed them for a while. What cannot be sent soon is
parked: it waits in the store, where every worker can take it, and its lane takes new deliveries only behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from hookward.application.delivery.admission import Admission, BodyMemory, Lane, SlotStore
from hookward.application.delivery.executor import AttemptExecutor
from hookward.application.delivery.lease import Lease
from hookward.application.delivery.recorder import Recorder
from hookward.application.delivery.task import DeliveryTask, TaskState
from hookward.application.ports import Clock, Log
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import WatchId

UPKEEP_SECONDS = 0.25
FORGET_SECONDS = 600.0
SLOW_WAIT_SECONDS = 5.0
LEFT_ALONE_SECONDS = 1.0
_BACKOFF_SECONDS = 0.2
_UNBLOCK = 8


class Lanes:
    """All lanes of one worker under one lease.

    ``slots`` is how many sends one watch may have in flight, ``own_slots`` the same for the watches that say so
    themselves, ``in_flight`` how many this worker may have in all. ``load`` bounds the bytes of large sends in flight,
    and of large records that are not written yet; twice as much may be held with what is queued.
    ``doubt`` is called when it cannot be known which slots were granted. ``send`` answers whether the watch is to be
    left alone from now on.
    """

    def __init__(
        self, store: SlotStore, lease: Lease, recorder: Recorder, executor: AttemptExecutor,
        *, slots: int, own_slots: Mapping[WatchId, int], in_flight: int, load: int, clock: Clock, log: Log,
        doubt: Callable[[], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._lease = lease
        self._recorder = recorder
        self._executor = executor
        self._slots = slots
        self._own_slots = own_slots
        self._admission = Admission(in_flight, load)
        self._load = load
        self._large = BodyMemory()
        self._clock = clock
        self._log = log
        self._doubt = doubt
        self._lanes: dict[int, Lane] = {}
        self._wanting: dict[Lane, None] = {}
        self._want = asyncio.Event()
        self._blocked: dict[Lane, None] = {}
        self._heavy: dict[Lane, None] = {}
        self._slow: set[Lane] = set()
        self._again: dict[Lane, None] = {}
        self._queued = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        self._over = False
        self._returned: dict[int, int] = {}
        self._stopped: set[Lane] = set()

    @property
    def busy(self) -> int:
        """Parcels queued here or in flight to endpoints that are not slow: those close the door to nobody."""
        return self._queued + self._admission.total - sum(len(lane.queue) + lane.running for lane in self._slow)

    def has_room(self, room: int) -> bool:
        """Whether more may be taken: fewer than ``room`` are busy, and memory is left."""
        return self.busy < room and self._large.bytes + self._recorder.held < 2 * self._load

    @property
    def in_flight(self) -> int:
        """Sends that have begun and not ended."""
        return self._admission.total

    def offer(self, tasks: Iterable[DeliveryTask]) -> None:
        """Take new deliveries: send them as slots allow, or park them behind what waits."""
        touched: dict[Lane, None] = {}
        for task in tasks:
            lane = self._lane_of(task)
            if not lane.takes_more():
                self._stop(lane)
                self._recorder.park(task)
                continue
            self._queue(lane, task)
            touched[lane] = None
        for lane in touched:
            self._go(lane)
        self.lift()

    def take(self, tasks: Iterable[DeliveryTask]) -> None:
        """Take pulled deliveries, each of which comes with a slot; those of slow lanes that cannot start wait more."""
        slow: dict[Lane, None] = {}
        now = self._clock.monotonic()
        for task in tasks:
            lane = self._lane_of(task)
            lane.granted += 1
            self._queue(lane, task)
            if lane.alone_until > now:  # it was pulled just before the store learned that its watch is held
                self._park_all(lane, seconds=lane.alone_until - now)
                continue
            self._go(lane)
            if lane.slow:
                slow[lane] = None
        self.lift()
        for lane in slow:
            startable = lane.running - len(lane.sending)
            self._park_all(lane, beyond=startable, seconds=SLOW_WAIT_SECONDS)

    def return_slot(self, lane: int) -> None:
        """Give back the slot that came with a pulled delivery which is not sent."""
        self._returned[lane] = self._returned.get(lane, 0) + 1
        self._recorder.give_back()

    def park_queued(self, task: DeliveryTask) -> None:
        """Take a task out of its queue, where it is until it starts, and make it wait in the store."""
        lane = self._lanes[task.lane]
        lane.queue.remove(task)
        self._queued -= 1
        self._large.drop(task)
        self._stop(lane)
        self._recorder.park(task)

    def slots_to_return(self) -> dict[int, int]:
        """Take off, to give back, what idle lanes held, and what stopped lanes do not use: others wait for it."""
        back, self._returned = self._returned, {}
        for lane in self._stopped:
            spare = lane.spare
            if spare:
                lane.granted -= spare
                back[lane.id] = back.get(lane.id, 0) + spare
        return back

    async def ask(self) -> None:
        """Ask for slots, for many lanes at a time, until cancelled."""
        while True:
            await self._want.wait()
            self._want.clear()
            wanting, self._wanting = self._wanting, {}
            wanted = {lane.id: min(lane.demand, lane.slots) - lane.granted for lane in wanting}
            wanted = {id_: count for id_, count in wanted.items() if count > 0}
            try:
                granted = await self._store.acquire(self._lease.token, wanted) if wanted else {}
            except StoreUnavailable as error:
                self._doubt()
                self._log.warning("lanes.store_unavailable", error=str(error))
                self._wanting = wanting | self._wanting
                await asyncio.sleep(_BACKOFF_SECONDS)
                self._want.set()
                continue
            for lane in wanting:
                lane.asked = False
                lane.granted += granted.get(lane.id, 0)
                lane.full = granted.get(lane.id, 0) < wanted.get(lane.id, 0)
                if lane.granted == 0:
                    self._park_all(lane)
                else:
                    self._go(lane)
            self.lift()

    async def keep_up(self) -> None:
        """Look after lanes until cancelled: give idle slots back, notice backlogs and endpoints that hang."""
        while True:
            await asyncio.sleep(UPKEEP_SECONDS)
            if self._failed is not None:
                raise self._failed
            now = self._clock.monotonic()
            for lane in self._lanes.values():
                if lane.full:
                    lane.full = False
                    self._go(lane)
                if lane.sending:
                    lane.last_busy = now
                    oldest = now - min(task.started for task in lane.sending)
                    lane.pace = max(lane.pace, oldest)
                    self._judge(lane)
            self._unblock(self._blocked)  # what has just become slow left its share to others
            self.lift()
            await self._look_at_backlogs()
            self._give_back_idle(now)

    async def stop(self) -> None:
        """Cancel what is in flight, and start nothing more."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def park_everything_queued(self) -> None:
        """At a graceful stop: what has not started waits in the store."""
        for lane in self._lanes.values():
            self._park_all(lane)

    async def landed(self) -> None:
        """Wait until nothing is in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _lane_of(self, task: DeliveryTask) -> Lane:
        lane = self._lanes.get(task.lane)
        slots = self._own_slots.get(task.watch, self._slots)
        if lane is None:
            lane = self._lanes[task.lane] = Lane(task.lane, slots=slots, now=self._clock.monotonic())
        lane.slots = slots
        return lane

    def lift(self) -> None:
        """Memory may be free: each lane that waits for it has its turn, with one delivery at a time."""
        light = [lane for lane in self._heavy if self._carries(lane)]
        while light:
            for lane in light:
                if self._carries(lane):
                    del self._heavy[lane]
                    self._go(lane)
            light = [lane for lane in self._heavy if self._carries(lane)]

    def _queue(self, lane: Lane, task: DeliveryTask) -> None:
        lane.queue.append(task)
        self._queued += 1
        self._large.add(task)

    def _carries(self, lane: Lane) -> bool:
        """Whether memory takes what ``lane`` would send next: what is small always, what is large in its turn."""
        if not lane.queue or not lane.queue[0].large:
            return True
        return self._recorder.held < self._load and self._admission.carries(lane)

    def _stop(self, lane: Lane) -> None:
        lane.stopped = True
        self._stopped.add(lane)

    def _park_all(self, lane: Lane, *, beyond: int = 0, seconds: float = 0.0) -> None:
        """Make what is queued beyond the first few wait in the store, for so long at least."""
        self._stop(lane)
        while len(lane.queue) > beyond:
            self._queued -= 1
            task = lane.queue.pop()
            self._large.drop(task)
            self._recorder.park(task, seconds=seconds)

    def _judge(self, lane: Lane) -> None:
        if self._admission.judge(lane):
            self._slow.add(lane)
            self._park_all(lane, beyond=lane.running - len(lane.sending))
        elif not lane.slow:
            self._slow.discard(lane)
            self._go(lane)  # it may have more in flight than before

    def _go(self, lane: Lane) -> None:
        while not self._over and lane.running < min(lane.usable, lane.demand):
            if not self._admission.admits(lane):
                self._blocked[lane] = None
                return
            if not self._carries(lane):
                self._heavy[lane] = None
                return
            self._admission.begin(lane)
            reserved = lane.queue[0]  # what is wanted beyond what runs is queued
            self._admission.load(lane, reserved)
            task = asyncio.create_task(self._run(lane, reserved), name="lane.run")
            self._tasks.add(task)
            task.add_done_callback(self._ended)
            if reserved.large:
                self._heavy[lane] = None
                break
        if not lane.asked and not lane.full and lane.granted < min(lane.demand, lane.slots):
            lane.asked = True
            self._wanting[lane] = None
            self._want.set()

    async def _run(self, lane: Lane, reserved: DeliveryTask) -> None:
        """Send one task after the other on one slot; memory is ``reserved`` for the first."""
        self._admission.unload(lane, reserved)
        try:
            while lane.queue and lane.running <= lane.usable and self._carries(lane):
                task = lane.queue.popleft()
                self._queued -= 1
                task.state = TaskState.SENDING
                task.started = self._clock.monotonic()
                lane.sending.add(task)
                lane.peak = max(lane.peak, len(lane.sending))
                self._admission.load(lane, task)
                alone = False
                try:
                    update = await self._executor.execute(task, self._lease)
                    self._recorder.settle(task, update)
                    alone = update.watch_effect is not None
                finally:
                    lane.sending.discard(task)
                    self._admission.unload(lane, task)
                    self._large.drop(task)
                lane.last_busy = self._clock.monotonic()
                if alone:
                    lane.alone_until = lane.last_busy + LEFT_ALONE_SECONDS
                    self._park_all(lane)
                lane.took(lane.last_busy - task.started)
                if lane.standing is not lane.counted:
                    self._judge(lane)
                if task.large:
                    break  # others may wait for the memory that it took
        finally:
            self._admission.end(lane)
            if lane.queue:
                (self._heavy if lane.queue[0].large else self._again)[lane] = None
            elif lane.stopped and lane.spare:
                self._recorder.give_back()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failed = self._failed or task.exception()
        self._unblock(self._again)
        self._unblock(self._blocked)
        self.lift()

    def _unblock(self, blocked: dict[Lane, None]) -> None:
        """Let a few lanes go on, in the order in which they were blocked: every end of a send comes by here."""
        for lane in list(islice(blocked, _UNBLOCK)):
            del blocked[lane]
            self._go(lane)

    async def _look_at_backlogs(self) -> None:
        known = [lane for lane in self._lanes.values() if lane.stopped or lane.granted]
        if not known:
            return
        try:
            stopped = await self._store.stopped([lane.id for lane in known])
        except StoreUnavailable:
            return
        now = self._clock.monotonic()
        for lane in known:
            if stopped.get(lane.id, False) and lane.queue:
                self._park_all(lane)  # held, paused or disabled: what is queued here must wait or end with the rest
            if lane.id in stopped or lane.alone_until > now:
                self._stop(lane)
                if lane.spare:
                    self._recorder.give_back()
            else:
                lane.stopped = False
                self._stopped.discard(lane)

    def _give_back_idle(self, now: float) -> None:
        """Hold no more slots than were needed since the last look."""
        for lane in list(self._lanes.values()):
            forgettable = not (lane.granted or lane.queue or lane.asked or lane.stopped)
            if forgettable and now - lane.last_busy > FORGET_SECONDS:
                del self._lanes[lane.id]
                self._slow.discard(lane)
                continue
            unused = min(lane.spare, lane.granted - min(lane.peak, lane.slots))
            lane.peak = len(lane.sending)
            if unused > 0 and not lane.asked:
                lane.granted -= unused
                self._returned[lane.id] = self._returned.get(lane.id, 0) + unused
        if self._returned:
            self._recorder.give_back()
