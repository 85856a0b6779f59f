"""Dispatcher: claims accepted events, matches them, and submits their deliveries to the lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from hookward.application.delivery.fan_out import FanOuts
from hookward.application.delivery.lanes import Lanes
from hookward.application.delivery.matching import EventMatcher
from hookward.application.delivery.outbox import Claim, Outbox
from hookward.application.delivery.recorder import Recorder
from hookward.application.delivery.task import ClaimedRow, DeliveryTask, LoadedEvent, TaskState
from hookward.application.ports import Clock, Log, WakeupSender
from hookward.domain.delivery.model import POISON_CRASHES, DeliveryStatus
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import DeliveryId, WatchId, delivery_ids

BATCH_EVENTS = 256
CLOSE_SECONDS = 0.75


class OpenRows:
    """The outbox rows whose deliveries are not all settled yet."""

    def __init__(self, lanes: Lanes, recorder: Recorder, *, clock: Clock) -> None:
        self._lanes = lanes
        self._recorder = recorder
        self._clock = clock
        self._rows: dict[ClaimedRow, None] = {}

    def add(self, seq: int, tasks: list[DeliveryTask]) -> None:
        """Keep a row open until all its deliveries are settled or wait on their own."""
        row = ClaimedRow(seq, self._clock.monotonic())
        for task in tasks:
            task.claimed = row
        row.tasks.update(tasks)
        self._rows[row] = None

    async def close_old(self) -> None:
        """Close rows that have been open for long, until cancelled: what is unsettled waits on its own."""
        while True:
            await asyncio.sleep(CLOSE_SECONDS / 3)
            limit = self._clock.monotonic() - CLOSE_SECONDS
            for row in [row for row in self._rows if row.since <= limit]:
                del self._rows[row]
                for task in list(row.tasks):
                    if task.state is TaskState.QUEUED:
                        self._lanes.defer(task)
                    else:  # it is being sent: settled tasks have left the row
                        self._recorder.defer(task)


class Dispatcher:
    """Claims events while there is room, when it is woken and every ``poll_seconds``.

    An event that too many watches match is written to the store in chunks (see ``FanOuts``). ``mark_uncertain`` is
    called when it is not known what was claimed.
    """

    def __init__(
        self,
        outbox: Outbox,
        token: int,
        matcher: EventMatcher,
        lanes: Lanes,
        recorder: Recorder,
        *,
        open_rows: OpenRows,
        fan_outs: FanOuts,
        waker: WakeupSender,
        room: int,
        log: Log,
        mark_uncertain: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._token = token
        self._matcher = matcher
        self._lanes = lanes
        self._recorder = recorder
        self._open_rows = open_rows
        self._fan_outs = fan_outs
        self._waker = waker
        self._room = room
        self._log = log
        self._mark_uncertain = mark_uncertain
        self._woken = asyncio.Event()
        self.poll_seconds = 1.0

    def wake(self) -> None:
        """Claim soon: there may be events."""
        self._woken.set()

    async def run(self) -> None:
        """Claim until cancelled or uncertain. Raises LeaseLost."""
        while True:
            try:
                async with asyncio.timeout(self.poll_seconds):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            self._fan_outs.raise_failure()
            try:
                await self._claim_while_room()
            except StoreUnavailable as error:
                self._mark_uncertain()
                self._log.warning("dispatch.store_unavailable", error=str(error))
                return

    async def _claim_while_room(self) -> None:
        while self._lanes.has_room(self._room) and not self._fan_outs.full:
            claims = await self._outbox.claim(self._token, limit=BATCH_EVENTS)
            if not claims:
                return
            if sum(len(claim.events) for claim in claims) >= BATCH_EVENTS:
                self._waker.wake()
            await self._dispatch(claims)
        # No room: look again soon, even if nothing wakes us.
        await asyncio.sleep(0.005)
        self._woken.set()

    async def _dispatch(self, claims: list[Claim]) -> None:
        whole = [claim for claim in claims if claim.crashes < POISON_CRASHES]
        for claim in claims:
            if claim.crashes >= POISON_CRASHES:
                await self._defuse(claim)
        ids = [id_ for claim in whole for id_ in claim.events]
        if not ids:
            return
        events = await self._outbox.events(ids)
        await self._matcher.registry.refresh(until=max((event.version for event in events.values()), default=0))
        again = [id_ for claim in whole if claim.claims > 1 for id_ in claim.events]
        recorded = await self._outbox.recorded(again) if again else set()
        for claim in whole:
            found = [LoadedEvent(events[id_]) for id_ in claim.events if id_ in events]
            await self._submit(claim, found, recorded)

    async def _submit(self, claim: Claim, events: list[LoadedEvent], recorded: set[DeliveryId]) -> None:
        matches: list[tuple[LoadedEvent, Mapping[WatchId, DeliveryId]]] = []
        for event in events:
            watches = self._matcher.match(event)
            if len(watches) > self._fan_outs.threshold:
                await self._start_fan_out(claim, event, recorded)
                return
            matches.append((event, delivery_ids(event.change.id, watches)))
        if self._matcher.registry.filters:
            matches = [(event, await self._filtered(event, ids, recorded)) for event, ids in matches]
        tasks = [task for event, ids in matches for task in self._matcher.tasks(event, ids, recorded)]
        if not tasks:
            self._recorder.close_row(claim.seq)
            return
        self._open_rows.add(claim.seq, tasks)
        self._lanes.submit_new(tasks)

    async def _filtered(
        self, event: LoadedEvent, ids: Mapping[WatchId, DeliveryId], recorded: set[DeliveryId]
    ) -> Mapping[WatchId, DeliveryId]:
        """Return the deliveries that the filters of their watches let through."""
        wanted = await self._matcher.apply_filters(event, list(ids), recorded)
        return {watch: ids[watch] for watch in wanted}

    async def _start_fan_out(self, claim: Claim, event: LoadedEvent, recorded: set[DeliveryId]) -> None:
        """Start the fan-out of an event; one that shares its row with others gets a row of its own first."""
        if len(claim.events) > 1:
            await self._outbox.split(self._token, claim)
            self._woken.set()
        else:
            self._fan_outs.start(claim, event.change, recorded)

    async def _defuse(self, claim: Claim) -> None:
        """Handle a row that workers died with: find the guilty event, spare the others, end it visibly."""
        if len(claim.events) > 1:
            await self._outbox.split(self._token, claim)
            return
        events = await self._outbox.events(claim.events)
        recorded = await self._outbox.recorded(claim.events)
        await self._matcher.registry.refresh()
        loaded = [LoadedEvent(event) for event in events.values()]
        matches = [(event, self._matcher.match(event)) for event in loaded]
        if claim.alone < POISON_CRASHES and matches:
            # Nothing proves it guilty: its deliveries wait, to be tried few at a time (see DuePoller).
            for event, watches in matches:
                await self._fan_outs.write(claim, event, watches, recorded)
            return
        self._log.error("delivery.poison", event_id=claim.events[0].hex(), crashes=claim.crashes)
        for event, watches in matches:
            for task in self._matcher.tasks(event, delivery_ids(event.change.id, watches), recorded):
                self._recorder.add(task.update(DeliveryStatus.FAILED, attempts=0, reason="poison"))
        self._recorder.close_row(claim.seq)
