"""LaneUpkeep: what lanes need from time to time: notice endpoints that hang and backlogs, return idle slots."""

from __future__ import annotations

import asyncio

from hookward.application.delivery.lane import Lane, LaneTable
from hookward.application.delivery.lanes import Lanes
from hookward.application.delivery.recorder import Recorder
from hookward.application.delivery.slots import SlotClient
from hookward.application.ports import Clock

UPKEEP_SECONDS = 0.25
FORGET_SECONDS = 600.0


class LaneUpkeep:
    """Looks after the lanes of one worker four times a second."""

    def __init__(self, lanes: Lanes, table: LaneTable, slots: SlotClient, recorder: Recorder, *, clock: Clock) -> None:
        self._lanes = lanes
        self._table = table
        self._slots = slots
        self._recorder = recorder
        self._clock = clock

    async def run(self) -> None:
        """Look after the lanes until cancelled. Raises what a send failed with, which only a bug can cause."""
        while True:
            await asyncio.sleep(UPKEEP_SECONDS)
            self._lanes.sends.raise_failure()
            now = self._clock.monotonic()
            for lane in self._table:
                self._notice_hanging(lane, now)
            self._lanes.resume_blocked()  # a lane that has just become slow has left its share to others
            self._lanes.resume_heavy()
            await self._read_backlogs()
            self._return_idle_slots(now)

    def _notice_hanging(self, lane: Lane, now: float) -> None:
        if lane.full:
            lane.full = False
            self._lanes.start_sends(lane)
        if lane.sending:
            lane.last_busy = now
            oldest = now - min(task.started for task in lane.sending)
            lane.pace = max(lane.pace, oldest)
            self._lanes.reclassify(lane)

    async def _read_backlogs(self) -> None:
        known = [lane for lane in self._table if lane.stopped or lane.granted]
        if not known:
            return
        stopped = await self._slots.backlogs(known)
        if stopped is None:
            return
        now = self._clock.monotonic()
        for lane in known:
            if stopped.get(lane.id, False) and lane.queue:
                self._lanes.defer_queued(lane)  # held, paused or closed: what is queued waits or ends with the rest
            if lane.id in stopped or lane.paused_until > now:
                self._table.stop(lane)
                if lane.spare:
                    self._recorder.wake()
            else:
                self._table.reopen(lane)

    def _return_idle_slots(self, now: float) -> None:
        """Hold no more slots than were needed since the last look, and forget lanes that were not used for long."""
        for lane in list(self._table):
            forgettable = not (lane.granted or lane.queue or lane.asked or lane.stopped)
            if forgettable and now - lane.last_busy > FORGET_SECONDS:
                self._table.forget(lane)
                continue
            unused = min(lane.spare, lane.granted - min(lane.peak, lane.slots))
            lane.peak = len(lane.sending)
            if unused > 0 and not lane.asked:
                lane.granted -= unused
                self._slots.give_back(lane.id, unused)
        if self._slots.has_returned:
            self._recorder.wake()
