"""BatchLoader to the store that many may have at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class BatchLoader(Generic[Key]):
    """Asks one question at a time, for up to ``most`` at once.

    While one is under way all who come share the next, so that an answer is never older than its question and a flood
    costs the store no more than one statement at a time.
    """

    def __init__(self, ask: Callable[[set[Key]], Awaitable[None]], *, most: int, name: str) -> None:
        self._ask = ask
        self._most = most
        self._name = name
        self._waiting: list[tuple[Key, asyncio.Future[None]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def put(self, key: Key) -> None:
        """Ask for ``key`` and wait for the answer; raises what asking raised."""
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answered))
        if self._asking is None:
            self._asking = asyncio.create_task(self._run(), name=self._name)
        await answered

    async def close(self) -> None:
        """Wait for the question that is under way."""
        if self._asking is not None:
            await asyncio.wait([self._asking])

    async def _run(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            failed: Exception | None = None
            try:
                await self._ask({key for key, _ in asked})
            except Exception as error:  # noqa: BLE001  those who wait are told
                failed = error
            for _, answered in asked:
                if answered.done():
                    continue
                if failed is None:
                    answered.set_result(None)
                else:
                    answered.set_exception(failed)
        self._asking = None
