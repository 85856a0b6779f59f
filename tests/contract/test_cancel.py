"""What waits for a watch that was deleted."""

import asyncio

from hookward.application.records import WatchRecord
from tests.contract.world import World


async def many_wait(world: World, watch: WatchRecord, count: int) -> None:
    """Waiting deliveries as the ledger leaves them, with payloads, in bulk."""
    low = "(lpad(to_hex($3::bigint), 12, '0') || '70008000' || lpad(to_hex($1::bigint * 1000000 + n), 12, '0'))::uuid"
    await world.rows(
        f"""
        WITH d AS (
          INSERT INTO delivery (id, account_id, event_id, watch_id, resource_type, kind, resource_id, status, attempts)
          SELECT {low}, 1, {low}, $2, 'appointment', 2, '', 2, 1 FROM generate_series(1, $4::int) n RETURNING id),
        p AS (INSERT INTO payload (delivery_id, method, address) SELECT id, 'POST', '' FROM d)
        INSERT INTO waiting (delivery_id, lane_id, event_id, due_at, number)
        SELECT id, $1::bigint, id, now() + interval '1 hour', 2 FROM d""",
        watch.lane, watch.id, await world.value("SELECT (extract(epoch FROM now()) * 1000)::bigint"), count,
    )  # fmt: skip


async def test_all_that_waits_is_cancelled_in_chunks_with_the_reason(world):
    gone, kept = await world.watch(), await world.watch()
    for watch in (gone, kept):
        await many_wait(world, watch, 2500)
    await world.definitions.delete_watch(gone.account, gone.id, reason="the watch was deleted")

    chunks = []
    while count := await world.lanes.cancel_some(limit=1000):
        chunks.append(count)

    assert chunks == [1000, 1000, 500]
    ended = "SELECT watch_id, status, reason, finished IS NOT NULL, count(*)::int FROM delivery GROUP BY 1, 2, 3, 4"
    assert sorted(await world.rows(ended)) == [
        (gone.id, 5, "the watch was deleted", True, 2500),
        (kept.id, 2, None, False, 2500),
    ]
    assert await world.rows("SELECT DISTINCT lane_id FROM waiting") == [(kept.lane,)]
    assert await world.value("SELECT count(*) FROM payload") == 2500
    assert (await world.lane_row(gone.lane))["wake"] == "never"


async def test_two_workers_cancel_each_delivery_once(world):
    watches = [await world.watch() for _ in range(3)]
    for watch in watches:
        await many_wait(world, watch, 300)
        await world.definitions.delete_watch(watch.account, watch.id, reason="why")

    async def cancel_all() -> int:
        total = idle = 0
        while idle < 5:
            count = await world.lanes.cancel_some(limit=50)
            total, idle = total + count, 0 if count else idle + 1
        return total

    assert sum(await asyncio.gather(cancel_all(), cancel_all())) == 900
    assert await world.rows("SELECT status, count(*)::int FROM delivery GROUP BY 1") == [(5, 900)]


async def test_nothing_is_cancelled_in_a_lane_that_stays(world):
    await world.wait(await world.watch())

    assert await world.lanes.cancel_some(limit=10) == 0
