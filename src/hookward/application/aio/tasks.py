"""Tasks that run in the background: to their end, or supervised until they are stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from hookward.application.ports import Log
from hookward.domain.errors import HookwardError

T = TypeVar("T")

_PAUSE_SECONDS = 0.5


def start_task(work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Run ``work`` as a task of its name."""

    async def run() -> None:
        await work()

    return asyncio.create_task(run(), name=getattr(work, "__qualname__", "work"))


async def wait_first(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait until at least one of ``tasks`` has ended; raises its error if it failed."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def cancel_until_done(tasks: Iterable[asyncio.Task[Any]], *, every: float = _PAUSE_SECONDS) -> None:
    """Cancel ``tasks`` and wait for their end; cancel those again that have not ended ``every`` seconds later.

    A task may have swallowed its cancellation: redis-py sends within ``asyncio.wait_for``, which until Python 3.12
    forgets a cancellation that arrives as the inner wait ends.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=every)


class BackgroundTasks:
    """Named tasks that run to their end, also when no caller waits for them any more. Defects in them are logged."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run ``work`` to its end, and return its task."""
        task = asyncio.create_task(work, name=name)
        self._watch(task)
        return task

    def detach(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run ``work`` to its end; no caller waits for it."""
        self._watch(asyncio.create_task(work, name=name))

    async def close(self, *, seconds: float) -> None:
        """Wait up to ``seconds`` for all tasks to end, then cancel what is left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:  # a task may start another one as it ends
                    await asyncio.wait(self._tasks)
        while self._tasks:  # one that gives a lock back as it is cancelled gets a second for it
            await cancel_until_done(self._tasks, every=1.0)

    def _watch(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, HookwardError):
            self._log.error("chore.failed", chore=task.get_name(), error=type(error).__name__, exc_info=error)


class SupervisedTasks:
    """Tasks that run until they are stopped; one that fails is logged and started again half a second later."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` until ``stop``."""
        self._tasks.append(asyncio.create_task(self._run(work), name=getattr(work, "__qualname__", "work")))

    async def stop(self) -> None:
        """Cancel all tasks and wait for their end."""
        await cancel_until_done(self._tasks)

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  a background task must not end unseen
                self._log.error("background.failed", error=type(error).__name__, exc_info=True)
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def open_supervised_tasks(log: Log) -> AsyncIterator[SupervisedTasks]:
    """Yield supervised tasks, and stop them on exit."""
    tasks = SupervisedTasks(log)
    try:
        yield tasks
    finally:
        await tasks.stop()
