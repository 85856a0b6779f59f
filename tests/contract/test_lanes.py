"""Slots of lanes, counted for all workers."""

import asyncio
import random

import pytest

from hookward.adapters.postgres.lanes import release
from hookward.domain.errors import LeaseLost
from tests.contract.world import World

GRANTS = "SELECT token, n FROM lane_grant WHERE n <> 0 ORDER BY token"


async def give_back(world: World, token: int, slots: dict[int, int]) -> None:
    async with world.database.connection() as connection:
        await release(connection, token, slots)


@pytest.mark.parametrize(
    "state", ["behind = true", "paused = true", "closing = 'deleted'", "held_until = now() + interval '1 hour'"]
)
async def test_a_lane_that_takes_nothing_new_gives_no_slots(world, state):
    watch, open_ = await world.watch(), await world.watch()
    await world.value(f"UPDATE lane SET {state} WHERE id = $1", watch.lane)
    lanes = [watch.lane, open_.lane]

    granted = await world.lanes.acquire(await world.lease(), dict.fromkeys(lanes, 1))

    assert granted == {watch.lane: 0, open_.lane: 1}
    assert await world.lanes.stopped(lanes) == {watch.lane: not state.startswith("behind")}


async def test_a_stale_lease_acquires_nothing(world):
    watch = await world.watch()
    token = await world.stale_lease()
    before = await world.everything()

    with pytest.raises(LeaseLost):
        await world.lanes.acquire(token, {watch.lane: 1})

    assert await world.everything() == before


async def test_workers_at_the_same_time_never_get_more_than_the_slots(world):
    watches = [await world.watch(slots=slots) for slots in (1, 3, 5)]
    lanes = {watch.lane: slots for watch, slots in zip(watches, (1, 3, 5), strict=True)}
    over: list[tuple[int, int]] = []
    held = dict.fromkeys(lanes, 0)

    async def work(seed: int) -> None:
        choice = random.Random(seed)
        token = await world.lease(f"worker {seed}")
        for _ in range(30):
            wanted = {lane: choice.randint(1, 4) for lane in choice.sample(list(lanes), choice.randint(1, 3))}
            granted = await world.lanes.acquire(token, wanted)
            for lane, count in granted.items():
                held[lane] += count
                if held[lane] > lanes[lane]:
                    over.append((lane, held[lane]))
            await asyncio.sleep(0)
            for lane, count in granted.items():
                held[lane] -= count
            await give_back(world, token, {lane: count for lane, count in granted.items() if count})

    async def look(working: asyncio.Future[list[None]]) -> list[tuple[object, ...]]:
        sums = "SELECT in_use, (SELECT coalesce(sum(n), 0) FROM lane_grant g WHERE g.lane_id = lane.id) FROM lane"
        different = []
        while not working.done():
            different += [row for row in await world.rows(sums) if row[0] != row[1]]
        return different

    working = asyncio.gather(*(work(seed) for seed in range(6)))
    different = await look(working)
    await working

    assert (over, different) == ([], [])
    assert await world.rows("SELECT DISTINCT in_use FROM lane") == [(0,)]


async def test_a_release_wakes_a_lane_that_is_behind_and_no_other(world):
    behind, idle = await world.watch(), await world.watch()
    token = await world.lease()
    await world.lanes.acquire(token, {behind.lane: 2, idle.lane: 2})
    await world.value("UPDATE lane SET behind = true WHERE id = $1", behind.lane)

    await give_back(world, token, {behind.lane: 1, idle.lane: 1})

    lanes = [await world.lane_row(watch.lane) for watch in (behind, idle)]
    assert [(lane["in_use"], lane["wake"]) for lane in lanes] == [(1, "now"), (1, "never")]


async def test_a_release_does_not_wake_a_held_lane_early(world):
    watch, token = await world.watch(), await world.lease()
    await world.lanes.acquire(token, {watch.lane: 1})
    await world.value("UPDATE lane SET behind = true, held_until = now() + interval '1 hour'")

    await give_back(world, token, {watch.lane: 1})

    assert (await world.lane_row(watch.lane))["wake"] == "later"


async def test_a_release_sent_twice_at_the_same_time_frees_no_other_workers_slots(world):
    watch = await world.watch()
    mine, other = await world.lease("one"), await world.lease("two")
    for token in (mine, other):
        await world.lanes.acquire(token, {watch.lane: 2})
    async with world.session() as blocker:
        blocking = blocker.transaction()
        await blocking.start()
        await blocker.execute("SELECT 1 FROM lane FOR UPDATE")
        releasing = asyncio.gather(*(give_back(world, mine, {watch.lane: 2}) for _ in range(2)))
        await world.wait_until("SELECT count(*) = 2 FROM pg_locks WHERE NOT granted")
        await blocking.commit()
    await releasing

    assert await world.rows(GRANTS) == [(other, 2)]
    assert (await world.lane_row(watch.lane))["in_use"] == 2
