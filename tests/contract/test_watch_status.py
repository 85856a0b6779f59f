"""What a change of a watch's status does to what waits for it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest

from hookward.adapters.postgres import watches as definitions_module
from hookward.application.records import WatchRecord
from hookward.application.watches.registry import WatchQuery
from hookward.domain.delivery.model import DeliveryStatus
from tests.contract.test_cancel import many_wait
from tests.contract.world import ACCOUNT, World, moved, new_attempt

ENABLED, PAUSED, DISABLED = 1, 2, 3
REASON = "the watch was disabled"


async def turn(
    world: World, watch: WatchRecord, status: int, *, slots: int | None = None, **values: Any
) -> WatchRecord:
    changed = await world.definitions.change_watch(
        msgspec.structs.replace(watch, status=status, **values), slots=slots, paused=status == PAUSED, reason=REASON,
        key=None,
    )  # fmt: skip
    assert changed is not None
    return changed


async def cancel_all(world: World) -> int:
    total = 0
    while await world.value("SELECT EXISTS (SELECT 1 FROM lane WHERE closing IS NOT NULL AND wake_at <= now())"):
        total += await world.lanes.cancel_some(limit=100)
    return total


async def test_a_paused_lane_gives_nothing_and_all_of_it_once_enabled(world):
    watch, token = await world.watch(), await world.lease()
    before = await world.wait(watch)

    watch = await turn(world, watch, PAUSED)
    meanwhile = await world.wait(watch)
    given = await world.lanes.pull(token, lanes=9), await world.lanes.acquire(token, {watch.lane: 1})
    assert given == ([], {watch.lane: 0})
    assert (await world.lane_row(watch.lane))["wake"] == "never"

    await turn(world, watch, ENABLED)
    pulled = await world.lanes.pull(token, lanes=9)
    assert [each.id for each in pulled] == [before.id, meanwhile.id]


async def test_what_is_due_later_when_its_lane_is_enabled_is_due_later_still(world):
    watch, token = await world.watch(paused=True), await world.lease()
    await world.wait(watch, due=60)

    await turn(world, watch, ENABLED)

    assert await world.lanes.pull(token, lanes=9) == []
    assert (await world.lane_row(watch.lane))["wake"] == "later"


async def test_more_slots_wake_a_lane_that_has_used_up_its_own(world):
    watch, token = await world.watch(slots=1), await world.lease()
    for _ in range(3):
        await world.wait(watch)
    assert len(await world.lanes.pull(token, lanes=9)) == 1

    await turn(world, watch, ENABLED, slots=3)

    assert len(await world.lanes.pull(token, lanes=9)) == 2


async def test_a_change_that_is_not_the_lane_s_leaves_the_lane_alone(world):
    watch = await world.watch()
    before = await world.rows("SELECT l::text, ctid FROM lane l")

    await turn(world, watch, ENABLED, definition=b'{"address":"http://b/"}')

    assert await world.rows("SELECT l::text, ctid FROM lane l") == before


@pytest.mark.parametrize("first", [ENABLED, PAUSED])
async def test_what_waits_for_a_watch_that_is_disabled_is_cancelled(world, first):
    watch = await world.watch()
    watch = await turn(world, watch, first)
    await many_wait(world, watch, 5)

    watch = await turn(world, watch, DISABLED)
    watch = await turn(world, watch, DISABLED, definition=b'{"address":"http://b/"}')

    assert await cancel_all(world) == 5
    assert await world.rows("SELECT DISTINCT status, reason FROM delivery") == [(5, REASON)]


@pytest.mark.parametrize("then", [ENABLED, PAUSED])
async def test_what_waited_before_is_cancelled_and_what_comes_after_is_not(world, then):
    watch, token = await world.watch(), await world.lease()
    await many_wait(world, watch, 5)

    watch = await turn(world, await turn(world, watch, DISABLED), then)
    after = await world.wait(watch)

    assert await cancel_all(world) == 5
    assert await world.rows("SELECT delivery_id, lane_id FROM waiting") == [(after.id, watch.lane)]
    if then == PAUSED:
        watch = await turn(world, watch, ENABLED)
    assert [(each.id, each.watch) for each in await world.lanes.pull(token, lanes=9)] == [(after.id, watch.id)]


async def test_what_a_worker_holds_through_it_all_is_cancelled_when_it_comes_back(world):
    watch, token = await world.watch(), await world.lease()
    entry = await world.wait(watch)
    await world.lanes.pull(token, lanes=9)

    await turn(world, await turn(world, watch, DISABLED), ENABLED)
    again = moved(
        entry, DeliveryStatus.RETRYING, attempts=1, attempt=new_attempt(code=500),
        wait=msgspec.structs.replace(entry.wait, seconds=5.0, number=2),
    )  # fmt: skip
    await world.results.record(token, [again], done=[], slots={watch.lane: 1})

    assert await cancel_all(world) == 1
    assert await world.rows("SELECT status, reason, attempts FROM delivery") == [(5, REASON, 1)]


async def test_a_watch_made_disabled_and_then_deleted_leaves_nothing_open(world):
    watch = await world.definitions.add_watch(
        msgspec.structs.replace(await world.watch(), id=b"\1" * 16, status=DISABLED), slots=None, paused=False, key=None
    )
    watch = await turn(world, watch, ENABLED)
    await world.wait(watch)

    await world.definitions.delete_watch(ACCOUNT, watch.id, reason="the watch was deleted")

    assert await cancel_all(world) == 1
    assert await world.rows("SELECT reason FROM delivery") == [("the watch was deleted",)]


@pytest.mark.parametrize("seed", range(3))
async def test_statuses_change_while_work_goes_on_and_every_delivery_ends_as_it_should(world, seed):
    """What was written to a lane before it was disabled never goes out after, what came after is never cancelled."""
    choice = random.Random(seed)
    watch = await world.watch(slots=2)
    written: list[tuple[bytes, int]] = []
    token, done = await world.lease(), asyncio.Event()

    async def write() -> None:
        nonlocal watch
        for _ in range(40):
            if choice.random() < 0.3:
                for status in choice.choice([(DISABLED, ENABLED), (PAUSED, ENABLED), (DISABLED, PAUSED, ENABLED)]):
                    watch = await turn(world, watch, status)
            written.append(((await world.wait(watch)).id, watch.lane))
        done.set()

    async def deliver() -> None:
        while not done.is_set() or await world.value("SELECT count(*) FROM waiting"):
            await world.lanes.cancel_some(limit=3)
            for each in await world.lanes.pull(token, lanes=9):
                entry = await entry_of(each.id, each.lane)
                await world.results.record(token, [entry], done=[], slots={each.lane: 1})

    async def entry_of(id_: bytes, lane: int) -> Any:
        row = (await world.rows("SELECT event_id, resource_id FROM delivery WHERE id = $1", id_))[0]
        return msgspec.structs.replace(template, id=id_, event=row[0], lane=lane)

    first = await world.wait(watch)
    template = moved(first, DeliveryStatus.DELIVERED, attempts=1)
    await asyncio.gather(write(), deliver())

    ended = dict(await world.rows("SELECT id, status FROM delivery"))
    assert set(ended.values()) <= {3, 5}
    assert all(ended[id_] == 3 for id_, lane in written if lane == watch.lane)
    assert await world.rows("SELECT DISTINCT in_use FROM lane") == [(0,)]


async def test_changes_at_the_same_time_are_made_one_after_the_other_or_not_at_all(world):
    watch = await world.watch()

    outcomes = await asyncio.gather(
        *(
            world.definitions.change_watch(
                msgspec.structs.replace(watch, status=status), slots=None, paused=False, reason=REASON, key=None
            )
            for status in (ENABLED, DISABLED) * 10
        ),
        *(world.definitions.delete_watch(ACCOUNT, watch.id, reason="x", version=watch.version) for _ in range(5)),
    )

    assert sum(bool(each) for each in outcomes) == 1


async def test_a_search_goes_on_until_a_page_is_full(world, monkeypatch):
    monkeypatch.setattr(definitions_module, "_PAGE", 2)
    named = [await world.watch() for _ in range(7)]
    for watch in named[::3]:
        await turn(world, watch, ENABLED, definition=b'{"address":"http://x/","name":"it"}')

    query = WatchQuery(account=ACCOUNT, limit=2, text="IT")
    first = await world.definitions.watches(query)
    rest = await world.definitions.watches(msgspec.structs.replace(query, after=first[-1].id))

    assert [each.id for each in first + rest] == [each.id for each in named[::3]]
