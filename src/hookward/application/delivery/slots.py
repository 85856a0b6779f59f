"""SlotClient: asks the store for the slots of lanes, and returns those that are not needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from hookward.application.delivery.lane import Lane
from hookward.application.ports import Log
from hookward.domain.errors import StoreUnavailable

_BACKOFF_SECONDS = 0.2


class SlotStore(Protocol):
    """Where the slots of lanes are counted, for all workers."""

    async def acquire(self, token: int, wanted: Mapping[int, int]) -> dict[int, int]: ...

    async def stopped(self, lanes: Sequence[int]) -> Mapping[int, bool]:
        """Return the lanes with a backlog, by id: true if the lane is held, paused or closed, else false.

        Lanes that are free are absent.
        """
        ...


class SlotClient:
    """Collects the lanes that want slots and asks for many at a time.

    ``mark_uncertain`` is called when PostgreSQL did not respond: it is then not known which slots were granted.
    """

    def __init__(self, store: SlotStore, token: int, *, log: Log, mark_uncertain: Callable[[], None]) -> None:
        self._store = store
        self._token = token
        self._log = log
        self._mark_uncertain = mark_uncertain
        self._wanting: dict[Lane, None] = {}
        self._some = asyncio.Event()
        self._returned: dict[int, int] = {}

    def want(self, lane: Lane) -> None:
        """Ask for as many slots as ``lane`` can use, with the next request."""
        lane.asked = True
        self._wanting[lane] = None
        self._some.set()

    async def acquire(self) -> list[Lane]:
        """Wait until lanes want slots, ask for them, and return those lanes with what they were granted."""
        while True:
            await self._some.wait()
            self._some.clear()
            wanting, self._wanting = self._wanting, {}
            wanted = {lane.id: min(lane.demand, lane.slots) - lane.granted for lane in wanting}
            wanted = {id_: count for id_, count in wanted.items() if count > 0}
            try:
                granted = await self._store.acquire(self._token, wanted) if wanted else {}
            except StoreUnavailable as error:
                self._mark_uncertain()
                self._log.warning("lanes.store_unavailable", error=str(error))
                self._wanting = wanting | self._wanting
                await asyncio.sleep(_BACKOFF_SECONDS)
                self._some.set()
                continue
            for lane in wanting:
                lane.asked = False
                lane.granted += granted.get(lane.id, 0)
                lane.full = granted.get(lane.id, 0) < wanted.get(lane.id, 0)
            return list(wanting)

    async def backlogs(self, lanes: Sequence[Lane]) -> Mapping[int, bool] | None:
        """Return what ``SlotStore.stopped`` returns for lanes; ``None`` while PostgreSQL is unreachable."""
        try:
            return await self._store.stopped([lane.id for lane in lanes])
        except StoreUnavailable:
            return None

    def give_back(self, lane: int, count: int) -> None:
        """Return slots of a lane with the next group of results."""
        self._returned[lane] = self._returned.get(lane, 0) + count

    @property
    def has_returned(self) -> bool:
        """Whether there are slots to return."""
        return bool(self._returned)

    def take_returned(self) -> dict[int, int]:
        """Return the number of slots to give back by lane, and forget it."""
        returned, self._returned = self._returned, {}
        return returned
