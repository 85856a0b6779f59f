"""Pull: take what waits and is due, as far as slots go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from hookward.application.delivery.admission import DueDelivery
from hookward.application.delivery.lanes import Lanes
from hookward.application.delivery.lease import Lease
from hookward.application.delivery.recorder import Recorder
from hookward.application.delivery.task import DeliveryTask, LoadedEvent, TaskState
from hookward.application.ports import Log
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.delivery.model import POISON_CRASHES, DeliveryStatus, Wait
from hookward.domain.errors import StoreUnavailable
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.operations import ChangeKind

PULL_LANES = 160
CANCEL_CHUNK = 1000
_IDLE_SECONDS = 0.5
_BACKOFF_SECONDS = 0.2
_LINE_SECONDS = 0.1


class WaitingStore(Protocol):
    """Where deliveries wait."""

    async def pull(self, token: int, *, lanes: int) -> list[DueDelivery]: ...

    async def next_wake(self) -> float | None: ...

    async def cancel_some(self, *, limit: int) -> int: ...


class DuePoller:
    """Pulls when something is due; looks at least twice a second, sooner when something was just recorded."""

    def __init__(
        self, waiting: WaitingStore, definitions: WatchRegistry, lanes: Lanes, recorder: Recorder, lease: Lease,
        *, room: int, log: Log, doubt: Callable[[], None],
    ) -> None:  # fmt: skip
        self._waiting = waiting
        self._definitions = definitions
        self._lanes = lanes
        self._recorder = recorder
        self._lease = lease
        self._room = room
        self._log = log
        self._doubt = doubt
        self._poked = asyncio.Event()
        self._suspects: dict[DeliveryTask, int] = {}
        self._line = 0

    def poke(self) -> None:
        """Something was recorded or given back: a lane may have been woken."""
        self._poked.set()

    async def run(self) -> None:
        """Pull until cancelled; raises LeaseLost."""
        pause = 0.0
        while True:
            if pause > 0:
                try:
                    async with asyncio.timeout(pause):
                        await self._poked.wait()
                except TimeoutError:
                    pass
            self._poked.clear()
            try:
                pause = await self._pull()
            except StoreUnavailable as error:
                self._doubt()
                self._log.warning("pull.store_unavailable", error=str(error))
                pause = _BACKOFF_SECONDS

    async def cancel_closed(self) -> None:
        """Cancel what waits for watches that were deleted or disabled, until cancelled ourselves."""
        while True:
            try:
                count = await self._waiting.cancel_some(limit=CANCEL_CHUNK)
            except StoreUnavailable:
                count = 0
            await asyncio.sleep(0 if count else _IDLE_SECONDS)

    async def _pull(self) -> float:
        """Pull once; answers the seconds until the next look."""
        if not self._lanes.has_room(self._room):
            return 0.01
        pulled = await self._waiting.pull(self._lease.token, lanes=PULL_LANES)
        if pulled:
            await self._definitions.refresh()
            self._lanes.take([task for each in pulled if (task := self._task(each)) is not None])
            return 0.0 if len(pulled) >= PULL_LANES else 0.002
        wake = await self._waiting.next_wake()
        return _IDLE_SECONDS if wake is None else min(max(wake, 0.005), _IDLE_SECONDS)

    def _task(self, pulled: DueDelivery) -> DeliveryTask | None:
        event = pulled.event
        task = DeliveryTask(
            pulled.id, LoadedEvent(event or _erased(pulled)), watch=pulled.watch, lane=pulled.lane,
            number=pulled.number, payload=pulled.payload, waited=True, base=pulled.base, replay_of=pulled.replay_of,
        )  # fmt: skip
        poison = pulled.alone >= POISON_CRASHES
        if event is not None and not poison:
            return task if pulled.crashes < POISON_CRASHES else self._few_at_a_time(task, pulled.crashes)
        status = DeliveryStatus.CANCELLED if event is None else DeliveryStatus.FAILED
        reason = "the event was erased" if event is None else "poison"
        if event is not None:
            self._log.error("delivery.poison", delivery_id=pulled.id.hex(), crashes=pulled.crashes)
        self._recorder.settle(task, task.update(status, attempts=pulled.number - 1, reason=reason))
        self._lanes.return_slot(pulled.lane)
        return None

    def _few_at_a_time(self, task: DeliveryTask, crashes: int) -> DeliveryTask | None:
        """Of what workers died with hold little at a time, and less each time: in the end one stands alone."""
        self._suspects = {each: few for each, few in self._suspects.items() if each.state is not TaskState.SETTLED}
        few = min([_few(crashes), *self._suspects.values()])
        if len(self._suspects) < few:
            self._suspects[task] = few
            self._line = 0
            return task
        self._line += 1
        wait = Wait(seconds=_LINE_SECONDS * (1 + self._line / few), number=task.number)
        self._recorder.settle(task, task.wait_update(wait))
        self._lanes.return_slot(task.lane)
        return None


def _few(crashes: int) -> int:
    """64, 16, 4, and then one."""
    return int(4 ** max(0, 2 * POISON_CRASHES - crashes))


def _erased(pulled: DueDelivery) -> ChangeEvent:
    return ChangeEvent(
        id=pulled.event_id, account=AccountId(0), resource_type="", type_version=0, kind=ChangeKind.UPDATED,
        scope={}, resource_id="", body=b"{}",
    )  # fmt: skip
