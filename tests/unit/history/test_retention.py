"""When old things are looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from hookward.application.history.retention import LATER_SECONDS, ROUND_SECONDS, Retainer
from hookward.domain.errors import StoreUnavailable
from tests.fakes.null_log import NullLog

pytestmark = pytest.mark.virtual_time


class FakeStore:
    """The RetentionStore port by script."""

    def __init__(self, days: Iterable[str | Exception | None], rows: Iterable[int]) -> None:
        self.days, self.rows = iter(days), iter(rows)
        self.looks: list[float] = []

    async def drop_day(self, seconds: float) -> str | None:
        assert seconds == 5.0
        self.looks.append(asyncio.get_running_loop().time())
        day = next(self.days, None)
        if isinstance(day, Exception):
            raise day
        return day

    async def delete_some(self, seconds: float) -> int:
        assert seconds == 5.0
        return next(self.rows, 0)


async def looks(store: FakeStore, log: NullLog, seconds: float) -> list[float]:
    task = asyncio.create_task(Retainer(store, seconds=5.0, log=log).run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return [round(look - store.looks[0], 3) for look in store.looks]


async def test_a_round_takes_all_there_is_and_the_next_comes_later() -> None:
    log = NullLog()
    assert await looks(FakeStore(["1", "2", None], [5, 5, 0]), log, ROUND_SECONDS + 1) == [0, 0, 0, ROUND_SECONDS]
    assert log.events == ["retention.dropped", "retention.dropped", "retention.deleted"]


async def test_a_store_that_is_busy_is_asked_again_soon() -> None:
    log = NullLog()
    assert await looks(FakeStore([StoreUnavailable("busy"), None], []), log, LATER_SECONDS + 1) == [
        0,
        LATER_SECONDS,
    ]
    assert log.events == ["retention.later"]
