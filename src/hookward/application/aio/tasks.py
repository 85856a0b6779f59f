"""BackgroundTasks: tasks that go on when nobody waits for them any more, and that a process finishes before it ends.

Work that goes on beside a process's own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from hookward.application.ports import Log
from hookward.domain.errors import HookwardError

T = TypeVar("T")


class BackgroundTasks:
    """Named tasks, watched: what breaks in one is logged, whoever else hears of it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run ``work`` to its end."""
        task = asyncio.create_task(work, name=name)
        self._watch(task)
        return task

    def leave(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run ``work`` to its end, for nobody in particular."""
        self._watch(asyncio.create_task(work, name=name))

    async def close(self, *, seconds: float) -> None:
        """Wait for all tasks, for so long; what is left then is cancelled."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:  # the last thing that one does may be to start another
                    await asyncio.wait(self._tasks)
        while self._tasks:  # again, when one has swallowed it
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=1.0)

    def _watch(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, HookwardError):
            self._log.error("chore.failed", chore=task.get_name(), error=type(error).__name__, exc_info=error)


_PAUSE_SECONDS = 0.5


class Tasks:
    """Background tasks that live until cancelled; one that breaks is logged and started again."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` until ``stop``."""
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
