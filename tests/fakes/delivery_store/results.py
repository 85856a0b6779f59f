"""The ResultStore port."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hookward.domain.delivery.model import DeliveryUpdate
from hookward.domain.ids import WatchId
from hookward.domain.watches.model import WatchStatus
from tests.fakes.delivery_store.rows import FakeRows, Logged, WaitingRow, earlier


class FakeResults(FakeRows):
    """Records go in as one transaction, in the steps of PostgreSQL's."""

    async def record(
        self, token: int, updates: Sequence[DeliveryUpdate], *, done: Sequence[int], slots: Mapping[int, int]
    ) -> None:
        self.reach()
        self.fence(token)
        if self.slow:
            await asyncio.sleep(self.slow)
        if any(self.refused(update) for update in updates):
            raise ValueError("a value that the store refuses")
        self.groups.append(len(updates))
        for seq in done:
            if seq in self.outbox and self.outbox[seq].token == token:
                del self.outbox[seq]
        self._log(updates)
        self._begin_to_wait(token, [update for update in updates if not update.waited])
        self._move(token, [update for update in updates if update.waited])
        for update in updates:
            if update.payload is not None and update.id in self.waiting:
                self.payloads.setdefault(update.id, update.payload)
        self._change_watches(updates)
        self._hold_lanes(updates)
        for update in updates:
            if update.wait is not None and not update.wait.held:
                self._wake(update.lane, update.wait.seconds)
        for lane, count in slots.items():
            self._release(token, lane, count)
        self.reach("record")

    async def release(self, token: int, slots: Mapping[int, int]) -> None:
        """Give slots back, by lane."""
        for lane, count in slots.items():
            self._release(token, lane, count)

    def _log(self, updates: Iterable[DeliveryUpdate]) -> None:
        for update in updates:
            if not update.waited and update.id not in self.log:
                code = update.attempt.code if update.attempt else None
                self.log[update.id] = Logged(update, update.status, update.reason, made=update.attempts, last_code=code)
        for update in updates:
            attempts = self.log[update.id].attempts
            if update.attempt is not None and all(each.number != update.attempt.number for each in attempts):
                attempts.append(update.attempt)

    def _begin_to_wait(self, token: int, updates: Iterable[DeliveryUpdate]) -> None:
        for update in updates:
            wait = update.wait
            if wait is not None and self.log[update.id].status.open:
                holder = token if wait.held else None
                row = WaitingRow(
                    update.lane, update.event, self.now() + wait.seconds, wait.number, holder, wait.crashes
                )
                self.waiting.setdefault(update.id, row)

    def _move(self, token: int, updates: Iterable[DeliveryUpdate]) -> None:
        for update in updates:
            row = self.waiting.get(update.id)
            holds = row is not None and row.token == token
            if update.wait is None:
                self.payloads.pop(update.id, None)
                if holds:
                    del self.waiting[update.id]
            elif row is not None and holds:
                row.token, row.due, row.number = None, self.now() + update.wait.seconds, update.wait.number
                if update.attempt is not None:
                    row.crashes = row.alone = 0
            logged = self.log[update.id]
            if logged.status.open and logged.made <= update.attempts:
                logged.status, logged.reason, logged.made = update.status, update.reason, update.attempts
                if update.attempt is not None:
                    logged.last_code = update.attempt.code

    def _change_watches(self, updates: Iterable[DeliveryUpdate]) -> None:
        """Disable or pause watches. Of several changes of one watch that of the newest version counts, then the end."""
        last: dict[WatchId, tuple[int, WatchStatus, str]] = {}
        for update in updates:
            if (each := update.watch_effect) is not None:
                for status, reason in ((WatchStatus.PAUSED, each.pause), (WatchStatus.DISABLED, each.disable)):
                    if reason is not None:
                        change = (each.version, status, reason)
                        last[update.watch] = max(last.get(update.watch, change), change)
        changes = {
            id_: change for id_, change in last.items() if self._may_change(id_, version=change[0], status=change[1])
        }
        self.version += bool(changes)
        for id_, (_version, status, reason) in changes.items():
            watch = self.watches[id_]
            self.watches[id_] = msgspec.structs.replace(
                watch, status=status, status_reason=reason, version=self.version
            )
            lane = self.lanes[watch.lane]
            if status == WatchStatus.DISABLED:
                lane.closing, lane.wake_at = reason, self.now()
            elif lane.closing is None:
                lane.paused, lane.wake_at = True, None

    def _may_change(self, id_: WatchId, *, version: int, status: WatchStatus) -> bool:
        watch = self.watches[id_]
        return watch.version == version and watch.status < status and not watch.deleted

    def _hold_lanes(self, updates: Iterable[DeliveryUpdate]) -> None:
        for update in updates:
            if update.watch_effect is not None and update.watch_effect.hold:
                lane = self.lanes[update.lane]
                if lane.closing is None:
                    lane.held_until = max(lane.held_until, self.now() + update.watch_effect.hold)
                    if lane.wake_at is not None:
                        lane.wake_at = max(lane.wake_at, lane.held_until)

    def _wake(self, lane_id: int, seconds: float) -> None:
        lane = self.lanes[lane_id]
        lane.behind = lane.behind or seconds <= 0
        if lane.closing is not None:
            lane.wake_at = self.now()
        elif lane.paused:
            lane.wake_at = None
        else:
            lane.wake_at = earlier(lane.wake_at, max(self.now() + seconds, lane.held_until))

    def _release(self, token: int, lane_id: int, count: int) -> None:
        if (lane_id, token) not in self.grants:
            return
        taken = min(count, self.grants[lane_id, token])
        self.grants[lane_id, token] -= taken
        lane = self.lanes[lane_id]
        lane.in_use = max(0, lane.in_use - taken)
        if lane.behind and not lane.paused:
            lane.wake_at = earlier(lane.wake_at, max(self.now(), lane.held_until))
