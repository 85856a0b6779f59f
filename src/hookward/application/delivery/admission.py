"""Admission: which lanes may send within this worker's bounds, on sends and on the bytes of large ones (G6, G12).

Deliveries are bounded in number everywhere. That is enough for small ones; large ones would fill the memory long
before. Small ones are not counted in bytes: they cost little and do not wait for large ones.
"""

from __future__ import annotations

from hookward.application.delivery.lane import EndpointSpeed, Lane
from hookward.application.delivery.task import DeliveryTask, LoadedEvent

PROBES = 2


class CapacityShare:
    """A bound on what is in flight, and how it is shared by endpoints of different speed.

    Slow endpoints may use half of it. New ones may use a quarter, and three quarters together with the slow ones. So
    part of it is always left for quick endpoints, however many there are of the others (G6).
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._slow = max(1, bound // 2)
        self._new = max(1, bound // 4)
        self._both = max(1, bound * 3 // 4)
        self._used = dict.fromkeys(EndpointSpeed, 0)
        self.total = 0

    def is_free(self, speed: EndpointSpeed) -> bool:
        """Return whether a lane of this speed may take more; what it takes then may exceed the bound."""
        if self.total >= self._bound:
            return False
        slow, new = self._used[EndpointSpeed.SLOW], self._used[EndpointSpeed.NEW]
        if speed is EndpointSpeed.NEW:
            return new < self._new and slow + new < self._both
        return speed is EndpointSpeed.QUICK or slow < self._slow

    def take(self, speed: EndpointSpeed, amount: int) -> None:
        """Count ``amount`` more as in flight; less where it is negative."""
        self.total += amount
        self._used[speed] += amount

    def move(self, before: EndpointSpeed, after: EndpointSpeed, amount: int) -> None:
        """Count what is in flight under another speed."""
        self._used[before] -= amount
        self._used[after] += amount


class Admission:
    """Bounds the sends of one worker and the bytes of the large ones. New endpoints are tried with two requests."""

    def __init__(self, in_flight: int, load: int) -> None:
        self._sends = CapacityShare(in_flight)
        self._load = CapacityShare(load)

    @property
    def total(self) -> int:
        """Sends in flight."""
        return self._sends.total

    def admits(self, lane: Lane) -> bool:
        """Return whether ``lane`` may start one more send."""
        if lane.counted_as is EndpointSpeed.NEW and lane.running >= PROBES:
            return False
        return self._sends.is_free(lane.counted_as)

    def fits_memory(self, lane: Lane) -> bool:
        """Return whether ``lane`` may send one more large delivery."""
        return self._load.is_free(lane.counted_as)

    def begin(self, lane: Lane) -> None:
        """Count one more send of a lane."""
        lane.running += 1
        self._sends.take(lane.counted_as, 1)

    def end(self, lane: Lane) -> None:
        """Count one send of a lane less."""
        lane.running -= 1
        self._sends.take(lane.counted_as, -1)

    def load(self, lane: Lane, task: DeliveryTask) -> None:
        """Count the bytes of a large delivery that is being sent."""
        if task.large:
            lane.load += task.weight
            self._load.take(lane.counted_as, task.weight)

    def unload(self, lane: Lane, task: DeliveryTask) -> None:
        """Stop counting the bytes of a delivery."""
        if task.large:
            lane.load -= task.weight
            self._load.take(lane.counted_as, -task.weight)

    def reclassify(self, lane: Lane) -> bool:
        """Count what a lane has in flight by its present speed; return whether it has just become slow."""
        speed, before = lane.speed, lane.counted_as
        if speed is before:
            return False
        self._sends.move(before, speed, lane.running)
        self._load.move(before, speed, lane.load)
        lane.counted_as = speed
        return speed is EndpointSpeed.SLOW


class BodyMemory:
    """The bytes of large deliveries that are queued or in flight; an event shared by several is counted once."""

    def __init__(self) -> None:
        self.bytes = 0
        self._events: dict[LoadedEvent, int] = {}

    def add(self, task: DeliveryTask) -> None:
        """Count a delivery that was queued."""
        if task.large:
            sharing = self._events.get(task.event, 0)
            self._events[task.event] = sharing + 1
            self.bytes += task.weight - (task.event.size if sharing else 0)

    def drop(self, task: DeliveryTask) -> None:
        """Stop counting a delivery."""
        if task.large:
            sharing = self._events.pop(task.event) - 1
            if sharing:
                self._events[task.event] = sharing
            self.bytes -= task.weight - (task.event.size if sharing else 0)
