import asyncio

import pytest

from hookward.adapters.postgres.outbox import SQL
from hookward.domain.errors import LeaseLost
from tests.contract.world import World, ids

HELD = """
SELECT (SELECT count(*) FROM outbox WHERE token IS NOT NULL)::int,
  (SELECT count(*) FROM waiting WHERE token IS NOT NULL)::int,
  (SELECT coalesce(sum(n), 0) FROM lane_grant)::int, (SELECT sum(in_use) FROM lane)::int"""
BLOCKED = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"

# Stands in for the start of the server, which the tests of one session share.
STARTED = """
CREATE FUNCTION public.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql AS $$
  SELECT now() - interval '{seconds} seconds' $$;
SELECT set_config('search_path', 'public, pg_catalog', false);
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$;
"""


async def started_ago(world: World, seconds: int) -> None:
    """Let PostgreSQL have been up for so long."""
    async with world.session() as connection:
        await connection.execute(STARTED.format(seconds=seconds))
    await world.renew_connections()


async def some_of_everything(world: World, token: int) -> int:
    """An outbox row, a waiting row and a slot held under a lease; answers the lane."""
    watch = await world.watch()
    await world.wait(watch)
    await world.accept_each(1)
    await world.outbox.claim(token, limit=1)
    await world.lanes.pull(token, lanes=10)
    return watch.lane


async def overdue(world: World, token: int) -> None:
    await world.value("UPDATE lease SET until = now() - interval '1 second' WHERE token = $1", token)


async def test_take_over_frees_what_ended_leases_held_and_counts_a_crash(world):
    token = await world.lease("dead")
    lane = await some_of_everything(world, token)
    await world.leases.expire("dead")

    assert await world.leases.take_over() == (1, 1, 1)

    assert await world.rows(HELD) == [(0, 0, 0, 0)]
    assert await world.rows("SELECT crashes FROM outbox UNION ALL SELECT crashes FROM waiting") == [(1,), (1,)]
    assert (await world.lane_row(lane))["wake"] == "now"
    assert await world.value("SELECT count(*) FROM lease WHERE token = $1", token) == 0


async def test_take_over_leaves_the_living_alone(world):
    await some_of_everything(world, await world.lease("alive"))
    before = await world.everything()

    assert await world.leases.take_over() == (0, 0, 0)

    assert await world.everything() == before


async def test_take_over_by_two_at_once_counts_one_crash(world):
    await some_of_everything(world, await world.lease("dead"))
    await world.leases.expire("dead")

    taken = await asyncio.gather(*(world.leases.take_over() for _ in range(5)))

    assert sorted(taken) == [(0, 0, 0)] * 4 + [(1, 1, 1)]
    assert await world.rows("SELECT crashes FROM outbox UNION ALL SELECT crashes FROM waiting") == [(1,), (1,)]


async def test_take_over_frees_a_claim_that_commits_while_it_waits_for_it(world):
    [event] = await world.accept_each(1)
    token = await world.lease("dead")
    async with world.session() as claimer:
        claiming = claimer.transaction()
        await claiming.start()
        await claimer.fetch(SQL["claim"], token, 0, 10)
        await world.leases.expire("dead")
        taking_over = asyncio.create_task(world.leases.take_over())
        await world.wait_until(BLOCKED)
        await claiming.commit()

    assert await taking_over == (1, 1, 0)
    [claim] = await world.outbox.claim(await world.lease("next"), limit=10)
    assert list(claim.events) == ids([event])


async def test_a_watch_deleted_while_paused_is_still_cleared_after_a_crash(world):
    token = await world.lease("dead")
    lane = await some_of_everything(world, token)
    await world.value("UPDATE lane SET paused = true, closing = 'deleted', wake_at = NULL")
    await world.leases.expire("dead")
    await world.leases.take_over()

    await world.lanes.cancel_some(limit=10)

    assert await world.rows("SELECT status, reason FROM delivery") == [(5, "deleted")]
    assert (await world.lane_row(lane))["in_use"] == 0


async def test_no_worker_takes_over_just_after_the_start_of_postgresql(world):
    await started_ago(world, 9)
    await overdue(world, await world.lease())

    assert await world.leases.take_over() == (0, 0, 0)


async def test_a_worker_that_was_seen_dead_is_taken_over_just_after_the_start_of_postgresql(world):
    await started_ago(world, 1)
    await world.lease("dead")
    await world.leases.expire("dead")

    assert await world.leases.take_over() == (1, 0, 0)


async def test_a_lease_that_was_not_renewed_in_time_is_taken_over(world):
    await started_ago(world, 11)
    await overdue(world, await world.lease())

    assert await world.leases.take_over() == (1, 0, 0)


async def test_a_lease_that_postgresql_was_away_for_can_be_renewed(world):
    await started_ago(world, 9)
    token = await world.lease()
    await overdue(world, token)

    await world.leases.renew(token, 60)

    assert await world.value("SELECT until > now() + interval '50 seconds' FROM lease WHERE token = $1", token)


@pytest.mark.parametrize("how", ["overdue", "expired", "abandoned", "ended", "taken over", "never begun"])
async def test_a_lease_that_has_ended_cannot_be_renewed(world, how):
    await started_ago(world, 1000)
    token = await world.lease("worker")
    match how:
        case "overdue":
            await overdue(world, token)
        case "expired":
            await world.leases.expire("worker")
        case "abandoned":
            await world.leases.abandon(token)
        case "ended":
            await world.leases.end(token)
        case "taken over":
            await world.leases.expire("worker")
            await world.leases.take_over()
        case _:
            token += 1000
    before = await world.everything()

    with pytest.raises(LeaseLost):
        await world.leases.renew(token, 60)

    assert await world.everything() == before


async def test_expiring_a_worker_ends_all_of_its_leases_and_no_others(world):
    for worker in ("dead", "dead", "alive"):
        await world.lease(worker)

    assert [await world.leases.expire("dead") for _ in range(2)] == [2, 0]
    assert await world.rows("SELECT worker FROM lease WHERE until > now()") == [("alive",)]


async def test_an_end_frees_whatever_is_still_held_without_counting_a_crash(world):
    token = await world.lease()
    lane = await some_of_everything(world, token)

    await world.leases.end(token)

    assert await world.rows(HELD) == [(0, 0, 0, 0)]
    assert await world.rows("SELECT crashes FROM outbox UNION ALL SELECT crashes FROM waiting") == [(0,), (0,)]
    assert (await world.lane_row(lane))["wake"] == "now"
