"""A delivery in a worker's hands."""

from __future__ import annotations

from enum import Enum
from typing import Any

from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Payload, Wait
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId, WatchId

LARGE_BYTES = 16 << 10
"""What is smaller is bounded by how many a worker holds, and by nothing else."""


class TaskState(Enum):
    """How far a parcel has come."""

    QUEUED = 1
    SENDING = 2
    SETTLED = 3


class LoadedEvent:
    """An event, ``size`` bytes of it, with its resources decoded once for all who want them.

    Those of a large event are decoded for each: as values they take ten times the memory.
    """

    __slots__ = ("_extra", "_previous", "_resource", "change", "size")

    def __init__(self, change: ChangeEvent) -> None:
        self.change = change
        self.size = len(change.body) + len(change.previous or b"") + len(change.extra or b"")
        self._resource: Any = None
        self._extra: Any = None
        self._previous: Any = None

    def resource(self) -> Any:
        if self.size > LARGE_BYTES:
            return self.change.resource()
        if self._resource is None:
            self._resource = self.change.resource()
        return self._resource

    def extra(self) -> Any:
        """The extra resource where there is one, else the resource."""
        if self.change.extra is None:
            return self.resource()
        if self.size > LARGE_BYTES:
            return self.change.extra_resource()
        if self._extra is None:
            self._extra = self.change.extra_resource()
        return self._extra

    def previous(self) -> Any:
        """The state before the change; ``None`` where it is not known."""
        if self.size > LARGE_BYTES:
            return self.change.previous_resource()
        if self._previous is None:
            self._previous = self.change.previous_resource()
        return self._previous


class ClaimedRow:
    """An outbox row in a worker's hands; it is done when all its parcels are settled or wait under their own lease.

    ``since`` is seconds on the monotonic clock.
    """

    __slots__ = ("parcels", "seq", "since")

    def __init__(self, seq: int, since: float) -> None:
        self.seq = seq
        self.since = since
        self.parcels: set[DeliveryTask] = set()


class DeliveryTask:
    """One delivery, from being matched or pulled until its outcome is recorded.

    ``number`` is the attempt that comes next. ``waited`` says that it has a row among the waiting. ``claimed`` is the
    outbox row that it keeps open, if any. ``started`` is seconds on the monotonic clock. ``base`` is the attempts
    before this replay, ``replay_of`` the delivery that it sends again under an id of its own. ``weight`` is about the
    bytes that are in memory while it is sent.
    """

    __slots__ = (
        "base", "claimed", "event", "id", "lane", "number", "payload", "replay_of", "stage", "started", "waited",
        "watch", "weight",
    )  # fmt: skip

    def __init__(
        self, id_: DeliveryId, event: LoadedEvent, *, watch: WatchId, lane: int, number: int = 1,
        payload: Payload | None = None, waited: bool = False, base: int = 0, replay_of: DeliveryId | None = None,
    ) -> None:  # fmt: skip
        self.id = id_
        self.event = event
        self.watch = watch
        self.lane = lane
        self.number = number
        self.payload = payload
        self.weight = event.size if payload is None else event.size + len(payload.body or b"")
        self.waited = waited
        self.base = base
        self.replay_of = replay_of
        self.claimed: ClaimedRow | None = None
        self.stage = TaskState.QUEUED
        self.started = 0.0

    @property
    def large(self) -> bool:
        """Whether it counts by its bytes, too."""
        return self.weight > LARGE_BYTES

    @property
    def standing(self) -> DeliveryStatus:
        """Where it stands while its next attempt has not been made."""
        return DeliveryStatus.PENDING if self.number == self.base + 1 else DeliveryStatus.RETRYING

    def entry(self, status: DeliveryStatus, **values: Any) -> DeliveryUpdate:
        """A line for the ledger about this delivery."""
        change = self.event.change
        return DeliveryUpdate(
            id=self.id, account=change.account, event=change.id, watch=self.watch, lane=self.lane,
            resource_type=change.resource_type, kind=change.kind, resource_id=change.resource_id,
            status=status, waited=self.waited, **values,
        )  # fmt: skip

    def parked(self, *, held: bool, seconds: float = 0.0) -> DeliveryUpdate:
        """The line that makes it wait: under our lease while its attempt is in flight, or free and due then."""
        wait = Wait(seconds=seconds, number=self.number, held=held)
        return self.entry(self.standing, attempts=self.number - 1, wait=wait)
