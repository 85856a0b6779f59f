"""DuePoller: takes deliveries that wait in the store and are due, as far as slots allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from hookward.application.delivery.lanes import Lanes
from hookward.application.delivery.recorder import Recorder
from hookward.application.delivery.task import DeliveryTask, LoadedEvent, TaskState
from hookward.application.ports import Log
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.delivery.model import POISON_CRASHES, DeliveryStatus, DeliveryUpdate, Payload, Wait
from hookward.domain.errors import StoreUnavailable
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, DeliveryId, EventId, WatchId
from hookward.domain.resource_types.operations import ChangeKind

PULL_LANES = 160
CANCEL_CHUNK = 1000
_IDLE_SECONDS = 0.5
_BACKOFF_SECONDS = 0.2
_SUSPECT_SECONDS = 0.1


class DueDelivery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A waiting delivery that this worker took, with one slot of its lane. ``event`` is ``None`` when it was erased.

    ``crashes`` counts the workers that died with it, ``alone`` those that died with nothing else to blame. ``base`` is
    the number of attempts before a replay, ``replay_of`` the delivery that a replay with an id of its own repeats.
    """

    id: DeliveryId
    lane: int
    event_id: EventId
    number: int
    crashes: int
    alone: int = 0
    watch: WatchId
    event: ChangeEvent | None
    payload: Payload | None
    base: int = 0
    replay_of: DeliveryId | None = None

    def task(self, event: ChangeEvent) -> DeliveryTask:
        """Return the task that delivers ``event``."""
        return DeliveryTask(
            self.id,
            LoadedEvent(event),
            watch=self.watch,
            lane=self.lane,
            number=self.number,
            payload=self.payload,
            waited=True,
            base=self.base,
            replay_of=self.replay_of,
        )

    def cancelled(self, reason: str) -> DeliveryUpdate:
        """Return the update that cancels it. The store has its row, so what is only written with a new one is empty."""
        return DeliveryUpdate(
            id=self.id,
            account=AccountId(0),
            event=self.event_id,
            watch=self.watch,
            lane=self.lane,
            resource_type="",
            kind=ChangeKind.UPDATED,
            resource_id="",
            status=DeliveryStatus.CANCELLED,
            attempts=self.number - 1,
            waited=True,
            reason=reason,
        )


class WaitingStore(Protocol):
    """Where deliveries wait."""

    async def pull(self, token: int, *, lanes: int) -> list[DueDelivery]: ...

    async def next_wake(self) -> float | None: ...

    async def cancel_some(self, *, limit: int) -> int: ...


class DuePoller:
    """Pulls deliveries that are due: at least twice a second, and sooner when a result was recorded.

    ``mark_uncertain`` is called when it is not known what was pulled.
    """

    def __init__(
        self,
        waiting: WaitingStore,
        token: int,
        registry: WatchRegistry,
        lanes: Lanes,
        recorder: Recorder,
        *,
        room: int,
        log: Log,
        mark_uncertain: Callable[[], None],
    ) -> None:
        self._waiting = waiting
        self._token = token
        self._registry = registry
        self._lanes = lanes
        self._recorder = recorder
        self._room = room
        self._log = log
        self._mark_uncertain = mark_uncertain
        self._woken = asyncio.Event()
        self._suspects: dict[DeliveryTask, int] = {}
        self._put_off = 0

    def wake(self) -> None:
        """Pull soon: something was recorded or returned, so a lane may have work that is due."""
        self._woken.set()

    async def run(self) -> None:
        """Pull until cancelled. Raises LeaseLost."""
        pause = 0.0
        while True:
            if pause > 0:
                try:
                    async with asyncio.timeout(pause):
                        await self._woken.wait()
                except TimeoutError:
                    pass
            self._woken.clear()
            try:
                pause = await self._pull()
            except StoreUnavailable as error:
                self._mark_uncertain()
                self._log.warning("pull.store_unavailable", error=str(error))
                pause = _BACKOFF_SECONDS

    async def cancel_closed(self) -> None:
        """Cancel deliveries that wait for a deleted or disabled watch, until cancelled itself."""
        while True:
            try:
                count = await self._waiting.cancel_some(limit=CANCEL_CHUNK)
            except StoreUnavailable:
                count = 0
            await asyncio.sleep(0 if count else _IDLE_SECONDS)

    async def _pull(self) -> float:
        """Pull once, and return the seconds until the next look."""
        if not self._lanes.has_room(self._room):
            return 0.01
        due = await self._waiting.pull(self._token, lanes=PULL_LANES)
        if due:
            await self._registry.refresh()
            self._lanes.submit_pulled([task for each in due if (task := self._task(each)) is not None])
            return 0.0 if len(due) >= PULL_LANES else 0.002
        wake = await self._waiting.next_wake()
        return _IDLE_SECONDS if wake is None else min(max(wake, 0.005), _IDLE_SECONDS)

    def _task(self, due: DueDelivery) -> DeliveryTask | None:
        """Return the task of a due delivery; ``None`` where it ends or waits longer instead."""
        if due.event is None:
            self._recorder.add(due.cancelled("the event was erased"))
            self._lanes.return_slot(due.lane)
            return None
        task = due.task(due.event)
        if due.alone >= POISON_CRASHES:
            self._log.error("delivery.poison", delivery_id=due.id.hex(), crashes=due.crashes)
            update = task.update(DeliveryStatus.FAILED, attempts=due.number - 1, reason="poison")
            self._recorder.settle(task, update)
            self._lanes.return_slot(due.lane)
            return None
        return task if due.crashes < POISON_CRASHES else self._admit_suspect(task, due.crashes)

    def _admit_suspect(self, task: DeliveryTask, crashes: int) -> DeliveryTask | None:
        """Send few deliveries at a time of those that workers died with, fewer after each crash, at last one alone."""
        self._suspects = {each: few for each, few in self._suspects.items() if each.state is not TaskState.SETTLED}
        few = min([_few(crashes), *self._suspects.values()])
        if len(self._suspects) < few:
            self._suspects[task] = few
            self._put_off = 0
            return task
        self._put_off += 1
        wait = Wait(seconds=_SUSPECT_SECONDS * (1 + self._put_off / few), number=task.number)
        self._recorder.settle(task, task.wait_update(wait))
        self._lanes.return_slot(task.lane)
        return None


def _few(crashes: int) -> int:
    """Return how many suspects are sent at a time: 64, 16, 4, then one."""
    return int(4 ** max(0, 2 * POISON_CRASHES - crashes))
