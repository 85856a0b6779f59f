"""Lanes: the queues of one worker, and which of their deliveries are sent now, within slots and the worker's bounds.

All workers share the slots of a watch. A worker that has work for a watch asks for slots, uses them for one delivery
after the other, and returns them when it has not needed them for a while. A delivery that cannot be sent soon is
deferred: it waits in the store, where every worker can take it, and new deliveries of its lane wait behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from itertools import islice
from typing import Any

from hookward.application.delivery.admission import Admission, BodyMemory
from hookward.application.delivery.executor import AttemptExecutor, SendWindow
from hookward.application.delivery.lane import Lane, LaneTable
from hookward.application.delivery.recorder import Recorder
from hookward.application.delivery.slots import SlotClient
from hookward.application.delivery.task import DeliveryTask, TaskState
from hookward.application.ports import Clock

SLOW_WAIT_SECONDS = 5.0
PAUSED_SECONDS = 1.0
_RESUMED = 8


class ReadyList:
    """The lanes that could send and wait for something, each in the order in which they began to wait.

    ``blocked`` lanes wait for a share of the sends, ``heavy`` ones for memory, and those in ``again`` only for their
    turn.
    """

    __slots__ = ("again", "blocked", "heavy")

    def __init__(self) -> None:
        self.blocked: dict[Lane, None] = {}
        self.heavy: dict[Lane, None] = {}
        self.again: dict[Lane, None] = {}


class RunningSends:
    """The asyncio tasks that send. ``on_end`` is called when one has ended; ``raise_failure`` raises a bug in one."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self.closed = False

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` to its end."""
        running = asyncio.create_task(work, name="lane.run")
        self._tasks.add(running)
        running.add_done_callback(self._ended)

    def raise_failure(self) -> None:
        """Raise the first exception that a task ended with, if there was one."""
        if self._failure is not None:
            raise self._failure

    async def cancel(self) -> None:
        """Cancel all tasks and start no more."""
        self.closed = True
        for running in self._tasks:
            running.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def finished(self) -> None:
        """Wait until no task is left."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._tasks.discard(running)
        if not running.cancelled() and running.exception() is not None:
            self._failure = self._failure or running.exception()
        self._on_end()


class Lanes:
    """Sends the deliveries of one worker under one lease (``window``).

    ``in_flight`` bounds its sends. ``load`` bounds the bytes of large sends in flight, and of large results that are
    not written yet; twice as much may be held together with what is queued.
    """

    def __init__(
        self,
        executor: AttemptExecutor,
        recorder: Recorder,
        window: SendWindow,
        *,
        table: LaneTable,
        slots: SlotClient,
        in_flight: int,
        load: int,
        clock: Clock,
    ) -> None:
        self._executor = executor
        self._recorder = recorder
        self._window = window
        self.table = table
        self._slots = slots
        self._admission = Admission(in_flight, load)
        self._load = load
        self._memory = BodyMemory()
        self._clock = clock
        self._ready = ReadyList()
        self._queued = 0
        self.sends = RunningSends(self._resume_ready)

    @property
    def busy(self) -> int:
        """Deliveries queued or in flight, slow endpoints excluded: those must not block new work."""
        return self._queued + self._admission.total - sum(len(lane.queue) + lane.running for lane in self.table.slow)

    def has_room(self, room: int) -> bool:
        """Return whether more may be taken: fewer than ``room`` are busy, and memory is left."""
        return self.busy < room and self._memory.bytes + self._recorder.unwritten_bytes < 2 * self._load

    @property
    def in_flight(self) -> int:
        """Sends that have begun and not ended."""
        return self._admission.total

    def submit_new(self, tasks: Iterable[DeliveryTask]) -> None:
        """Queue new deliveries and send them as slots allow; defer those of lanes with a backlog."""
        touched: dict[Lane, None] = {}
        for task in tasks:
            lane = self.table.lane_of(task)
            if not lane.takes_more():
                self.table.stop(lane)
                self._recorder.defer(task)
                continue
            self._queue(lane, task)
            touched[lane] = None
        for lane in touched:
            self.start_sends(lane)
        self.resume_heavy()

    def submit_pulled(self, tasks: Iterable[DeliveryTask]) -> None:
        """Queue pulled deliveries, each of which comes with a slot; defer those of slow lanes that cannot start."""
        slow: dict[Lane, None] = {}
        now = self._clock.monotonic()
        for task in tasks:
            lane = self.table.lane_of(task)
            lane.granted += 1
            self._queue(lane, task)
            if lane.paused_until > now:  # it was pulled just before the store learned that its watch is held
                self.defer_queued(lane, seconds=lane.paused_until - now)
                continue
            self.start_sends(lane)
            if lane.slow:
                slow[lane] = None
        self.resume_heavy()
        for lane in slow:
            startable = lane.running - len(lane.sending)
            self.defer_queued(lane, beyond=startable, seconds=SLOW_WAIT_SECONDS)

    def return_slot(self, lane: int) -> None:
        """Return the slot that came with a pulled delivery which is not sent."""
        self._slots.give_back(lane, 1)
        self._recorder.wake()

    def defer(self, task: DeliveryTask) -> None:
        """Take a delivery that has not started out of its queue and let it wait in the store."""
        lane = self.table[task.lane]
        lane.queue.remove(task)
        self._queued -= 1
        self._memory.drop(task)
        self.table.stop(lane)
        self._recorder.defer(task)

    def slots_to_return(self) -> dict[int, int]:
        """Return the slots to give back now, by lane: of idle lanes, and those that stopped lanes do not use."""
        returned = self._slots.take_returned()
        for lane in self.table.stopped:
            spare = lane.spare
            if spare:
                lane.granted -= spare
                returned[lane.id] = returned.get(lane.id, 0) + spare
        return returned

    async def ask(self) -> None:
        """Ask for slots, for many lanes at a time, until cancelled."""
        while True:
            for lane in await self._slots.acquire():
                if lane.granted == 0:
                    self.defer_queued(lane)
                else:
                    self.start_sends(lane)
            self.resume_heavy()

    def defer_all_queued(self) -> None:
        """At a graceful stop: let everything that has not started wait in the store."""
        for lane in self.table:
            self.defer_queued(lane)

    def defer_queued(self, lane: Lane, *, beyond: int = 0, seconds: float = 0.0) -> None:
        """Let what is queued beyond the first few wait in the store, for at least ``seconds``."""
        self.table.stop(lane)
        while len(lane.queue) > beyond:
            self._queued -= 1
            task = lane.queue.pop()
            self._memory.drop(task)
            self._recorder.defer(task, seconds=seconds)

    def resume_heavy(self) -> None:
        """Let lanes that wait for memory send, one delivery each, while there is some."""
        light = [lane for lane in self._ready.heavy if self._fits_memory(lane)]
        while light:
            for lane in light:
                if self._fits_memory(lane):
                    del self._ready.heavy[lane]
                    self.start_sends(lane)
            light = [lane for lane in self._ready.heavy if self._fits_memory(lane)]

    def resume_blocked(self) -> None:
        """Let a few lanes that wait for a share of the sends go on."""
        self._resume(self._ready.blocked)

    def reclassify(self, lane: Lane) -> None:
        """Count a lane by its present speed. One that has become slow keeps only what is about to be sent."""
        if self._admission.reclassify(lane):
            self.table.slow.add(lane)
            self.defer_queued(lane, beyond=lane.running - len(lane.sending))
        elif not lane.slow:
            self.table.slow.discard(lane)
            self.start_sends(lane)  # it may have more in flight than before

    def start_sends(self, lane: Lane) -> None:
        """Start as many sends of a lane as slots, shares and memory allow, and ask for the slots that it lacks."""
        while not self.sends.closed and lane.running < min(lane.usable, lane.demand):
            if not self._admission.admits(lane):
                self._ready.blocked[lane] = None
                return
            if not self._fits_memory(lane):
                self._ready.heavy[lane] = None
                return
            self._admission.begin(lane)
            reserved = lane.queue[0]  # what is wanted beyond what runs is queued
            self._admission.load(lane, reserved)
            self.sends.start(self._run(lane, reserved))
            if reserved.large:
                self._ready.heavy[lane] = None
                break
        if not lane.asked and not lane.full and lane.granted < min(lane.demand, lane.slots):
            self._slots.want(lane)

    def _queue(self, lane: Lane, task: DeliveryTask) -> None:
        lane.queue.append(task)
        self._queued += 1
        self._memory.add(task)

    def _fits_memory(self, lane: Lane) -> bool:
        """Return whether memory allows the next delivery of ``lane``: a small one always, a large one in its turn."""
        if not lane.queue or not lane.queue[0].large:
            return True
        return self._recorder.unwritten_bytes < self._load and self._admission.fits_memory(lane)

    async def _run(self, lane: Lane, reserved: DeliveryTask) -> None:
        """Send one delivery after the other on one slot; memory is ``reserved`` for the first."""
        self._admission.unload(lane, reserved)
        try:
            while lane.queue and lane.running <= lane.usable and self._fits_memory(lane):
                task = lane.queue.popleft()
                self._queued -= 1
                task.state = TaskState.SENDING
                task.started = self._clock.monotonic()
                lane.sending.add(task)
                lane.peak = max(lane.peak, len(lane.sending))
                self._admission.load(lane, task)
                try:
                    update = await self._executor.execute(task, self._window)
                    self._recorder.settle(task, update)
                finally:
                    lane.sending.discard(task)
                    self._admission.unload(lane, task)
                    self._memory.drop(task)
                lane.last_busy = self._clock.monotonic()
                if update.watch_effect is not None:  # the store learns of it with the record
                    lane.paused_until = lane.last_busy + PAUSED_SECONDS
                    self.defer_queued(lane)
                lane.record_duration(lane.last_busy - task.started)
                if lane.speed is not lane.counted_as:
                    self.reclassify(lane)
                if task.large:
                    break  # others may wait for the memory that it took
        finally:
            self._admission.end(lane)
            if lane.queue:
                (self._ready.heavy if lane.queue[0].large else self._ready.again)[lane] = None
            elif lane.stopped and lane.spare:
                self._recorder.wake()

    def _resume_ready(self) -> None:
        """Use what the end of a send has left."""
        self._resume(self._ready.again)
        self._resume(self._ready.blocked)
        self.resume_heavy()

    def _resume(self, waiting: dict[Lane, None]) -> None:
        """Let a few lanes go on, in the order in which they began to wait; called at every end of a send."""
        for lane in list(islice(waiting, _RESUMED)):
            del waiting[lane]
            self.start_sends(lane)
