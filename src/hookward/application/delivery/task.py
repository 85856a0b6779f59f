"""One delivery while a worker has it, and the event that it delivers."""

from __future__ import annotations

from enum import Enum
from typing import Any

from msgspec import UNSET

from hookward.domain.delivery.model import Attempt, DeliveryStatus, DeliveryUpdate, Payload, Wait, WatchEffect
from hookward.domain.events.document import DocumentOptions
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId, WatchId

LARGE_BYTES = 16 << 10
"""Smaller deliveries are bounded only by the number that a worker holds; larger ones also by their bytes."""


class TaskState(Enum):
    """How far a delivery has come in this worker."""

    QUEUED = 1
    SENDING = 2
    SETTLED = 3


class LoadedEvent:
    """An event of ``size`` bytes. Its resources are decoded once and shared by all its deliveries.

    Those of a large event are decoded for each delivery: as values they take ten times the memory.
    """

    __slots__ = ("_extra", "_previous", "_resource", "change", "size")

    def __init__(self, change: ChangeEvent) -> None:
        self.change = change
        self.size = len(change.body) + len(change.previous or b"") + len(change.extra or b"")
        self._resource: Any = None
        self._extra: Any = None
        self._previous: Any = None

    def resource(self) -> Any:
        """Return the decoded resource."""
        if self.size > LARGE_BYTES:
            return self.change.resource()
        if self._resource is None:
            self._resource = self.change.resource()
        return self._resource

    def extra(self) -> Any:
        """Return the decoded extra resource where the event has one, else the resource."""
        if self.change.extra is None:
            return self.resource()
        if self.size > LARGE_BYTES:
            return self.change.extra_resource()
        if self._extra is None:
            self._extra = self.change.extra_resource()
        return self._extra

    def previous(self) -> Any:
        """Return the decoded state before the change; ``None`` where it is not known."""
        if self.size > LARGE_BYTES:
            return self.change.previous_resource()
        if self._previous is None:
            self._previous = self.change.previous_resource()
        return self._previous

    def document(self, options: DocumentOptions, second: int, home: str | None = None) -> dict[str, Any]:
        """Return the document of this event as values, rendered at ``second`` (since 1970).

        ``home`` is the account's time zone, where ``options`` do not hold it yet.
        """
        previous = self.previous() if options.previous else UNSET
        resource = self.extra() if options.extra else self.resource()
        return options.build(self.change, resource, previous=previous, second=second, home=home)


class ClaimedRow:
    """An outbox row that this worker claimed.

    The row is done when all its deliveries are settled or wait under our lease. ``since`` is seconds on the monotonic
    clock.
    """

    __slots__ = ("seq", "since", "tasks")

    def __init__(self, seq: int, since: float) -> None:
        self.seq = seq
        self.since = since
        self.tasks: set[DeliveryTask] = set()


class DeliveryTask:
    """One delivery, from its match or from the store until its result is recorded.

    ``number`` is that of the next attempt. ``waited`` says that the delivery has a row among the waiting ones.
    ``claimed`` is the outbox row that it keeps open, if any. ``started`` is seconds on the monotonic clock. ``base`` is
    the number of attempts before this replay, ``replay_of`` the delivery that a replay with an id of its own repeats.
    ``weight`` is about the bytes in memory while it is sent; ``large`` says that they are counted.
    """

    __slots__ = (
        "base", "claimed", "event", "id", "lane", "large", "number", "payload", "replay_of", "started", "state",
        "waited", "watch", "weight",
    )  # fmt: skip

    def __init__(
        self,
        id_: DeliveryId,
        event: LoadedEvent,
        *,
        watch: WatchId,
        lane: int,
        number: int = 1,
        payload: Payload | None = None,
        waited: bool = False,
        base: int = 0,
        replay_of: DeliveryId | None = None,
    ) -> None:
        self.id = id_
        self.event = event
        self.watch = watch
        self.lane = lane
        self.number = number
        self.payload = payload
        self.weight = event.size if payload is None else event.size + len(payload.body or b"")
        self.large = self.weight > LARGE_BYTES
        self.waited = waited
        self.base = base
        self.replay_of = replay_of
        self.claimed: ClaimedRow | None = None
        self.state = TaskState.QUEUED
        self.started = 0.0

    def update(
        self,
        status: DeliveryStatus,
        *,
        attempts: int,
        reason: str | None = None,
        attempt: Attempt | None = None,
        wait: Wait | None = None,
        payload: Payload | None = None,
        watch_effect: WatchEffect | None = None,
    ) -> DeliveryUpdate:
        """Return an update of this delivery for the store."""
        change = self.event.change
        return DeliveryUpdate(
            id=self.id,
            account=change.account,
            event=change.id,
            watch=self.watch,
            lane=self.lane,
            resource_type=change.resource_type,
            kind=change.kind,
            resource_id=change.resource_id,
            status=status,
            waited=self.waited,
            attempts=attempts,
            reason=reason,
            attempt=attempt,
            wait=wait,
            payload=payload,
            watch_effect=watch_effect,
        )

    def wait_update(
        self,
        wait: Wait,
        *,
        reason: str | None = None,
        payload: Payload | None = None,
        watch_effect: WatchEffect | None = None,
    ) -> DeliveryUpdate:
        """Return the update that lets this delivery wait for the attempt that has not been made."""
        status = DeliveryStatus.PENDING if self.number == self.base + 1 else DeliveryStatus.RETRYING
        return self.update(
            status, attempts=self.number - 1, reason=reason, wait=wait, payload=payload, watch_effect=watch_effect
        )

    def wait_for_slot(self, *, held: bool = False, seconds: float = 0.0) -> DeliveryUpdate:
        """Return the update that lets it wait: ``held`` by our lease during its attempt, or free and due later."""
        return self.wait_update(Wait(seconds=seconds, number=self.number, held=held))
