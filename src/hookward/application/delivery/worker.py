"""Worker: one session after the other until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib

from hookward.application.delivery.executor import AttemptExecutor
from hookward.application.delivery.lease import Lease
from hookward.application.delivery.session import WorkerLimits, WorkerSession, WorkerStores
from hookward.application.ports import Clock, Log, WakeupSender
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.errors import LeaseLost, StoreUnavailable

POLL_SECONDS = {True: 1.0, False: 0.05}
"""Seconds between polls without a wake-up, with the queue healthy and without it."""

_PAUSE_SECONDS = 0.5
_LANDING = 3


class Worker:
    """Runs sessions; one that became uncertain finishes what is in flight beside the next one.

    Wake-ups and the queue's health go to the session that takes work now.
    """

    def __init__(
        self,
        name: str,
        stores: WorkerStores,
        registry: WatchRegistry,
        executor: AttemptExecutor,
        *,
        waker: WakeupSender,
        limits: WorkerLimits,
        clock: Clock,
        log: Log,
    ) -> None:
        self._name = name
        self._stores = stores
        self._registry = registry
        self._executor = executor
        self._waker = waker
        self._limits = limits
        self._clock = clock
        self._log = log
        self._session: WorkerSession | None = None
        self._queue_healthy = False

    def wake(self) -> None:
        """Claim soon: there may be events."""
        if self._session is not None:
            self._session.dispatcher.wake()

    def on_queue_health(self, healthy: bool) -> None:  # noqa: FBT001  a plain callback
        """Poll often without the queue, and rarely with it."""
        self._queue_healthy = healthy
        if self._session is not None:
            self._session.dispatcher.poll_seconds = POLL_SECONDS[healthy]
        self.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then until what is in flight is recorded."""
        landing: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            lease = await self._begin()
            if lease is None:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            session = self._session = WorkerSession(
                self._stores, lease, self._registry, self._executor,
                waker=self._waker, limits=self._limits, clock=self._clock, log=self._log,
            )  # fmt: skip
            self.on_queue_health(self._queue_healthy)
            self._log.info("worker.shift_began", token=lease.token)
            if await self._work(session, lease, stop):
                landing.add(asyncio.create_task(self._finish(session, lease, stop), name="worker.finish"))
            landing = {task for task in landing if not task.done()}
            if len(landing) > _LANDING:
                await asyncio.wait(landing, return_when=asyncio.FIRST_COMPLETED)
        if landing:
            await asyncio.wait(landing)

    async def _begin(self) -> Lease | None:
        try:
            lease = await Lease.begin(
                self._stores.leases, self._name, seconds=self._limits.lease, clock=self._clock, log=self._log
            )
            await self._registry.refresh()
        except StoreUnavailable as error:
            self._log.warning("worker.store_unavailable", error=str(error))
            return None
        return lease

    async def _work(self, session: WorkerSession, lease: Lease, stop: asyncio.Event) -> bool:
        """Work a session, and return whether it has something to finish."""
        try:
            await session.work(stop)
        except LeaseLost:
            self._log.warning("worker.lease_lost", token=lease.token)
        except Exception as error:  # noqa: BLE001  a bug of ours ends a session, not the worker
            await self._failed(lease, error)
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return True
        return False

    async def _finish(self, session: WorkerSession, lease: Lease, stop: asyncio.Event) -> None:
        try:
            await session.finish(stop)
        except Exception as error:  # noqa: BLE001  this is the only place that can log it
            await self._failed(lease, error)

    async def _failed(self, lease: Lease, error: Exception) -> None:
        """Log that a bug of ours ended a session, and let other workers take what it held at once."""
        self._log.error("worker.shift_failed", token=lease.token, error=type(error).__name__, exc_info=error)
        with contextlib.suppress(StoreUnavailable):
            await self._stores.leases.abandon(lease.token)
