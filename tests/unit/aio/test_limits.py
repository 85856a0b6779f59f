"""Limits on concurrent work: an account that asks for a lot delays itself only."""

from __future__ import annotations

import asyncio
import gc

import pytest

from hookward.application.aio.limits import ConcurrencyLimit, FairSemaphore
from hookward.domain.errors import TooManyPending
from hookward.domain.ids import AccountId

ONE, OTHER = AccountId(1), AccountId(2)


async def test_of_one_owner_one_is_at_it_while_others_have_the_other_places() -> None:
    turns, done = FairSemaphore(2), asyncio.Event()
    began: list[str] = []

    async def work(account: AccountId, owner: str | None) -> None:
        async with turns.turn(account, owner):
            began.append(f"{account} {owner}")
            await done.wait()

    flood = [asyncio.ensure_future(work(ONE, "a")) for _ in range(50)]
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(work(*each)) for each in ((ONE, "b"), (OTHER, "a"))]
    for _ in range(5):
        await asyncio.sleep(0)
    assert began == ["1 a", "1 b"]
    done.set()
    await asyncio.gather(*flood, *others)
    assert began[:3] == ["1 a", "1 b", "2 a"]
    assert len(began) == 52


async def test_nothing_is_kept_of_those_who_had_their_turn() -> None:
    turns = FairSemaphore(1)
    for number in range(100):
        async with turns.turn(AccountId(number), None):
            pass
    gc.collect()
    assert not turns._locks


def test_work_is_refused_above_the_limit_of_one_account_and_of_all() -> None:
    limit = ConcurrencyLimit("test sends", retry_after=7, limit=3, per_account=2)
    with limit.take(ONE), limit.take(ONE):
        with pytest.raises(TooManyPending, match="too many test sends") as refused, limit.take(ONE):
            pass
        with limit.take(OTHER), pytest.raises(TooManyPending), limit.take(AccountId(3)):
            pass
    assert refused.value.retry_after == 7
    with limit.take(ONE):
        pass
