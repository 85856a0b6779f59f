"""What an attempt means for its whole watch is recorded with it: a hold, or the end of the watch."""

import asyncio

import msgspec
import pytest

from hookward.application.history.model import LogQuery
from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import DeliveryStatus, Wait, WatchEffect
from hookward.domain.errors import LeaseLost
from tests.contract.world import ACCOUNT, World, moved, new_attempt, new_entry, new_event

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus

HELD = "SELECT round(extract(epoch FROM held_until - now()))::int FROM lane WHERE id = $1"
WAKES_IN = "SELECT round(extract(epoch FROM wake_at - now()))::int FROM lane WHERE id = $1"
WATCH = "SELECT status, status_reason FROM watch WHERE id = $1"
VERSION = "SELECT version FROM definition_version"


@pytest.fixture
async def watch(world):
    return await world.watch()


@pytest.fixture
async def token(world):
    return await world.lease()


def held(watch, seconds: float, **values: object):
    """A delivery whose endpoint asked to be left alone."""
    wait = Wait(seconds=seconds, number=2)
    return new_entry(
        new_event(), watch, RETRYING, attempts=1, attempt=new_attempt(code=429), wait=wait,
        watch_effect=WatchEffect(hold=seconds), **values,
    )  # fmt: skip


def gone(watch, *, version: int | None = None, **values: object):
    """A delivery whose endpoint said that there is none any more."""
    consequence = WatchEffect(disable="gone", version=watch.version if version is None else version)
    attempt = new_attempt(code=410)
    return new_entry(new_event(), watch, FAILED, attempts=1, attempt=attempt, watch_effect=consequence, **values)


async def record(world: World, token: int, *entries) -> None:
    await world.results.record(token, entries, done=[], slots={})


async def test_a_held_lane_gives_nothing_until_the_hold_is_over(world, watch, token):
    other = await world.watch()
    for each in (watch, other):
        await world.wait(each)

    await record(world, token, held(watch, 60))

    assert (await world.value(HELD, watch.lane), await world.value(WAKES_IN, watch.lane)) == (60, 60)
    assert [each.lane for each in await world.lanes.pull(token, lanes=10)] == [other.lane]
    assert await world.lanes.acquire(token, {watch.lane: 1}) == {watch.lane: 0}
    await world.value("UPDATE lane SET held_until = now(), wake_at = now() WHERE id = $1", watch.lane)
    assert [each.lane for each in await world.lanes.pull(token, lanes=10)] == [watch.lane]


async def test_what_comes_to_a_held_lane_waits_for_the_end_of_the_hold_and_says_so(world, watch, token):
    await record(world, token, held(watch, 600))

    await record(world, token, new_entry(new_event(), watch, PENDING, wait=Wait(seconds=0, number=1)))

    assert await world.value(WAKES_IN, watch.lane) == 600
    logged = await world.log.deliveries(LogQuery(account=ACCOUNT, limit=10), now_ms=0)
    until = await world.value("SELECT held_until FROM lane WHERE id = $1", watch.lane)
    assert {each.next_attempt for each in logged.rows} == {until}


async def test_gone_disables_the_watch_in_the_same_record_and_what_waits_is_cancelled(world, watch, token):
    await world.wait(watch)
    before = await world.value(VERSION)

    await record(world, token, gone(watch))

    assert await world.rows(WATCH, watch.id) == [(3, "gone")]
    changes = await world.definitions.changes_since(before)
    assert [(each.id, each.status, each.version) for each in changes.watches] == [(watch.id, 3, before + 1)]
    assert await world.lanes.stopped([watch.lane]) == {watch.lane: True}
    assert await world.lanes.pull(token, lanes=10) == []
    assert await world.lanes.cancel_some(limit=10) == 1
    assert sorted(await world.rows("SELECT status, reason FROM delivery")) == [(4, None), (5, "gone")]


async def test_gone_for_what_a_watch_was_before_it_changed_leaves_it_alone(world, watch, token):
    before = await world.value(VERSION)

    await record(world, token, gone(watch, version=watch.version - 1))

    assert await world.rows(WATCH, watch.id) == [(1, None)]
    assert (await world.value(VERSION), (await world.lane_row(watch.lane))["closing"]) == (before, None)


async def test_of_two_that_say_gone_the_one_about_the_watch_as_it_is_counts(world, watch, token):
    await record(world, token, gone(watch), gone(watch, version=watch.version - 1))

    assert await world.rows(WATCH, watch.id) == [(3, "gone")]


async def test_gone_sent_twice_changes_the_watch_once(world, watch, token):
    entry = gone(watch)
    await record(world, token, entry)
    before = await world.everything()

    await record(world, token, entry)

    assert await world.everything() == before


async def test_a_deleted_watch_stays_deleted(world, watch, token):
    await world.definitions.delete_watch(watch.account, watch.id, reason="deleted")

    await record(world, token, gone(watch))

    assert await world.rows("SELECT status, deleted IS NULL FROM watch WHERE id = $1", watch.id) == [(1, False)]
    assert (await world.lane_row(watch.lane))["closing"] == "deleted"


async def test_a_stale_lease_neither_holds_nor_disables(world, watch):
    token = await world.stale_lease()
    before = await world.everything()

    for entry in (held(watch, 60), gone(watch)):
        with pytest.raises(LeaseLost):
            await record(world, token, entry)

    assert await world.everything() == before


async def test_records_that_hold_and_end_watches_never_deadlock_with_changes_of_them(world, token):
    watches = [await world.watch(slots=100) for _ in range(12)]
    await world.lanes.acquire(token, {watch.lane: 100 for watch in watches})

    async def work(order: list[WatchRecord]) -> None:
        for index, watch in enumerate(order):
            entries = [held(watch, 1), gone(watch), moved(held(order[index - 1], 1), RETRYING, waited=False)]
            slots = {order[index - 2].lane: 1}
            await world.results.record(token, entries, done=[], slots=slots)

    async def delete() -> None:
        for watch in watches[::3]:
            await world.definitions.delete_watch(watch.account, watch.id, reason="deleted")

    await asyncio.gather(work(watches), work(watches[::-1]), work(watches[6:] + watches[:6]), delete())

    ended = await world.rows("SELECT count(*)::int FROM watch WHERE status = 3 OR deleted IS NOT NULL")
    assert ended == [(12,)]


def unauthorized(watch, *, version: int | None = None, **values: object):
    """A delivery for which there is no token until an authorization."""
    consequence = WatchEffect(pause="authorization required", version=watch.version if version is None else version)
    wait = Wait(seconds=1, number=1)
    values = {"reason": "authorization required", "wait": wait, "watch_effect": consequence, **values}
    return new_entry(new_event(watch.account), watch, PENDING, **values)


async def test_a_watch_without_authorization_is_paused_in_the_same_record_and_its_lane_gives_nothing(
    world, watch, token
):
    await world.wait(watch)
    await world.lanes.acquire(token, {watch.lane: 1})
    before = await world.value(VERSION)

    await record(world, token, unauthorized(watch))

    assert await world.rows(WATCH, watch.id) == [(2, "authorization required")]
    changes = await world.definitions.changes_since(before)
    assert [(each.id, each.status, each.version) for each in changes.watches] == [(watch.id, 2, before + 1)]
    lane = await world.lane_row(watch.lane)
    assert (lane["paused"], lane["wake"], lane["closing"]) == (True, "never", None)
    assert await world.lanes.stopped([watch.lane]) == {watch.lane: True}
    await world.lanes.release(token, {watch.lane: 1})
    assert await world.lanes.pull(token, lanes=10) == []
    assert await world.rows("SELECT status FROM delivery") == [(1,), (1,)]


async def test_what_waits_for_an_authorization_goes_out_when_the_watch_is_enabled(world, watch, token):
    await world.wait(watch)
    await record(world, token, unauthorized(watch, wait=Wait(seconds=0, number=1)))
    [paused] = (await world.definitions.changes_since(watch.version)).watches

    enabled = msgspec.structs.replace(paused, status=1, status_reason=None)
    await world.definitions.change_watch(enabled, slots=None, paused=False, reason="", key=None)

    assert len(await world.lanes.pull(token, lanes=10)) == 2


async def test_what_waits_for_a_paused_watch_says_why_in_the_log(world, watch, token):
    await world.wait(watch)
    await world.wait(watch, reason="its request cannot be made")
    await record(world, token, unauthorized(watch), gone(await world.watch()))

    logged = await world.log.deliveries(LogQuery(account=ACCOUNT, limit=10), now_ms=0)
    waits = {(each.status, each.reason) for each in logged.rows}
    assert waits == {(PENDING, "authorization required"), (FAILED, None)}

    await world.value("UPDATE watch SET status_reason = NULL WHERE id = $1", watch.id)
    logged = await world.log.deliveries(LogQuery(account=ACCOUNT, limit=10), now_ms=0)
    assert {each.reason for each in logged.rows} == {None, "its request cannot be made", "authorization required"}


async def test_a_watch_that_changed_meanwhile_is_not_paused(world, watch, token):
    await record(world, token, unauthorized(watch, version=watch.version - 1))

    assert await world.rows(WATCH, watch.id) == [(1, None)]
    assert (await world.lane_row(watch.lane))["paused"] is False


async def test_a_watch_that_is_paused_or_disabled_keeps_its_reason(world, watch, token):
    for status in (2, 3):
        await world.value("UPDATE watch SET status = $2, status_reason = 'mine' WHERE id = $1", watch.id, status)
        await record(world, token, unauthorized(watch))
        assert await world.rows(WATCH, watch.id) == [(status, "mine")]


@pytest.mark.parametrize("first", [gone, unauthorized])
async def test_of_a_pause_and_an_end_in_one_record_the_end_counts(world, watch, token, first):
    second = unauthorized if first is gone else gone
    await record(world, token, first(watch), second(watch))

    assert await world.rows(WATCH, watch.id) == [(3, "gone")]
    assert (await world.lane_row(watch.lane))["closing"] == "gone"
