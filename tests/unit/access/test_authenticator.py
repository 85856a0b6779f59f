"""API keys in memory: which callers are authenticated, for how long, and at what cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from hookward.application.access.api_keys import ApiKeyRecord, new_api_key
from hookward.application.access.authenticator import ApiKeyCache, FoundKeys
from hookward.domain.access.api_keys import ApiKeyRequest
from hookward.domain.access.callers import Caller, Scope, key_digest
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import AccountId
from tests.fakes.access import FakeApiKeys
from tests.fakes.virtual_time import FixedRandom, VirtualClock

pytestmark = pytest.mark.virtual_time

ACCOUNT = AccountId(7)
REQUEST = ApiKeyRequest(name="n", scopes=(Scope.WATCHES,), owner="integrator-7")
RANDOM = FixedRandom()


class Process:
    """A cache with its background tasks, as one api process has it."""

    def __init__(self, store: FakeApiKeys, **limits: int) -> None:
        self.store = store
        self.cache = ApiKeyCache(store, store, clock=VirtualClock(), **limits)

    async def knows(self, row: ApiKeyRecord) -> bool:
        return await self.cache.caller(row.digest) is not None


@asynccontextmanager
async def running(store: FakeApiKeys, count: int = 1, **limits: int) -> AsyncIterator[list[Process]]:
    processes = [Process(store, **limits) for _ in range(count)]
    loops = [loop for process in processes for loop in (process.cache.follow, process.cache.note)]
    tasks = [asyncio.create_task(loop(), name="test.api_keys") for loop in loops]
    try:
        yield processes
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def stored(store: FakeApiKeys) -> ApiKeyRecord:
    row, _ = new_api_key(ACCOUNT, REQUEST, clock=VirtualClock(), random=RANDOM)
    return await store.add(row)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def test_a_key_says_who_asks() -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store) as [process]:
        caller = await process.cache.caller(row.digest)
    assert caller == Caller(account=ACCOUNT, scopes=frozenset({Scope.WATCHES}), owner="integrator-7")


async def test_a_known_key_costs_no_statement() -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store) as [process]:
        for _ in range(100):
            await process.cache.caller(row.digest)
    assert store.asked == [[row.digest]]


async def test_a_key_made_through_one_process_is_known_at_another_at_once() -> None:
    store = FakeApiKeys()
    async with running(store, 2) as [one, other]:
        await one.knows(await stored(store))
        row = await stored(store)
        assert await other.knows(row)


async def test_a_revoked_key_stops_within_a_second_in_every_process() -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store, 2) as processes:
        assert [await each.knows(row) for each in processes] == [True, True]
        await store.revoke(ACCOUNT, row.id)
        await asyncio.sleep(0.999)
        assert [await each.knows(row) for each in processes] == [False, False]


async def test_a_revoked_key_stops_within_a_second_though_the_store_is_away() -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store) as [process]:
        assert await process.knows(row)
        await store.revoke(ACCOUNT, row.id)
        store.down = True
        await asyncio.sleep(0.999)
        with pytest.raises(StoreUnavailable):
            await process.knows(row)


async def test_a_short_absence_of_the_store_is_waited_for() -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store) as [process]:
        assert await process.knows(row)
        store.down = True
        await asyncio.sleep(10)
        asking = asyncio.create_task(process.knows(row))
        await asyncio.sleep(3)
        assert not asking.done()
        store.down = False
        assert await asking
        assert store.asked == [[row.digest]]


async def test_what_was_revoked_while_the_store_was_away_is_learnt_when_it_returns() -> None:
    store = FakeApiKeys()
    row, other = await stored(store), await stored(store)
    async with running(store) as [process]:
        assert await process.knows(row)
        assert await process.knows(other)
        store.down = True
        await store.revoke(ACCOUNT, row.id)
        await asyncio.sleep(3600)
        store.down = False
        assert [await process.knows(row), await process.knows(other)] == [False, True]


async def test_an_unknown_key_is_asked_for_once() -> None:
    store = FakeApiKeys()
    unknown = key_digest("unknown")
    async with running(store) as [process]:
        assert [await process.cache.caller(unknown) for _ in range(3)] == [None] * 3
    assert store.asked == [[unknown]]


async def test_a_flood_of_unknown_keys_shares_statements_and_is_forgotten() -> None:
    store = FakeApiKeys()
    flood = [key_digest(str(number)) for number in range(1000)]
    async with running(store, max_unknown=100) as [process]:
        await asyncio.gather(*(process.cache.caller(digest) for digest in flood))
        assert [len(asked) for asked in store.asked] == [256, 256, 256, 232]
        await process.cache.caller(flood[-1])
        assert len(store.asked) == 4
        await process.cache.caller(flood[0])
        assert len(store.asked) == 5


async def test_requests_with_the_same_key_share_one_look_up_and_one_that_gives_up_harms_no_other() -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store) as [process]:
        await process.cache.caller(key_digest("first"))
        asking = [asyncio.create_task(process.knows(row)) for _ in range(3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        assert await asyncio.gather(*asking[1:]) == [True, True]
    assert store.asked[1:] == [[row.digest]]


async def test_the_keys_that_are_kept_are_bounded() -> None:
    store = FakeApiKeys()
    rows = [await stored(store) for _ in range(3)]
    async with running(store, max_keys=2) as [process]:
        assert [await process.knows(row) for row in rows] == [True] * 3
        assert await process.knows(rows[2])
        assert len(store.asked) == 3
        assert await process.knows(rows[0])
    assert len(store.asked) == 4


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("a defect")])
async def test_who_waits_for_a_look_up_that_fails_hears_of_it_and_the_next_one_is_tried(error: Exception) -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store) as [process]:
        await process.cache.caller(key_digest("first"))
        store.broken = error
        with pytest.raises(type(error)):
            await process.knows(row)
        store.broken = None
        assert await process.knows(row)


async def test_a_look_up_from_before_a_revocation_that_is_known_already_is_made_again() -> None:
    class Slow(FakeApiKeys):
        """Answers a look-up with what held when it began."""

        delay = 0.0

        async def find(self, digests: object) -> FoundKeys:
            found = await super().find(digests)  # type: ignore[arg-type]
            await asyncio.sleep(self.delay)
            return found

    store = Slow()
    row = await stored(store)
    async with running(store) as [process]:
        await process.cache.caller(key_digest("first"))
        store.delay = 0.8
        asking = asyncio.create_task(process.knows(row))
        await until(lambda: [row.digest] in store.asked)
        await store.revoke(ACCOUNT, row.id)
        assert not await asking
    assert store.asked[1:] == [[row.digest]] * 2


async def test_a_store_restored_to_an_earlier_state_is_believed() -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store) as [process]:
        store.version = 10
        assert await process.knows(row)
        await until(lambda: store.polls > 3)
        store.version = 5
        polls = store.polls
        await until(lambda: store.polls > polls + 1)
        assert await process.knows(row)
    assert store.asked == [[row.digest]] * 2


async def test_the_use_of_a_key_is_taken_down_once_a_minute() -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store) as [process]:
        for _ in range(300):
            await process.knows(row)
            await asyncio.sleep(0.5)
    assert store.used == [row.id] * 3


async def test_a_use_that_could_not_be_taken_down_is_taken_down_later() -> None:
    store = FakeApiKeys()
    row = await stored(store)
    async with running(store) as [process]:
        await process.knows(row)
        store.down = True
        await asyncio.sleep(60)
        assert store.used == []
        store.down = False
        await until(lambda: bool(store.used))
    assert store.used == [row.id]
