"""Retention: what is old goes, by day or in chunks; what is open stays, with all that it needs (G3)."""

import asyncio

import pytest

from hookward.adapters.clock import SystemClock
from hookward.adapters.postgres.history.replays import PostgresReplays
from hookward.adapters.postgres.history.retention import PostgresRetention
from hookward.adapters.postgres.upkeep import day_bounds
from hookward.application.history.replays import Replayed
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Payload, Wait
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import DeliveryId, EventId
from tests.contract.world import ACCOUNT, World, new_attempt, new_entry, new_event, new_id

DAY_MS = 86_400_000
WEEK = 7 * 86400.0
TABLES = ("event", "delivery", "attempt")
PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus


@pytest.fixture
def today():
    return SystemClock().now_us() // 1000 // DAY_MS


async def make_day(world: World, day: int) -> None:
    start, end = day_bounds(day)
    for table in TABLES:
        await world.rows(f"CREATE TABLE {table}_{day} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}')")


async def store(
    world: World, day: int, status: DeliveryStatus = DELIVERED, *, account: int = ACCOUNT, matched: bool = True
) -> DeliveryUpdate:
    """An event of a day, with its delivery and an attempt."""
    [event] = await world.accept(new_event(account, id=EventId(new_id(day * DAY_MS + 5))))
    if matched:
        await world.rows("DELETE FROM outbox")
    wait = Wait(seconds=60, number=2) if status.open else None
    payload = Payload(method="POST", address="", body=b"") if status.open else None
    entry = new_entry(
        event, await world.watch(account), status, attempts=1, attempt=new_attempt(code=500), wait=wait, payload=payload
    )
    await world.results.record(await world.lease(), [entry], done=[], slots={})
    return entry


async def kept(world: World) -> list[set[bytes]]:
    """Which events, deliveries and attempts there are."""
    return [
        {row[0] for row in await world.rows(f"SELECT {column} FROM {table}")}
        for table, column in (("event", "id"), ("delivery", "id"), ("attempt", "delivery_id"))
    ]


def rows_of(*entries: DeliveryUpdate) -> list[set[bytes]]:
    ids: set[bytes] = {each.id for each in entries}
    return [{each.event for each in entries}, ids, ids]


async def run(world: World, **bounds: int) -> tuple[list[str], int]:
    """A round, as a worker makes it; answers the days dropped and the rows deleted."""
    retention = PostgresRetention(world.database, **bounds)
    days, rows = [], 0
    while day := await retention.drop_day(WEEK):
        days.append(day)
    while count := await retention.delete_some(WEEK):
        rows += count
    return days, rows


async def partitions(world: World) -> set[str]:
    return {row[0] for row in await world.rows("SELECT inhrelid::regclass::text FROM pg_inherits")}


async def test_a_day_that_is_over_is_dropped_and_no_other(world, today):
    old, young = today - 8, today - 7
    for day in (old, young):
        await make_day(world, day)
    await store(world, old)
    left = [await store(world, young), await store(world, today)]

    assert await run(world) == ([str(old)], 0)
    assert await kept(world) == rows_of(*left)
    names = await partitions(world)
    assert not {f"{table}_{old}" for table in TABLES} & names
    assert {f"{table}_{young}" for table in TABLES} <= names


@pytest.mark.parametrize("status", [PENDING, RETRYING])
async def test_what_is_open_outlives_its_day_with_event_attempts_and_payload(world, today, status):
    day = today - 20
    await make_day(world, day)
    entry, _ended = await store(world, day, status), await store(world, day, FAILED)

    assert (await run(world))[0] == [str(day)]

    assert await kept(world) == rows_of(entry)
    assert await world.rows("SELECT tableoid::regclass::text FROM delivery") == [("delivery_rest",)]
    await world.rows("UPDATE waiting SET due_at = now()")
    await world.rows("UPDATE lane SET wake_at = now()")
    [pulled] = await world.lanes.pull(await world.lease(), lanes=9)
    assert pulled.id == entry.id
    assert pulled.event is not None
    assert pulled.payload is not None


async def test_what_was_open_goes_once_it_has_ended(world, today):
    day = today - 20
    await make_day(world, day)
    entry = await store(world, day, RETRYING)
    await run(world)
    await world.rows("UPDATE delivery SET status = 4 WHERE id = $1", entry.id)
    await world.rows("DELETE FROM waiting")

    assert await run(world) == ([], 2)
    assert await kept(world) == rows_of()


async def test_a_day_with_something_unmatched_stays_whole(world, today):
    day = today - 20
    await make_day(world, day)
    entry = await store(world, day, matched=False)

    assert await run(world) == ([], 1)
    assert await kept(world) == [{entry.event}, set(), set()]


async def test_an_event_stays_for_a_replay_of_it_that_is_open(world, today):
    day = today - 20
    await make_day(world, day)
    entry = await store(world, day)
    mine = DeliveryId(new_id())
    came = await PostgresReplays(world.database).replay(ACCOUNT, entry.id, owner=None, new_id=mine)
    assert came is Replayed.YES

    assert await run(world) == ([str(day)], 0)
    assert await kept(world) == [{entry.event}, {mine}, set()]


async def test_a_day_with_too_much_open_to_be_moved_gives_up_what_has_ended(world, today):
    day = today - 20
    await make_day(world, day)
    left = [await store(world, day, RETRYING) for _ in range(2)]
    await store(world, day)

    assert await run(world, most_moved=1) == ([], 2)
    assert await kept(world) == rows_of(*left)
    assert f"delivery_{day}" in await partitions(world)


async def test_an_account_with_a_retention_of_its_own_keeps_to_it(world, today):
    await world.rows("INSERT INTO account (name, retention_days) VALUES ('short', 2), ('long', 30)")
    for age in (1, 4, 10, 40):
        await make_day(world, today - age) if age > 1 else None
    entries = {
        (account, age): await store(world, today - age, account=account)
        for account in (1, 2, 3)
        for age in (1, 4, 10, 40)
    }

    days, _ = await run(world)

    assert days == [str(today - 40)]
    stay = {(1, 1), (1, 4), (2, 1), (3, 1), (3, 4), (3, 10)}
    assert await kept(world) == rows_of(*(entry for key, entry in entries.items() if key in stay))


async def test_chunks_come_to_an_end_although_what_is_open_stays_in_their_way(world, today):
    left = [await store(world, today - 20, RETRYING) for _ in range(3)]
    for _ in range(5):
        await store(world, today - 20)

    assert await run(world, chunk=2) == ([], 10)
    assert await kept(world) == rows_of(*left)


async def test_a_reader_of_the_old_day_makes_it_stay_and_no_statement_waits(world, today):
    day = today - 20
    await make_day(world, day)
    await store(world, day)
    async with world.session() as reading, reading.transaction():
        await reading.fetch("SELECT 1 FROM delivery")
        with pytest.raises(StoreUnavailable):
            await PostgresRetention(world.database).drop_day(WEEK)
        await asyncio.wait_for(store(world, today), 5)

    assert (await run(world))[0] == [str(day)]


async def test_only_one_of_many_workers_drops_a_day(world, today):
    await make_day(world, today - 20)
    retention = PostgresRetention(world.database)

    dropped = await asyncio.gather(*(retention.drop_day(WEEK) for _ in range(4)))

    assert sorted(map(str, dropped)) == [str(today - 20), "None", "None", "None"]


async def test_another_account_is_not_touched_by_a_shorter_one(world, today):
    await world.rows("INSERT INTO account (name, retention_days) VALUES ('short', 1)")
    mine = await store(world, today - 5)
    await store(world, today - 5, account=2)

    await run(world)

    assert await kept(world) == rows_of(mine)
