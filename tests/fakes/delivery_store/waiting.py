"""The SlotStore and WaitingStore ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hookward.application.delivery.poller import DueDelivery
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId
from tests.fakes.delivery_store.rows import FakeRows, LaneRow, WaitingRow


class FakeWaiting(FakeRows):
    """Pulls are bounded by slots, not by bytes."""

    async def acquire(self, token: int, wanted: Mapping[int, int]) -> dict[int, int]:
        self.reach()
        self.fence(token)
        granted: dict[int, int] = {}
        for id_, count in wanted.items():
            lane = self.lanes.get(id_)
            if lane is not None:
                free = 0 if self.is_halted(lane) or lane.behind else self.free_slots(lane)
                granted[id_] = self.grant(id_, token, min(count, free))
        self.reach("acquire")
        return granted

    async def stopped(self, lanes: Sequence[int]) -> dict[int, bool]:
        self.reach("stopped")
        rows = {id_: self.lanes[id_] for id_ in lanes if id_ in self.lanes}
        return {id_: self.is_halted(lane) for id_, lane in rows.items() if lane.behind or self.is_halted(lane)}

    async def pull(self, token: int, *, lanes: int) -> list[DueDelivery]:
        self.reach()
        if not self.is_live(token):
            return []
        due = sorted(
            (lane.wake_at, id_)
            for id_, lane in self.lanes.items()
            if lane.wake_at is not None and lane.wake_at <= self.now() and not lane.paused and lane.closing is None
        )
        pulled = [each for _, id_ in due[:lanes] for each in self._pull_lane(token, id_)]
        self.reach("pull")
        return pulled

    def _pull_lane(self, token: int, id_: int) -> list[DueDelivery]:
        lane = self.lanes[id_]
        held = lane.held_until > self.now()
        free = self._free_rows(id_)
        count = 0 if held else min(self.free_slots(lane), sum(row.due <= self.now() for _, row in free))
        self.grant(id_, token, count)
        lane.wake_at, lane.behind = None, False
        if rest := free[count:]:
            due = rest[0][1].due
            lane.behind = due <= self.now()
            if held:
                lane.wake_at = max(due, lane.held_until)
            elif due > self.now():
                lane.wake_at = due  # else all slots are taken, and the next release wakes the lane
        return [self._pull(key, row, token, lane) for key, row in free[:count]]

    def _free_rows(self, lane: int) -> list[tuple[DeliveryId, WaitingRow]]:
        rows = [(key, row) for key, row in self.waiting.items() if row.token is None and row.lane == lane]
        return sorted(rows, key=lambda each: (each[1].due, each[0]))

    def _pull(self, key: DeliveryId, row: WaitingRow, token: int, lane: LaneRow) -> DueDelivery:
        row.token = token
        event = self.event_rows.get(row.event)
        payload = self.payloads.get(key) if event is not None else None
        assert lane.watch is not None
        return DueDelivery(
            id=key,
            lane=row.lane,
            event_id=row.event,
            number=row.number,
            crashes=row.crashes,
            alone=row.alone,
            watch=lane.watch,
            event=event if event is None or payload is None else _without_content(event),
            payload=payload,
            base=row.base,
            replay_of=row.replay_of,
        )

    async def next_wake(self) -> float | None:
        self.reach("next_wake")
        wakes = [lane.wake_at for lane in self.lanes.values() if lane.wake_at is not None and not lane.paused]
        return min(wakes) - self.now() if wakes else None

    async def cancel_some(self, *, limit: int) -> int:
        self.reach("cancel_some")
        closing = [
            (lane.wake_at, id_)
            for id_, lane in self.lanes.items()
            if lane.closing is not None and lane.wake_at is not None and lane.wake_at <= self.now()
        ]
        if not closing:
            return 0
        _, id_ = min(closing)
        lane = self.lanes[id_]
        keys = [key for key, _ in self._free_rows(id_)[:limit]]
        for key in keys:
            del self.waiting[key]
            self.payloads.pop(key, None)
            if (logged := self.log[key]).status.open:
                logged.status, logged.reason = DeliveryStatus.CANCELLED, lane.closing
        if len(keys) < limit:
            lane.wake_at, lane.behind = None, False
        return len(keys)


def _without_content(event: ChangeEvent) -> ChangeEvent:
    """An event beside the payload that was made of it: its content is not read again."""
    return msgspec.structs.replace(event, body=b"", previous=None, extra=None)
