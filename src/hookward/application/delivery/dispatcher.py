"""Dispatch: claim accepted events, match them, and hand their deliveries to the lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from hookward.application.delivery.filtering import apply_filters
from hookward.application.delivery.lanes import Lanes
from hookward.application.delivery.lease import Lease
from hookward.application.delivery.recorder import Recorder, ResultStore
from hookward.application.delivery.task import ClaimedRow, DeliveryTask, LoadedEvent, TaskState
from hookward.application.events.publisher import Waker
from hookward.application.ports import Clock, Log
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.delivery.model import POISON_CRASHES, DeliveryStatus, DeliveryUpdate, Wait
from hookward.domain.errors import LeaseLost, StoreUnavailable
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId, EventId, WatchId, delivery_ids

BATCH_EVENTS = 256
CLOSE_SECONDS = 0.75
FAN_OUT = 256
FAN_OUT_CHUNK = 1000
MAX_FAN_OUTS = 256
_BACKOFF_SECONDS = 0.2


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An outbox row held under our lease: ``claims`` counts its holders so far, ``crashes`` those that died with it.

    ``alone`` counts those that died with nothing else to blame: many share a crash that one of them caused.
    ``fanned`` is the last watch that a fan-out of its event has written.
    """

    seq: int
    events: tuple[EventId, ...]
    claims: int
    crashes: int
    alone: int = 0
    fanned: WatchId | None


class Outbox(Protocol):
    """Where accepted events wait to be matched."""

    async def claim(self, token: int, *, limit: int) -> list[Claim]: ...

    async def events(self, ids: Sequence[EventId]) -> Mapping[EventId, ChangeEvent]: ...

    async def recorded(self, events: Sequence[EventId]) -> set[DeliveryId]: ...

    async def split(self, token: int, claim: Claim) -> None: ...

    async def fan(self, token: int, claim: Claim, watch: WatchId) -> None: ...


class Dispatcher:
    """Claims as long as there is room, woken from outside and by a poll that needs nobody.

    ``poll_seconds`` is the time between looks that nobody asked for; ``doubt`` is called when it cannot be known what
    was claimed.
    """

    def __init__(
        self, outbox: Outbox, ledger: ResultStore, definitions: WatchRegistry, lanes: Lanes, recorder: Recorder,
        lease: Lease,
        *, waker: Waker, room: int, clock: Clock, log: Log, doubt: Callable[[], None],
    ) -> None:  # fmt: skip
        self._outbox = outbox
        self._ledger = ledger
        self._definitions = definitions
        self._lanes = lanes
        self._recorder = recorder
        self._lease = lease
        self._waker = waker
        self._room = room
        self._clock = clock
        self._log = log
        self._doubt = doubt
        self._open: dict[ClaimedRow, None] = {}
        self._woken = asyncio.Event()
        self._fanning: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(1)
        self._broken: BaseException | None = None
        self.poll_seconds = 1.0

    def wake(self) -> None:
        """There is something to claim."""
        self._woken.set()

    async def run(self) -> None:
        """Claim until cancelled or in doubt; raises LeaseLost."""
        while True:
            try:
                async with asyncio.timeout(self.poll_seconds):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            if self._broken is not None:
                raise self._broken
            try:
                await self._claim_while_room()
            except StoreUnavailable as error:
                self._doubt()
                self._log.warning("dispatch.store_unavailable", error=str(error))
                return

    async def close_old(self) -> None:
        """Close batches that have been open for long, until cancelled: what is unsettled waits on its own."""
        while True:
            await asyncio.sleep(CLOSE_SECONDS / 3)
            limit = self._clock.monotonic() - CLOSE_SECONDS
            for claimed in [claimed for claimed in self._open if claimed.since <= limit]:
                del self._open[claimed]
                for task in list(claimed.tasks):
                    if task.state is TaskState.QUEUED:
                        self._lanes.park_queued(task)
                    else:  # it is being sent: what is settled has left
                        self._recorder.park(task)

    def _fanned(self, task: asyncio.Task[None]) -> None:
        self._fanning.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self._woken.set()

    async def stop(self) -> None:
        """Cancel fan-outs; their rows know how far they came."""
        for task in self._fanning:
            task.cancel()
        if self._fanning:
            await asyncio.wait(self._fanning)

    async def _claim_while_room(self) -> None:
        while self._lanes.has_room(self._room) and len(self._fanning) < MAX_FAN_OUTS:
            claims = await self._outbox.claim(self._lease.token, limit=BATCH_EVENTS)
            if not claims:
                return
            if sum(len(claim.events) for claim in claims) >= BATCH_EVENTS:
                self._waker.wake()
            await self._dispatch(claims)
        # No room: look again soon, whatever else wakes us.
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
        await self._definitions.refresh(until=max((event.version for event in events.values()), default=0))
        again = [id_ for claim in whole if claim.claims > 1 for id_ in claim.events]
        recorded = await self._outbox.recorded(again) if again else set()
        for claim in whole:
            found = [LoadedEvent(events[id_]) for id_ in claim.events if id_ in events]
            await self._hand_over(claim, found, recorded)

    async def _hand_over(self, claim: Claim, events: list[LoadedEvent], recorded: set[DeliveryId]) -> None:
        matches = [(event, self._definitions.match(event.change)) for event in events]
        if any(len(watches) > FAN_OUT for _, watches in matches):
            if len(claim.events) > 1:
                await self._outbox.split(self._lease.token, claim)
                self._woken.set()
                return
            slim = LoadedEvent(msgspec.structs.replace(matches[0][0].change, body=b"", previous=None, extra=None))
            fan_out = asyncio.create_task(self._fan_out_in_turn(claim, slim, recorded), name="dispatch.fan_out")
            self._fanning.add(fan_out)
            fan_out.add_done_callback(self._fanned)
            return
        if self._definitions.filters:
            matches = [(event, list(await self._sift(event, watches, recorded))) for event, watches in matches]
        claimed = ClaimedRow(claim.seq, self._clock.monotonic())
        tasks = list(self._tasks(matches, recorded))
        if not tasks:
            self._recorder.close(claim.seq)
            return
        for task in tasks:
            task.claimed = claimed
        claimed.tasks.update(tasks)
        self._open[claimed] = None
        self._lanes.offer(tasks)

    async def _sift(
        self, event: LoadedEvent, watches: Sequence[WatchId], recorded: set[DeliveryId]
    ) -> Sequence[WatchId]:
        """The watches that want ``event``; what cannot be told ends failed. Unwanted, it leaves no delivery."""
        filters = self._definitions.filters
        if not any(watch in filters for watch in watches):
            return watches
        home = self._definitions.account_zone(event.change.account)
        second, shape = self._clock.now_us() // 1_000_000, self._definitions.shape(event.change)
        sifted = await apply_filters(filters, event, watches, second=second, home=home, shape=shape)
        for task in self._tasks([(event, list(sifted.undecided))], recorded):
            reason = sifted.undecided[task.watch]
            self._recorder.enter(task.update(DeliveryStatus.FAILED, attempts=0, reason=reason))
        return sifted.wanted

    def _tasks(
        self, matches: Iterable[tuple[LoadedEvent, Sequence[WatchId]]], recorded: set[DeliveryId]
    ) -> Iterable[DeliveryTask]:
        for event, watches in matches:
            for id_, watch in zip(delivery_ids(event.change.id, watches), watches, strict=True):
                row = self._definitions.watch(watch)
                # A watch that was disabled while a fan-out went on has come back without what was before.
                if row is not None and row.active_since <= event.change.version and id_ not in recorded:
                    yield DeliveryTask(id_, event, watch=watch, lane=row.lane)

    async def _fan_out_in_turn(self, claim: Claim, event: LoadedEvent, recorded: set[DeliveryId]) -> None:
        """One fan-out at a time: claims, records and leases need the store meanwhile (G6)."""
        async with self._turn:
            watches = self._definitions.match(event.change)
            if any(watch in self._definitions.filters for watch in watches):
                whole = await self._loaded_again(claim)
                if whole is None:
                    self._recorder.close(claim.seq)
                    return
                event = whole
            await self._fan_out(claim, event, watches, recorded)

    async def _loaded_again(self, claim: Claim) -> LoadedEvent | None:
        """The event of a fan-out whose turn has come, with its body for the filters; ``None`` when it was erased."""
        while True:
            try:
                found = await self._outbox.events(claim.events)
            except StoreUnavailable as error:
                self._log.warning("dispatch.store_unavailable", error=str(error))
                await asyncio.sleep(_BACKOFF_SECONDS)
                continue
            return next((LoadedEvent(event) for event in found.values()), None)

    async def _fan_out(
        self, claim: Claim, event: LoadedEvent, watches: Sequence[WatchId], recorded: set[DeliveryId]
    ) -> None:
        """Write the deliveries of one event for very many watches, a chunk at a time, noting how far we came."""
        left = [watch for watch in watches if claim.fanned is None or watch > claim.fanned]
        for start in range(0, len(left), FAN_OUT_CHUNK):
            chunk = left[start : start + FAN_OUT_CHUNK]
            wanted = await self._sift(event, chunk, recorded)
            entries = [_waiting(task, claim.crashes) for task in self._tasks([(event, wanted)], recorded)]
            while True:
                try:
                    await self._ledger.record(self._lease.token, entries, done=[], slots={})
                    await self._outbox.fan(self._lease.token, claim, chunk[-1])
                    break
                except LeaseLost:
                    return  # the shift notices for itself
                except StoreUnavailable as error:
                    self._log.warning("dispatch.store_unavailable", error=str(error))
                    await asyncio.sleep(_BACKOFF_SECONDS)
        self._recorder.close(claim.seq)

    async def _defuse(self, claim: Claim) -> None:
        """A row that workers died with: find the guilty event among many, spare the others, end it visibly."""
        if len(claim.events) > 1:
            await self._outbox.split(self._lease.token, claim)
            return
        events = await self._outbox.events(claim.events)
        recorded = await self._outbox.recorded(claim.events)
        await self._definitions.refresh()
        matches = [(LoadedEvent(event), self._definitions.match(event)) for event in events.values()]
        if claim.alone < POISON_CRASHES and matches:
            # Nothing proves it guilty: its deliveries wait, to be tried few at a time (see DuePoller).
            for event, watches in matches:
                await self._fan_out(claim, event, watches, recorded)
            return
        self._log.error("delivery.poison", event_id=claim.events[0].hex(), crashes=claim.crashes)
        for task in self._tasks(matches, recorded):
            self._recorder.enter(task.update(DeliveryStatus.FAILED, attempts=0, reason="poison"))
        self._recorder.close(claim.seq)


def _waiting(task: DeliveryTask, crashes: int) -> DeliveryUpdate:
    return task.update(DeliveryStatus.PENDING, attempts=0, wait=Wait(seconds=0.0, number=1, crashes=crashes))
