"""Pulls of what waits and is due."""

import asyncio

import pytest

from hookward.adapters.postgres.lanes import PostgresLanes
from hookward.adapters.postgres.pool import open_pool
from hookward.application.delivery.poller import DueDelivery
from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Payload
from tests.contract.world import SLOTS, World, new_attempt


async def waits(world: World, watch: WatchRecord, *dues: float) -> list[DeliveryUpdate]:
    return [await world.wait(watch, due=due) for due in dues]


def ids_of(entries: list[DeliveryUpdate]) -> list[bytes]:
    return [entry.id for entry in entries]


async def state(world: World, watch: WatchRecord) -> tuple[object, ...]:
    lane = await world.lane_row(watch.lane)
    return lane["in_use"], lane["behind"], lane["wake"]


async def test_a_pull_takes_what_is_due_with_all_it_takes_to_send_it(world):
    watch = await world.watch()
    [fresh] = await waits(world, watch, 0)
    payload = Payload(method="PUT", address="http://127.0.0.1/ü", body=b"\0")
    again = await world.wait(watch, number=3, status=DeliveryStatus.RETRYING, attempt=new_attempt(2), payload=payload)
    token = await world.lease()

    pulled = await world.lanes.pull(token, lanes=10)

    events = await world.outbox.events([fresh.event])
    by_id = {each.id: each for each in pulled}
    assert by_id[fresh.id] == DueDelivery(
        id=fresh.id, lane=watch.lane, event_id=fresh.event, number=1, crashes=0, watch=watch.id,
        event=events[fresh.event], payload=None,
    )  # fmt: skip
    assert (by_id[again.id].number, by_id[again.id].payload) == (3, payload)
    assert await world.rows("SELECT DISTINCT token FROM waiting") == [(token,)]


async def test_nothing_is_pulled_before_it_is_due(world):
    watch = await world.watch()
    await waits(world, watch, 60)
    await world.value("UPDATE lane SET wake_at = now()")

    assert await world.lanes.pull(await world.lease(), lanes=10) == []
    assert await state(world, watch) == (0, False, "later")
    assert 59 < (await world.lanes.next_wake() or 0) <= 60


@pytest.mark.parametrize("how", ["paused = true", "closing = 'deleted'", "wake_at = NULL"])
async def test_a_lane_that_is_stopped_is_not_pulled(world, how):
    await waits(world, await world.watch(), 0)
    await world.value(f"UPDATE lane SET {how}")
    before = await world.everything()
    token = await world.lease()

    assert await world.lanes.pull(token, lanes=10) == []
    await world.leases.end(token)
    assert await world.everything() == before


async def test_a_held_lane_sleeps_until_it_is_free(world):
    watch = await world.watch()
    await waits(world, watch, 0)
    await world.value("UPDATE lane SET held_until = now() + interval '1 hour'")

    assert await world.lanes.pull(await world.lease(), lanes=10) == []
    assert await state(world, watch) == (0, True, "later")


async def test_two_pullers_never_get_the_same_delivery(world):
    watches = [await world.watch(slots=7) for _ in range(5)]
    entries = [entry for watch in watches for entry in await waits(world, watch, *[0] * 7)]
    tokens = [await world.lease(str(number)) for number in range(4)]

    taken = await asyncio.gather(*(world.lanes.pull(token, lanes=2) for token in tokens * 2))

    assert sorted(each.id for pulled in taken for each in pulled) == sorted(ids_of(entries))
    assert await world.rows("SELECT DISTINCT in_use FROM lane") == [(7,)]


async def test_a_stale_lease_pulls_nothing(world):
    await waits(world, await world.watch(), 0)
    token = await world.stale_lease()
    before = await world.everything()

    assert await world.lanes.pull(token, lanes=10) == []
    assert await world.everything() == before


async def test_a_delivery_whose_event_is_gone_comes_without_it(world):
    await waits(world, await world.watch(), 0)
    await world.value("DELETE FROM event")

    [pulled] = await world.lanes.pull(await world.lease(), lanes=10)

    assert pulled.event is None


async def test_what_begins_to_wait_while_its_lane_is_pulled_is_not_forgotten(world):
    watch = await world.watch()
    await waits(world, watch, 0)
    async with world.session() as blocker, open_pool(await paused_at_lanes(world), name="slow", size=1) as slow:
        await blocker.execute("SELECT pg_advisory_lock(1)")
        pulling = asyncio.create_task(PostgresLanes(slow, default_slots=SLOTS).pull(await world.lease(), lanes=10))
        await world.wait_until("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        [late] = await waits(world, watch, 0)
        await blocker.execute("SELECT pg_advisory_unlock(1)")
        first = await pulling

    second = await world.lanes.pull(await world.lease(), lanes=10)

    assert late.id in [each.id for each in [*first, *second]]


async def paused_at_lanes(world: World) -> str:
    """A role whose statements wait, snapshot in hand, before they see a lane while advisory lock 1 is held."""
    role = "slow_" + str(await world.value("SELECT current_database()"))
    async with world.session() as connection:
        await connection.execute(f"""
            CREATE ROLE {role} LOGIN;
            GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
            CREATE FUNCTION pause() RETURNS boolean LANGUAGE plpgsql AS $$
              BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN true; END $$;
            ALTER TABLE lane ENABLE ROW LEVEL SECURITY;
            CREATE POLICY slow ON lane USING (pause())""")
    return world.dsn.replace("//hookward@", f"//{role}@")
