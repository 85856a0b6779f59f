"""The ReplayStore port."""

from __future__ import annotations

import msgspec

from hookward.application.history.replays import MAX_ATTEMPTS, Replayed
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, DeliveryId
from hookward.domain.watches.model import WatchStatus
from tests.fakes.delivery_store.rows import FakeRows, Logged, WaitingRow, earlier


class FakeReplays(FakeRows):
    """A delivery that is replayed is rendered again: its payload goes."""

    async def replay(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None, new_id: DeliveryId | None
    ) -> Replayed:
        self.reach("replay")
        logged = self.log.get(id_)
        if logged is None or logged.entry.account != account:
            return Replayed.UNKNOWN
        refusal = self._refusal(logged, owner)
        if refusal is not None:
            return refusal
        if new_id is None and logged.made >= MAX_ATTEMPTS:
            return Replayed.SENT_OFTEN
        lane = self.watches[logged.entry.watch].lane
        if new_id is not None:
            entry = msgspec.structs.replace(logged.entry, id=new_id)
            self.log[new_id] = Logged(entry, DeliveryStatus.PENDING, None, replay_of=id_)
            self.waiting[new_id] = WaitingRow(lane, entry.event, self.now(), 1, replay_of=id_)
        elif logged.status.open:
            waiting = self.waiting.get(id_)
            if waiting is None or waiting.token is not None:
                return Replayed.IN_FLIGHT
            lane, waiting.due, waiting.base = waiting.lane, self.now(), waiting.number - 1
            self._start_again(id_, logged)
        else:
            self._start_again(id_, logged)
            self.waiting[id_] = WaitingRow(lane, logged.entry.event, self.now(), logged.made + 1, base=logged.made)
        self._wake_now(lane)
        return Replayed.YES

    def _start_again(self, id_: DeliveryId, logged: Logged) -> None:
        logged.status, logged.reason = DeliveryStatus.PENDING, None
        self.payloads.pop(id_, None)

    def _wake_now(self, lane_id: int) -> None:
        lane = self.lanes[lane_id]
        lane.behind = True
        if lane.closing is not None:
            lane.wake_at = self.now()
        elif lane.paused:
            lane.wake_at = None
        else:
            lane.wake_at = earlier(lane.wake_at, self.now())

    def _refusal(self, logged: Logged, owner: str | None) -> Replayed | None:
        watch = self.watches.get(logged.entry.watch)
        if watch is None or owner not in (None, watch.owner):
            return Replayed.WATCH_DELETED if owner is None else Replayed.UNKNOWN
        if watch.deleted:
            return Replayed.WATCH_DELETED
        if watch.status == WatchStatus.DISABLED:
            return Replayed.WATCH_DISABLED
        return None if logged.entry.event in self.event_rows else Replayed.EVENT_GONE
