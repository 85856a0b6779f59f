"""EventMatcher: from events to the deliveries that they have, by the watches that match and their filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hookward.application.delivery.filtering import apply_filters
from hookward.application.delivery.recorder import Recorder
from hookward.application.delivery.task import DeliveryTask, LoadedEvent
from hookward.application.ports import Clock
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import DeliveryId, WatchId, delivery_ids

_US = 1_000_000


class EventMatcher:
    """Finds the watches of an event and makes its deliveries; what a filter cannot decide it records as failed."""

    def __init__(self, registry: WatchRegistry, recorder: Recorder, *, clock: Clock) -> None:
        self.registry = registry
        self._recorder = recorder
        self._clock = clock

    def match(self, event: LoadedEvent) -> list[WatchId]:
        """Return the watches whose subscription an event fits, whatever their filters say."""
        return self.registry.match(event.change)

    def needs_body(self, watches: Iterable[WatchId]) -> bool:
        """Return whether one of the watches has a filter."""
        filters = self.registry.filters
        return any(watch in filters for watch in watches)

    async def apply_filters(
        self, event: LoadedEvent, watches: Sequence[WatchId], recorded: set[DeliveryId]
    ) -> Sequence[WatchId]:
        """Return the watches that want ``event``.

        A delivery whose filter cannot be decided ends failed; an unwanted one does not come to exist.
        """
        if not self.needs_body(watches):
            return watches
        registry, change = self.registry, event.change
        result = await apply_filters(
            registry.filters,
            event,
            watches,
            second=self._clock.now_us() // _US,
            home=registry.account_zone(change.account),
            shape=registry.shape(change),
        )
        for task in self.tasks(event, delivery_ids(change.id, result.undecided), recorded):
            reason = result.undecided[task.watch]
            self._recorder.add(task.update(DeliveryStatus.FAILED, attempts=0, reason=reason))
        return result.wanted

    def tasks(
        self, event: LoadedEvent, ids: Mapping[WatchId, DeliveryId], recorded: set[DeliveryId]
    ) -> list[DeliveryTask]:
        """Return the deliveries with these ``ids`` of an event, without those that are ``recorded`` already."""
        tasks: list[DeliveryTask] = []
        version = event.change.version
        for watch, id_ in ids.items():
            record = self.registry.watch(watch)
            # A watch that was disabled and enabled during a fan-out gets no event from before.
            if record is not None and record.active_since <= version and id_ not in recorded:
                tasks.append(DeliveryTask(id_, event, watch=watch, lane=record.lane))
        return tasks
