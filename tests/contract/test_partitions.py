"""Partitions by the day that an id carries."""

import asyncio

import asyncpg
import pytest

from hookward.adapters.clock import SystemClock
from hookward.adapters.postgres.upkeep import DAYS_AHEAD, PostgresUpkeep, ensure_partitions
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import EventId
from tests.contract.world import World, new_attempt, new_entry, new_event, new_id

DAY_MS = 86_400_000
TABLES = ("event", "delivery", "attempt")


@pytest.fixture
def today():
    return SystemClock().now_us() // 1000 // DAY_MS


async def ensure(world: World) -> int:
    async with world.session() as connection:
        return await ensure_partitions(connection)


async def store(world: World, unix_ms: int) -> None:
    """An event, a delivery and an attempt of that moment."""
    [event] = await world.accept(new_event(id=EventId(new_id(unix_ms))))
    entry = new_entry(event, await world.watch(), DeliveryStatus.DELIVERED, attempts=1, attempt=new_attempt())
    await world.results.record(await world.lease(), [entry], done=[], slots={})


async def places(world: World) -> list[list[str]]:
    """In which partitions the rows of each table are."""
    return [
        [row[0] for row in await world.rows(f"SELECT tableoid::regclass::text FROM {table} ORDER BY 1")]
        for table in TABLES
    ]


async def test_rows_land_in_the_partition_of_their_day(world, today):
    moments = [
        today * DAY_MS - 1,
        today * DAY_MS,
        (today + 1) * DAY_MS - 1,
        (today + 1) * DAY_MS,
        (today + DAYS_AHEAD + 1) * DAY_MS - 1,
    ]
    for moment in moments:
        await store(world, moment)

    days = [moment // DAY_MS for moment in moments]
    assert await places(world) == [[f"{table}_{day}" for day in days] for table in TABLES]


async def test_the_default_partition_catches_every_other_day(world, today):
    for day in (today - 2, today + DAYS_AHEAD + 1, 0):
        await store(world, day * DAY_MS)

    assert await places(world) == [[f"{table}_rest"] * 3 for table in TABLES]


async def test_partitions_are_made_once(world):
    assert await ensure(world) == 0


async def test_a_missing_partition_is_made_again(world, today):
    await world.rows(f"DROP TABLE event_{today + 3}")

    assert await ensure(world) == 1


async def test_rows_that_came_before_their_partition_move_into_it(world, today):
    for table in TABLES:
        await world.rows(f"DROP TABLE {table}_{today}")
    await store(world, today * DAY_MS)
    await store(world, today * DAY_MS - 3 * DAY_MS)
    indexed = "SELECT count(*) FROM pg_indexes WHERE tablename = 'delivery_' || $1::text"

    assert await ensure(world) == 3

    assert await places(world) == [[f"{table}_{today}", f"{table}_rest"] for table in TABLES]
    assert await world.value(indexed, str(today)) == await world.value(indexed, str(today + 1))


async def test_upkeep_makes_partitions_and_forgets_expired_keys(world, today):
    await world.rows(f"DROP TABLE event_{today + 3}")
    await world.accept(new_event(key=b"old"), new_event(key=b"new"))
    await world.rows("UPDATE idempotency SET until = now() WHERE key = $1", b"old")
    upkeep = PostgresUpkeep(world.database)

    assert [await upkeep.run() for _ in range(2)] == [(1, 1), (0, 0)]
    assert await world.rows("SELECT key FROM idempotency") == [(b"new",)]


async def test_making_partitions_behind_a_long_query_gives_up_before_it_stalls_publishing(world, today):
    await world.rows(f"DROP TABLE event_{today + 3}")
    wanted = "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
    async with world.session() as reader, world.session() as maker:
        reading = reader.transaction()
        await reading.start()
        await reader.fetch("SELECT 1 FROM event LIMIT 1")
        making = asyncio.create_task(ensure_partitions(maker, patience_ms=1000))
        await world.wait_until(wanted)

        accepted = await world.accept(new_event())  # behind the maker, which gives up for it

        assert [len(accepted), await reader.fetchval("SELECT count(*) FROM event")] == [1, 1]
        with pytest.raises(asyncpg.LockNotAvailableError):
            await making
        await reading.rollback()
    assert await ensure(world) == 1


async def test_upkeep_that_found_no_moment_for_its_partitions_is_to_be_tried_again(world, today):
    await world.rows(f"DROP TABLE event_{today + 3}")
    upkeep = PostgresUpkeep(world.database)
    async with world.session() as reader, reader.transaction():
        await reader.fetch("SELECT 1 FROM event LIMIT 1")
        with pytest.raises(StoreUnavailable, match="LockNotAvailable"):
            await upkeep.run()

    assert await upkeep.run() == (1, 0)


async def test_the_offset_of_postgresqls_clock_is_measured(world):
    clock = SystemClock()
    upkeep = PostgresUpkeep(world.database)

    right = await upkeep.clock_offset_us(clock.now_us)
    late = await upkeep.clock_offset_us(lambda: clock.now_us() - 3_600_000_000)

    assert (round(right / 60_000_000), round(late / 60_000_000)) == (0, 60)
