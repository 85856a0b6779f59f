"""Erasures as they are asked for, and the loop that does them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from hookward.application.history.erasures import IDLE_SECONDS, Eraser, Erasure, Erasures
from hookward.domain.errors import Invalid, NotFound, StoreUnavailable
from hookward.domain.ids import AccountId
from tests.fakes.null_log import NullLog
from tests.fakes.virtual_time import FixedRandom, VirtualClock

pytestmark = pytest.mark.virtual_time

ACCOUNT = AccountId(1)


class FakeErasures:
    """The ErasureStore port, with steps by script."""

    def __init__(self, steps: Iterable[bool | Exception] = ()) -> None:
        self.asked: dict[bytes, tuple[AccountId, str, str]] = {}
        self.steps = iter(steps)
        self.times: list[float] = []

    async def add(self, account: AccountId, id_: bytes, resource_type: str, resource_id: str) -> Erasure:
        self.asked[id_] = (account, resource_type, resource_id)
        return Erasure(id=id_, events=0, deliveries=0, created=datetime(2026, 1, 1, tzinfo=UTC), finished=None)

    async def get(self, account: AccountId, id_: bytes) -> Erasure | None:
        if id_ not in self.asked or self.asked[id_][0] != account:
            return None
        return Erasure(id=id_, events=1, deliveries=2, created=datetime(2026, 1, 1, tzinfo=UTC), finished=None)

    async def step(self) -> bool:
        self.times.append(asyncio.get_running_loop().time())
        step = next(self.steps, None)
        if step is None:
            await asyncio.Event().wait()
        if isinstance(step, Exception):
            raise step
        return bool(step)


def erasures(store: FakeErasures) -> Erasures:
    return Erasures(store, clock=VirtualClock(), random=FixedRandom())


async def test_an_erasure_is_kept_and_found_by_its_account_alone() -> None:
    store = FakeErasures()
    asked = await erasures(store).create(ACCOUNT, {"resourceType": "appointment", "resourceId": "7"})
    assert store.asked == {asked.id: (ACCOUNT, "appointment", "7")}
    assert (await erasures(store).get(ACCOUNT, asked.id)).deliveries == 2
    for account, id_ in ((ACCOUNT, None), (ACCOUNT, b"none"), (AccountId(2), asked.id)):
        with pytest.raises(NotFound):
            await erasures(store).get(account, id_)


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ([], [""]),
        ({}, ["/resourceType", "/resourceId"]),
        ({"resourceType": 1, "resourceId": "", "all": True}, ["/all", "/resourceType", "/resourceId"]),
        ({"resourceType": "a" * 256, "resourceId": "\ud800"}, ["/resourceType", "/resourceId"]),
    ],
)
async def test_all_that_is_wrong_is_named_at_once(given: Any, pointers: list[str]) -> None:
    store = FakeErasures()
    with pytest.raises(Invalid) as caught:
        await erasures(store).create(ACCOUNT, given)
    assert [problem.pointer for problem in caught.value.problems] == pointers
    assert store.asked == {}


async def test_steps_follow_each_other_while_there_is_work_and_after_an_outage() -> None:
    store, log = FakeErasures([True, True, False, StoreUnavailable("away"), True]), NullLog()
    task = asyncio.create_task(Eraser(store, log=log).run())
    await asyncio.sleep(10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    start = store.times[0]
    assert [round(time - start, 3) for time in store.times] == [
        0,
        0,
        0,
        IDLE_SECONDS,
        2 * IDLE_SECONDS,
        2 * IDLE_SECONDS,
    ]
    assert log.events == ["erasure.store_unavailable"]
