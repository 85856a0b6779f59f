"""Replay: send a delivery again, or at once where it waits, rendered anew with the watch as it is now."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from hookward.application.ids import make_id
from hookward.application.ports import Clock, Random
from hookward.domain.errors import Conflict, NotFound
from hookward.domain.ids import AccountId, DeliveryId

MAX_ATTEMPTS = 100
"""How many a delivery may have to be replayed under its own id: the log shows all of them, bodies too, at once."""


class Replayed(Enum):
    """What came of asking for a replay; all but ``YES`` changed nothing."""

    YES = 1
    UNKNOWN = 2
    IN_FLIGHT = 3
    EVENT_GONE = 4
    WATCH_DELETED = 5
    WATCH_DISABLED = 6
    SENT_OFTEN = 7


class ReplayStore(Protocol):
    """Where replays become durable."""

    async def replay(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None, new_id: DeliveryId | None
    ) -> Replayed:
        """Make a delivery wait again in its watch's lane, or one like it with ``new_id``, in one transaction.

        One that waits already is due at once, and its schedule begins anew.
        """
        ...


class Replays:
    """The use case of ops whose integrator has mended an endpoint."""

    def __init__(self, store: ReplayStore, *, clock: Clock, random: Random) -> None:
        self._store = store
        self._clock = clock
        self._random = random

    async def replay(
        self, account: AccountId, id_: DeliveryId | None, *, owner: str | None, new_id: bool
    ) -> DeliveryId:
        """Answers the delivery that is sent again; raises NotFound, or Conflict that says what to do first."""
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
