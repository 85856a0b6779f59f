"""A worker: one shift after the other, for as long as it is wanted."""

from __future__ import annotations

import asyncio
import contextlib

from hookward.application.delivery.executor import AttemptExecutor
from hookward.application.delivery.lease import Lease
from hookward.application.delivery.session import Store, WorkerLimits, WorkerSession
from hookward.application.events.publisher import Waker
from hookward.application.ports import Clock, Log
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.errors import LeaseLost, StoreUnavailable

POLL_SECONDS = {True: 1.0, False: 0.05}
"""Between looks that nobody asked for, with the queue healthy and without it."""

_PAUSE_SECONDS = 0.5
_LANDING = 3


class Worker:
    """Session after shift; one that ended in doubt lands beside its successor.

    Wake-ups and the queue's health go to the shift that works just now.
    """

    def __init__(
        self, name: str, store: Store, definitions: WatchRegistry, courier: AttemptExecutor,
        *, waker: Waker, bounds: WorkerLimits,
        clock: Clock, log: Log,
    ) -> None:  # fmt: skip
        self._name = name
        self._store = store
        self._definitions = definitions
        self._courier = courier
        self._waker = waker
        self._bounds = bounds
        self._clock = clock
        self._log = log
        self._shift: WorkerSession | None = None
        self._queue_healthy = False

    def wake(self) -> None:
        """There is something to claim."""
        if self._shift is not None:
            self._shift.dispatcher.wake()

    def on_queue_health(self, healthy: bool) -> None:  # noqa: FBT001  a plain callback
        """Without the queue, look often; with it, rarely."""
        self._queue_healthy = healthy
        if self._shift is not None:
            self._shift.dispatcher.poll_seconds = POLL_SECONDS[healthy]
        self.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then until what is in flight has landed."""
        landing: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            lease = await self._begin()
            if lease is None:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            shift = self._shift = WorkerSession(
                self._store, lease, self._definitions, self._courier,
                waker=self._waker, bounds=self._bounds, clock=self._clock, log=self._log,
            )  # fmt: skip
            self.on_queue_health(self._queue_healthy)
            self._log.info("worker.shift_began", token=lease.token)
            if await self._work(shift, lease, stop):
                landing.add(asyncio.create_task(self._finish(shift, lease, stop), name="worker.finish"))
            landing = {task for task in landing if not task.done()}
            if len(landing) > _LANDING:
                await asyncio.wait(landing, return_when=asyncio.FIRST_COMPLETED)
        if landing:
            await asyncio.wait(landing)

    async def _begin(self) -> Lease | None:
        try:
            lease = await Lease.begin(
                self._store.leases, self._name, seconds=self._bounds.lease, clock=self._clock, log=self._log
            )
            await self._definitions.refresh()
        except StoreUnavailable as error:
            self._log.warning("worker.store_unavailable", error=str(error))
            return None
        return lease

    async def _work(self, shift: WorkerSession, lease: Lease, stop: asyncio.Event) -> bool:
        """Work a shift; answers whether it has something to finish."""
        try:
            await shift.work(stop)
        except LeaseLost:
            self._log.warning("worker.lease_lost", token=lease.token)
        except Exception as error:  # noqa: BLE001  a bug of ours ends a shift, not the service
            await self._failed(lease, error)
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return True
        return False

    async def _finish(self, shift: WorkerSession, lease: Lease, stop: asyncio.Event) -> None:
        try:
            await shift.finish(stop)
        except Exception as error:  # noqa: BLE001  nobody else would hear of it
            await self._failed(lease, error)

    async def _failed(self, lease: Lease, error: Exception) -> None:
        """Say that a shift met a bug of ours, and let others have at once what it held."""
        self._log.error("worker.shift_failed", token=lease.token, error=type(error).__name__, exc_info=error)
        with contextlib.suppress(StoreUnavailable):
            await self._store.leases.abandon(lease.token)
