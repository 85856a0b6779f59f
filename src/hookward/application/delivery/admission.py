"""One watch's lane as a worker sees it, and who may send within the worker's bound.

How many bytes of large bodies a worker has in its hands (G12).

Deliveries are bounded in number everywhere; that is enough for small ones, while those that are large fill the memory
long before. Small ones are left out of the count: they neither cost much nor wait for large ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

import msgspec

from hookward.application.delivery.task import DeliveryTask, LoadedEvent
from hookward.domain.delivery.model import Payload
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId, EventId, WatchId

SLOW_SECONDS = 0.25
HORIZON_SECONDS = 0.5
PROBES = 2
_FIRST_PACE = 0.005


class DueDelivery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A waiting delivery that this worker took, with one slot of its lane. ``event`` is ``None`` when it was erased.

    ``crashes`` counts the workers that died with it, ``alone`` those that died with nothing else to blame. ``base`` is
    the attempts before a replay, ``replay_of`` the delivery that it sends again under an id of its own.
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


class SlotStore(Protocol):
    """Where the slots of a lane are counted, for all workers."""

    async def acquire(self, token: int, wanted: Mapping[int, int]) -> dict[int, int]: ...

    async def stopped(self, lanes: Sequence[int]) -> Mapping[int, bool]:
        """Which lanes take new deliveries only behind what waits; true where nothing at all may be sent."""
        ...


class EndpointSpeed(Enum):
    """What is known of an endpoint: that it answers soon, nothing yet, or that it is slow or hangs."""

    QUICK = 1
    NEW = 2
    SLOW = 3


class Lane:
    """One watch's lane in this worker. Times are in seconds; ``pace`` is how long a send takes lately.

    ``full`` says that no more slots were to be had: asking again can wait until the next upkeep. ``counted`` is the
    standing under which its sends are counted, ``load`` the bytes of the large ones among them. ``slots`` is how many
    sends the watch may have in flight, over all workers. ``alone_until`` is until when we know for ourselves that its
    watch is to be left alone; after that the store knows.
    """

    __slots__ = (
        "alone_until", "asked", "counted", "full", "granted", "id", "last_busy", "load", "pace", "peak", "proven",
        "queue", "running", "sending", "slots", "stopped",
    )  # fmt: skip

    def __init__(self, id_: int, *, slots: int, now: float) -> None:
        self.id = id_
        self.slots = slots
        self.queue: deque[DeliveryTask] = deque()
        self.sending: set[DeliveryTask] = set()
        self.granted = 0
        self.running = 0
        self.load = 0
        self.peak = 0
        self.asked = False
        self.full = False
        self.stopped = False
        self.proven = False
        self.counted = EndpointSpeed.NEW
        self.pace = _FIRST_PACE
        self.last_busy = now
        self.alone_until = now

    @property
    def slow(self) -> bool:
        return self.pace >= SLOW_SECONDS

    @property
    def standing(self) -> EndpointSpeed:
        if self.slow:
            return EndpointSpeed.SLOW
        return EndpointSpeed.QUICK if self.proven else EndpointSpeed.NEW

    def took(self, seconds: float) -> None:
        """A send came to its end."""
        self.pace += 0.2 * (seconds - self.pace)
        self.proven = self.proven or seconds < SLOW_SECONDS

    def takes_more(self) -> bool:
        """Whether it can send another task soon enough to be worth keeping here; a slow one only on a free slot."""
        if self.stopped:
            return False
        if self.slow:
            return self.demand < self.granted
        return len(self.queue) < max(self.slots, int(self.slots * HORIZON_SECONDS / max(self.pace, 0.001)))

    @property
    def demand(self) -> int:
        """How many slots it could use now."""
        return len(self.queue) + len(self.sending)

    @property
    def usable(self) -> int:
        """How many of the slots held may be used: fewer than before when the watch has just been given less."""
        return min(self.granted, self.slots)

    @property
    def spare(self) -> int:
        """Slots held that nothing here will use at once."""
        return max(0, self.granted - max(self.running, min(self.demand, self.slots)))


class CapacityShare:
    """A bound on what is in flight, and how it is shared out.

    Endpoints that are slow or hang may take half of it. Those that nothing is known of may take a quarter, three
    quarters together with the slow ones. However many there are of both, the rest is kept for those that answer (G6).
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._slow = max(1, bound // 2)
        self._new = max(1, bound // 4)
        self._both = max(1, bound * 3 // 4)
        self._used = dict.fromkeys(EndpointSpeed, 0)
        self.total = 0

    def is_free(self, standing: EndpointSpeed) -> bool:
        """Whether something is left for a lane of this standing; what it takes then may go over the bound."""
        if self.total >= self._bound:
            return False
        slow, new = self._used[EndpointSpeed.SLOW], self._used[EndpointSpeed.NEW]
        if standing is EndpointSpeed.NEW:
            return new < self._new and slow + new < self._both
        return standing is EndpointSpeed.QUICK or slow < self._slow

    def take(self, standing: EndpointSpeed, amount: int) -> None:
        """Count so much more, or less, as in flight."""
        self.total += amount
        self._used[standing] += amount

    def move(self, before: EndpointSpeed, after: EndpointSpeed, amount: int) -> None:
        """Count what is in flight under another standing."""
        self._used[before] -= amount
        self._used[after] += amount


class Admission:
    """Who may start a send: those that answer soon always, up to the worker's bounds.

    One is on sends, one on the bytes of those that are large. Endpoints that nothing is known of are tried with a
    request or two.
    """

    def __init__(self, in_flight: int, load: int) -> None:
        self._sends = CapacityShare(in_flight)
        self._load = CapacityShare(load)

    @property
    def total(self) -> int:
        """Sends that may be in flight now."""
        return self._sends.total

    def admits(self, lane: Lane) -> bool:
        """Whether ``lane`` may start one more."""
        if lane.counted is EndpointSpeed.NEW and lane.running >= PROBES:
            return False
        return self._sends.is_free(lane.counted)

    def carries(self, lane: Lane) -> bool:
        """Whether ``lane`` may send one more that is large."""
        return self._load.is_free(lane.counted)

    def begin(self, lane: Lane) -> None:
        lane.running += 1
        self._sends.take(lane.counted, 1)

    def end(self, lane: Lane) -> None:
        lane.running -= 1
        self._sends.take(lane.counted, -1)

    def load(self, lane: Lane, task: DeliveryTask) -> None:
        """Count a task that is being sent."""
        if task.large:
            lane.load += task.weight
            self._load.take(lane.counted, task.weight)

    def unload(self, lane: Lane, task: DeliveryTask) -> None:
        """Count it no more."""
        if task.large:
            lane.load -= task.weight
            self._load.take(lane.counted, -task.weight)

    def judge(self, lane: Lane) -> bool:
        """Count what a lane has in flight by its standing; answers whether it has just become slow."""
        standing, before = lane.standing, lane.counted
        if standing is before:
            return False
        self._sends.move(before, standing, lane.running)
        self._load.move(before, standing, lane.load)
        lane.counted = standing
        return standing is EndpointSpeed.SLOW


class BodyMemory:
    """The large bodies behind what is queued or in flight: an event counts once, however many watches want it."""

    def __init__(self) -> None:
        self.bytes = 0
        self._events: dict[LoadedEvent, int] = {}

    def add(self, task: DeliveryTask) -> None:
        """A task came."""
        if task.large:
            wanted = self._events.get(task.event, 0)
            self._events[task.event] = wanted + 1
            self.bytes += task.weight - (task.event.size if wanted else 0)

    def drop(self, task: DeliveryTask) -> None:
        """A task that had come is gone."""
        if task.large:
            wanted = self._events.pop(task.event) - 1
            if wanted:
                self._events[task.event] = wanted
            self.bytes -= task.weight - (task.event.size if wanted else 0)
