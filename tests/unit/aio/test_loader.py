"""The batch loader: one statement at a time, however many look-ups arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from hookward.application.aio.loader import BatchLoader


class Source:
    """Finds what is in ``values``, once ``gate`` is open; ``asked`` are the batches."""

    def __init__(self) -> None:
        self.values = {"a": 1, "b": 2}
        self.asked: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def load(self, keys: Sequence[str]) -> Mapping[str, int]:
        self.asked.append(list(keys))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {key: self.values[key] for key in keys if key in self.values}


def loader_of(source: Source, limit: int = 2) -> BatchLoader[str, int]:
    return BatchLoader(source.load, limit=limit, name="test.load")


async def test_a_look_up_returns_the_value_or_none() -> None:
    loader = loader_of(Source())
    assert [await loader.load(key) for key in "abc"] == [1, 2, None]


async def test_concurrent_look_ups_share_batches_of_bounded_size() -> None:
    source = Source()
    loader = loader_of(source)
    assert await asyncio.gather(*(loader.load(key) for key in "abaxa")) == [1, 2, 1, None, 1]
    assert source.asked == [["a", "b"], ["x"]]


async def test_a_look_up_that_arrives_while_a_batch_loads_is_part_of_the_next() -> None:
    source = Source()
    source.gate.clear()
    loader = loader_of(source)
    first = asyncio.create_task(loader.load("a"))
    while not source.asked:
        await asyncio.sleep(0)
    later = [asyncio.create_task(loader.load("a")) for _ in range(3)]
    await asyncio.sleep(0)
    source.values["a"] = 7
    source.gate.set()
    await asyncio.gather(first, *later)
    assert source.asked == [["a"], ["a"]]


async def test_an_error_is_raised_to_every_caller_and_the_next_look_up_is_tried() -> None:
    source = Source()
    source.error = ValueError("a defect")
    loader = loader_of(source)
    outcomes = await asyncio.gather(loader.load("a"), loader.load("b"), return_exceptions=True)
    assert [type(each) for each in outcomes] == [ValueError, ValueError]
    source.error = None
    assert await loader.load("a") == 1


@pytest.mark.parametrize("error", [None, ValueError("a defect")])
async def test_a_caller_that_is_cancelled_does_not_disturb_the_others(error: Exception | None) -> None:
    source = Source()
    source.error = error
    loader = loader_of(source)
    callers = [asyncio.create_task(loader.load("a")) for _ in range(2)]
    await asyncio.sleep(0)
    callers[0].cancel()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(each) for each in outcomes] == [asyncio.CancelledError, int if error is None else ValueError]


async def test_closing_waits_for_the_batches_that_were_asked_for() -> None:
    source = Source()
    loader = loader_of(source)
    await loader.close()
    source.gate.clear()
    callers = [asyncio.create_task(loader.load(key)) for key in "abx"]
    await asyncio.sleep(0)
    closing = asyncio.create_task(loader.close())
    await asyncio.sleep(0)
    assert not closing.done()
    source.gate.set()
    await closing
    assert await asyncio.gather(*callers) == [1, 2, None]
