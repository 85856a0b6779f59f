"""Work that goes on beside a process's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from hookward.application.ports import Log

_PAUSE_SECONDS = 0.5


class Tasks:
    """Background tasks that live until cancelled; one that breaks is logged and started again."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` until :meth:`stop`."""
        self._tasks.append(asyncio.create_task(self._run(work), name="bootstrap.background"))

    async def stop(self) -> None:
        """Cancel all and wait for their end; again when one has swallowed it.

        redis-py sends within ``asyncio.wait_for``, which until Python 3.12 forgets a cancellation that comes as the
        inner wait ends.
        """
        left = set(self._tasks)
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=_PAUSE_SECONDS)

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  a background task must not end unseen
                self._log.error("background.failed", error=type(error).__name__, exc_info=True)
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def background(log: Log) -> AsyncIterator[Tasks]:
    """Background tasks, ended on the way out."""
    tasks = Tasks(log)
    try:
        yield tasks
    finally:
        await tasks.stop()
