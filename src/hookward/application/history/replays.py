"""Replay a delivery: send it again, or at once if it waits, rendered again with the current watch."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from hookward.application.ids import make_id
from hookward.application.ports import Clock, Random
from hookward.domain.errors import Conflict, NotFound
from hookward.domain.ids import AccountId, DeliveryId

MAX_ATTEMPTS = 100
"""A delivery with more attempts is replayed only with a new id: the log returns all attempts and bodies at once."""


class Replayed(Enum):
    """The result of a replay; all but ``YES`` changed nothing."""

    YES = 1
    UNKNOWN = 2
    IN_FLIGHT = 3
    EVENT_GONE = 4
    WATCH_DELETED = 5
    WATCH_DISABLED = 6
    SENT_OFTEN = 7


class ReplayStore(Protocol):
    """Where replays are stored."""

    async def replay(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None, new_id: DeliveryId | None
    ) -> Replayed:
        """Put a delivery, or a copy of it with ``new_id``, into its watch's lane again, in one transaction.

        A delivery that waits already becomes due at once, and its retry schedule starts again.
        """
        ...


class Replays:
    """The use case of operators after an integrator has repaired an endpoint."""

    def __init__(self, store: ReplayStore, *, clock: Clock, random: Random) -> None:
        self._store = store
        self._clock = clock
        self._random = random

    async def replay(
        self, account: AccountId, id_: DeliveryId | None, *, owner: str | None, new_id: bool
    ) -> DeliveryId:
        """Replay a delivery, and return the id under which it is sent.

        Raises NotFound, or Conflict with what to do first.
        """
        if id_ is None:
            raise NotFound(_UNKNOWN)
        fresh = DeliveryId(make_id(self._clock, self._random)) if new_id else None
        came = await self._store.replay(account, id_, owner=owner, new_id=fresh)
        if came is Replayed.UNKNOWN:
            raise NotFound(_UNKNOWN)
        if came is not Replayed.YES:
            raise Conflict(_REFUSALS[came])
        return fresh or id_


_UNKNOWN = "there is no such delivery"
_REFUSALS = {
    Replayed.IN_FLIGHT: "the delivery is being sent just now; wait for what comes of it, or replay it with newId",
    Replayed.EVENT_GONE: "the delivery's event was erased or is older than the retention; publish it again",
    Replayed.WATCH_DELETED: "the delivery's watch was deleted; create one and publish the event again",
    Replayed.WATCH_DISABLED: "the delivery's watch is disabled; enable it first",
    Replayed.SENT_OFTEN: f"the delivery had {MAX_ATTEMPTS} attempts; replay it with newId, as a delivery of its own",
}
