"""How many bytes of large bodies a worker has in its hands (G12).

Deliveries are bounded in number everywhere; that is enough for small ones, while those that are large fill the memory
long before. Small ones are left out of the count: they neither cost much nor wait for large ones.
"""

from __future__ import annotations

from hookward.application.parcel import LoadedEvent, Parcel


class LargeBodies:
    """The large bodies behind what is queued or in flight: an event counts once, however many watches want it."""

    def __init__(self) -> None:
        self.bytes = 0
        self._events: dict[LoadedEvent, int] = {}

    def add(self, parcel: Parcel) -> None:
        """A parcel came."""
        if parcel.large:
            wanted = self._events.get(parcel.event, 0)
            self._events[parcel.event] = wanted + 1
            self.bytes += parcel.weight - (parcel.event.size if wanted else 0)

    def drop(self, parcel: Parcel) -> None:
        """A parcel that had come is gone."""
        if parcel.large:
            wanted = self._events.pop(parcel.event) - 1
            if wanted:
                self._events[parcel.event] = wanted
            self.bytes -= parcel.weight - (parcel.event.size if wanted else 0)
