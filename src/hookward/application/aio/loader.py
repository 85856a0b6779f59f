"""BatchLoader: concurrent look-ups share statements."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BatchLoader(Generic[Key, Value]):
    """Load values by key, at most ``limit`` keys at a time and one batch after the other.

    All look-ups that arrive while a batch is loading share the next one, so a result is never older than its look-up,
    and a flood of look-ups costs the store one statement at a time. ``load_many`` gets distinct keys and returns what
    it found; ``name`` is that of the task that calls it.
    """

    def __init__(
        self, load_many: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]], *, limit: int, name: str
    ) -> None:
        self._load_many = load_many
        self._limit = limit
        self._name = name
        self._waiting: dict[Key, list[asyncio.Future[Value | None]]] = {}
        self._loading: asyncio.Task[None] | None = None

    async def load(self, key: Key) -> Value | None:
        """Return the value of ``key``, or ``None`` if there is none. Raises what ``load_many`` raised."""
        loaded: asyncio.Future[Value | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(loaded)
        if self._loading is None:
            self._loading = asyncio.create_task(self._run(), name=self._name)
        return await loaded

    async def close(self) -> None:
        """Wait for the batches that were asked for."""
        if self._loading is not None:
            await asyncio.wait([self._loading])

    async def _run(self) -> None:
        try:
            while self._waiting:
                keys = list(islice(self._waiting, self._limit))
                await self._load(keys, [self._waiting.pop(key) for key in keys])
        finally:
            self._loading = None

    async def _load(self, keys: Sequence[Key], waiting: Sequence[list[asyncio.Future[Value | None]]]) -> None:
        found: Mapping[Key, Value] = {}
        failed: Exception | None = None
        try:
            found = await self._load_many(keys)
        except Exception as error:  # noqa: BLE001  every caller gets it
            failed = error
        for key, futures in zip(keys, waiting, strict=True):
            for each in futures:
                if each.done():  # its caller was cancelled
                    continue
                if failed is None:
                    each.set_result(found.get(key))
                else:
                    each.set_exception(failed)
