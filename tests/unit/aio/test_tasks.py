from __future__ import annotations

import asyncio

import pytest

from hookward.application.aio.tasks import (
    BackgroundTasks,
    SupervisedTasks,
    cancel_until_done,
    open_supervised_tasks,
    start_task,
    wait_first,
)
from hookward.domain.errors import StoreUnavailable
from tests.fakes.null_log import NullLog

pytestmark = pytest.mark.virtual_time


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

    tasks = SupervisedTasks(NullLog())
    tasks.start(stubborn)
    await running.wait()
    async with asyncio.timeout(10):
        await tasks.stop()
    assert swallowed == ["once"]


async def test_a_supervised_task_that_fails_is_logged_and_started_again() -> None:
    log, runs = NullLog(), asyncio.Semaphore(0)

    async def fail() -> None:
        runs.release()
        raise ValueError

    async with open_supervised_tasks(log) as tasks:
        tasks.start(fail)
        await runs.acquire()
        await runs.acquire()
    assert log.events == ["background.failed"] * 2


async def test_a_supervised_task_that_ends_is_started_again() -> None:
    log, runs = NullLog(), asyncio.Semaphore(0)

    async def end() -> None:
        runs.release()

    async with open_supervised_tasks(log) as tasks:
        tasks.start(end)
        await runs.acquire()
        await runs.acquire()
    assert log.events == []


async def forever() -> None:
    await asyncio.Event().wait()


async def test_the_first_task_that_ends_is_waited_for_and_its_error_is_raised() -> None:
    async def end() -> None: ...

    async def fail() -> None:
        raise StoreUnavailable("away")

    others = [start_task(forever) for _ in range(2)]
    await wait_first([start_task(end), *others])
    with pytest.raises(StoreUnavailable):
        await wait_first([start_task(fail), *others])
    await cancel_until_done(others)
    assert [each.cancelled() for each in others] == [True, True]


async def test_a_task_is_named_after_its_work() -> None:
    task = start_task(forever)
    assert task.get_name() == "forever"
    await cancel_until_done([task])


async def test_background_tasks_run_to_their_end_before_closing_returns() -> None:
    tasks, done = BackgroundTasks(NullLog()), []

    async def work(number: int) -> None:
        await asyncio.sleep(number)
        done.append(number)
        if number == 1:
            tasks.detach(work(3), name="later")

    assert await tasks.start(asyncio.sleep(0, 7), name="seven") == 7
    tasks.detach(work(1), name="one")
    await tasks.close(seconds=10)
    assert done == [1, 3]


async def test_background_tasks_that_take_too_long_are_cancelled() -> None:
    tasks = BackgroundTasks(NullLog())
    task = tasks.start(forever(), name="forever")
    await tasks.close(seconds=10)
    assert task.cancelled()


@pytest.mark.parametrize(("error", "logged"), [(ValueError("a defect"), ["chore.failed"]), (StoreUnavailable("a"), [])])
async def test_only_a_defect_in_a_background_task_is_logged(error: Exception, logged: list[str]) -> None:
    log = NullLog()

    async def fail() -> None:
        raise error

    tasks = BackgroundTasks(log)
    tasks.detach(fail(), name="fails")
    await tasks.close(seconds=1)
    assert log.events == logged
