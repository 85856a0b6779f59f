from __future__ import annotations

import asyncio

from hookward.application.aio.tasks import Tasks


class Silent:
    def info(self, event: str, /, **values: object) -> None: ...

    def warning(self, event: str, /, **values: object) -> None: ...

    def error(self, event: str, /, **values: object) -> None: ...


async def test_a_task_that_swallows_its_first_cancellation_is_cancelled_again() -> None:
    running = asyncio.Event()
    swallowed: list[str] = []

    async def stubborn() -> None:
        try:
            running.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if swallowed:
                raise
            swallowed.append("once")
        await asyncio.Event().wait()

    tasks = Tasks(Silent())
    tasks.start(stubborn)
    await running.wait()
    async with asyncio.timeout(10):
        await tasks.stop()
    assert swallowed == ["once"]
