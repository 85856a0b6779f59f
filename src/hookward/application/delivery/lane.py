"""Lane: one watch's queue and slots in this worker; LaneTable: all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum

from hookward.application.delivery.task import DeliveryTask
from hookward.application.ports import Clock
from hookward.domain.ids import WatchId

SLOW_SECONDS = 0.25
HORIZON_SECONDS = 0.5
_FIRST_PACE = 0.005


class EndpointSpeed(Enum):
    """What is known of an endpoint: it responds soon, nothing yet, or it is slow or hangs."""

    QUICK = 1
    NEW = 2
    SLOW = 3


class Lane:
    """One watch's lane in this worker. Times are in seconds.

    ``slots`` is how many sends the watch may have in flight, over all workers; ``granted`` how many of them this
    worker has. ``pace`` is the recent duration of a send. ``full`` says that the store had no more slots: asking again
    can wait until the next upkeep. ``stopped`` says that new deliveries go behind those that wait in the store.
    ``counted_as`` is the speed under which its sends are counted, ``load`` the bytes of the large ones among them.
    Until ``paused_until`` this worker knows that the watch is to get no requests; after that the store knows.
    """

    __slots__ = (
        "asked", "counted_as", "full", "granted", "id", "last_busy", "load", "pace", "paused_until", "peak", "proven",
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
        self.counted_as = EndpointSpeed.NEW
        self.pace = _FIRST_PACE
        self.last_busy = now
        self.paused_until = now

    @property
    def slow(self) -> bool:
        """Whether the endpoint takes long to respond."""
        return self.pace >= SLOW_SECONDS

    @property
    def speed(self) -> EndpointSpeed:
        """What is known of the endpoint now."""
        if self.slow:
            return EndpointSpeed.SLOW
        return EndpointSpeed.QUICK if self.proven else EndpointSpeed.NEW

    def record_duration(self, seconds: float) -> None:
        """Learn how long a send took."""
        self.pace += 0.2 * (seconds - self.pace)
        self.proven = self.proven or seconds < SLOW_SECONDS

    def takes_more(self) -> bool:
        """Return whether another delivery can be sent soon enough to be queued here; a slow lane needs a free slot."""
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
        """How many of the granted slots may be used: fewer than before once the watch has been given fewer."""
        return min(self.granted, self.slots)

    @property
    def spare(self) -> int:
        """How many of the granted slots have no use here now."""
        return max(0, self.granted - max(self.running, min(self.demand, self.slots)))


class LaneTable:
    """The lanes of one worker by id.

    ``slots`` is how many sends one watch may have in flight, ``own_slots`` the same for the watches that have a number
    of their own. ``slow`` are the lanes of slow endpoints, ``stopped`` those with a backlog in the store.
    """

    def __init__(self, *, slots: int, own_slots: Mapping[WatchId, int], clock: Clock) -> None:
        self._slots = slots
        self._own_slots = own_slots
        self._clock = clock
        self._lanes: dict[int, Lane] = {}
        self.slow: set[Lane] = set()
        self.stopped: set[Lane] = set()

    def __len__(self) -> int:
        return len(self._lanes)

    def __getitem__(self, id_: int) -> Lane:
        return self._lanes[id_]

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def lane_of(self, task: DeliveryTask) -> Lane:
        """Return the lane of a delivery, with the number of slots that its watch has now."""
        lane = self._lanes.get(task.lane)
        slots = self._own_slots.get(task.watch, self._slots)
        if lane is None:
            lane = self._lanes[task.lane] = Lane(task.lane, slots=slots, now=self._clock.monotonic())
        lane.slots = slots
        return lane

    def stop(self, lane: Lane) -> None:
        """Let new deliveries of a lane wait in the store, behind its backlog."""
        lane.stopped = True
        self.stopped.add(lane)

    def reopen(self, lane: Lane) -> None:
        """Take new deliveries of a lane here again."""
        lane.stopped = False
        self.stopped.discard(lane)

    def forget(self, lane: Lane) -> None:
        """Drop a lane that is not used any more."""
        del self._lanes[lane.id]
        self.slow.discard(lane)
