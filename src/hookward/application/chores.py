"""Chores: tasks that go on when nobody waits for them any more, and that a process finishes before it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from hookward.application.ports import Log
from hookward.domain.errors import HookwardError

T = TypeVar("T")


class Chores:
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
