"""FanOuts: events that match very many watches, written a chunk of deliveries at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from hookward.application.delivery.matching import EventMatcher
from hookward.application.delivery.outbox import Claim, Outbox
from hookward.application.delivery.recorder import Recorder, ResultStore
from hookward.application.delivery.task import LoadedEvent
from hookward.application.ports import Log
from hookward.domain.delivery.model import DeliveryStatus, Wait
from hookward.domain.errors import LeaseLost, StoreUnavailable
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId, WatchId, delivery_ids

_BACKOFF_SECONDS = 0.2


class FanOuts:
    """The fan-outs of one worker, one at a time: events that more than ``threshold`` watches match.

    At most ``limit`` of them are held; ``chunk`` is how many watches' deliveries one transaction writes.
    ``on_failure`` is called when a bug ended one; ``raise_failure`` then raises it.
    """

    def __init__(
        self,
        outbox: Outbox,
        results: ResultStore,
        matcher: EventMatcher,
        recorder: Recorder,
        token: int,
        *,
        threshold: int,
        chunk: int,
        limit: int,
        log: Log,
        on_failure: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._results = results
        self._matcher = matcher
        self._recorder = recorder
        self._token = token
        self.threshold = threshold
        self._limit = limit
        self._chunk = chunk
        self._log = log
        self._on_failure = on_failure
        self._running: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(1)
        self._failure: BaseException | None = None

    @property
    def full(self) -> bool:
        """Whether no more may be started for now."""
        return len(self._running) >= self._limit

    def start(self, claim: Claim, change: ChangeEvent, recorded: set[DeliveryId]) -> None:
        """Write the deliveries of an event in its turn; until then its bodies are not held."""
        slim = LoadedEvent(msgspec.structs.replace(change, body=b"", previous=None, extra=None))
        running = asyncio.create_task(self._write_in_turn(claim, slim, recorded), name="dispatch.fan_out")
        self._running.add(running)
        running.add_done_callback(self._ended)

    def raise_failure(self) -> None:
        """Raise what a fan-out failed with, if one did."""
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Cancel all; their outbox rows know how far they came."""
        for running in self._running:
            running.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def write(
        self, claim: Claim, event: LoadedEvent, watches: Sequence[WatchId], recorded: set[DeliveryId]
    ) -> None:
        """Write the deliveries of one event a chunk at a time, noting in the outbox how far we came.

        They wait in the store, to be pulled. The outbox row is closed at the end.
        """
        left = [watch for watch in watches if claim.fanned is None or watch > claim.fanned]
        for start in range(0, len(left), self._chunk):
            chunk = left[start : start + self._chunk]
            wanted = await self._matcher.apply_filters(event, chunk, recorded)
            wait = Wait(seconds=0.0, number=1, crashes=claim.crashes)
            tasks = self._matcher.tasks(event, delivery_ids(event.change.id, wanted), recorded)
            updates = [task.update(DeliveryStatus.PENDING, attempts=0, wait=wait) for task in tasks]
            while True:
                try:
                    await self._results.record(self._token, updates, done=[], slots={})
                    await self._outbox.fan(self._token, claim, chunk[-1])
                    break
                except LeaseLost:
                    return  # the session notices on its own
                except StoreUnavailable as error:
                    self._log.warning("dispatch.store_unavailable", error=str(error))
                    await asyncio.sleep(_BACKOFF_SECONDS)
        self._recorder.close_row(claim.seq)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        if not running.cancelled() and running.exception() is not None:
            self._failure = running.exception()
            self._on_failure()

    async def _write_in_turn(self, claim: Claim, event: LoadedEvent, recorded: set[DeliveryId]) -> None:
        """One fan-out at a time: claims, records and leases need the store as well (G6)."""
        async with self._turn:
            watches = self._matcher.match(event)
            if self._matcher.needs_body(watches):
                whole = await self._loaded_again(claim)
                if whole is None:
                    self._recorder.close_row(claim.seq)
                    return
                event = whole
            await self.write(claim, event, watches, recorded)

    async def _loaded_again(self, claim: Claim) -> LoadedEvent | None:
        """Return the event with its bodies, which filters need; ``None`` when it was erased."""
        while True:
            try:
                found = await self._outbox.events(claim.events)
            except StoreUnavailable as error:
                self._log.warning("dispatch.store_unavailable", error=str(error))
                await asyncio.sleep(_BACKOFF_SECONDS)
                continue
            return next((LoadedEvent(event) for event in found.values()), None)
