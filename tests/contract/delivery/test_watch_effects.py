"""What an attempt means for its whole watch: a hold, a pause, or the end of the watch."""

from __future__ import annotations

import pytest

from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Wait, WatchEffect
from hookward.domain.errors import LeaseLost
from tests.contract.delivery.worlds import DeliveryWorld
from tests.contract.world import new_attempt, new_entry, new_event

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
ENABLED, PAUSED, DISABLED = 1, 2, 3


async def record(store: DeliveryWorld, token: int, *updates: DeliveryUpdate) -> None:
    await store.results.record(token, updates, done=[], slots={})


def held(watch: WatchRecord, seconds: float) -> DeliveryUpdate:
    """A delivery whose endpoint asked to be left alone."""
    return new_entry(
        new_event(), watch, RETRYING, attempts=1, attempt=new_attempt(code=429),
        wait=Wait(seconds=seconds, number=2), watch_effect=WatchEffect(hold=seconds),
    )  # fmt: skip


def gone(watch: WatchRecord, *, older: int = 0) -> DeliveryUpdate:
    """A delivery whose endpoint said that it is gone."""
    effect = WatchEffect(disable="gone", version=watch.version - older)
    return new_entry(new_event(), watch, FAILED, attempts=1, attempt=new_attempt(code=410), watch_effect=effect)


def unauthorized(watch: WatchRecord, *, older: int = 0) -> DeliveryUpdate:
    """A delivery for which there is no token until the watch is authorized."""
    effect = WatchEffect(pause="authorization required", version=watch.version - older)
    return new_entry(new_event(), watch, PENDING, wait=Wait(seconds=60, number=1), watch_effect=effect)


async def test_a_held_lane_gives_nothing_until_the_hold_is_over(store):
    watch, token = await store.watch(), await store.lease()
    update = await store.wait(watch)

    await record(store, token, held(watch, 60))

    assert await store.lane(watch) == (0, True, False, None, 6, 6)
    assert await store.waiting.pull(token, lanes=9) == []
    assert await store.slots.acquire(token, {watch.lane: 1}) == {watch.lane: 0}
    assert await store.slots.stopped([watch.lane]) == {watch.lane: True}
    await store.let_pass(60)
    assert update.id in [each.id for each in await store.waiting.pull(token, lanes=9)]


async def test_what_comes_to_a_held_lane_waits_for_the_end_of_the_hold(store):
    watch, token = await store.watch(), await store.lease()
    await record(store, token, held(watch, 600))

    await record(store, token, new_entry(new_event(), watch, PENDING, wait=Wait(seconds=0, number=1)))

    assert (await store.lane(watch))[4] == 60


async def test_a_held_lane_that_is_pulled_sleeps_until_the_hold_is_over(store):
    watch, token = await store.watch(), await store.lease()
    await store.wait(watch)
    ends = new_entry(new_event(), watch, FAILED, attempts=1, watch_effect=WatchEffect(hold=60))
    await record(store, token, ends)
    await store.replays.replay(watch.account, ends.id, owner=None, new_id=None)

    assert await store.waiting.pull(token, lanes=9) == []
    assert (await store.lane(watch))[4] == 6


@pytest.mark.parametrize(("first", "second"), [(600, 60), (60, 600)])
async def test_a_hold_is_prolonged_and_never_shortened(store, first, second):
    watch, token = await store.watch(), await store.lease()

    await record(store, token, held(watch, first))
    await record(store, token, held(watch, second))

    assert (await store.lane(watch))[5] == 60


async def test_of_several_holds_in_one_record_the_longest_counts(store):
    watch, token = await store.watch(), await store.lease()

    await record(store, token, held(watch, 60), held(watch, 600), held(watch, 5))

    assert (await store.lane(watch))[5] == 60


async def test_a_delivery_that_ends_holds_its_lane_as_well(store):
    watch, token = await store.watch(), await store.lease()

    await record(store, token, new_entry(new_event(), watch, FAILED, attempts=1, watch_effect=WatchEffect(hold=60)))

    assert (await store.lane(watch))[4:] == (None, 6)


async def test_a_paused_lane_that_is_held_is_not_woken(store):
    watch, token = await store.watch(paused=True), await store.lease()

    await record(store, token, held(watch, 60))

    assert (await store.lane(watch))[4:] == (None, 6)


async def test_gone_disables_the_watch_in_the_same_record_and_what_waits_is_cancelled(store):
    watch, token = await store.watch(), await store.lease()
    waiting = await store.wait(watch)
    before = (await store.source.changes_since(0)).version
    ends = gone(watch)

    await record(store, token, ends)

    changes = await store.source.changes_since(before)
    assert [(each.id, each.status, each.version) for each in changes.watches] == [(watch.id, DISABLED, before + 1)]
    assert changes.version == before + 1
    assert await store.slots.stopped([watch.lane]) == {watch.lane: True}
    assert await store.waiting.pull(token, lanes=9) == []
    assert await store.waiting.cancel_some(limit=9) == 1
    state = await store.snapshot()
    assert {id_: each[:2] for id_, each in state.log.items()} == {
        waiting.id: (CANCELLED, "gone"), ends.id: (FAILED, None),
    }  # fmt: skip
    assert state.watches == {watch.id: (DISABLED, "gone")}


async def test_what_comes_to_a_watch_in_the_record_that_ends_it_is_cancelled_too(store):
    watch, token = await store.watch(), await store.lease()
    later = new_entry(new_event(), watch, RETRYING, attempts=1, wait=Wait(seconds=3600, number=2))

    await record(store, token, gone(watch), later)

    assert await store.waiting.cancel_some(limit=9) == 1


@pytest.mark.parametrize("effect", [gone, unauthorized])
async def test_an_effect_on_a_watch_that_changed_since_leaves_it_alone(store, effect):
    watch, token = await store.watch(), await store.lease()
    before = (await store.source.changes_since(0)).version

    await record(store, token, effect(watch, older=1))

    assert (await store.snapshot()).watches == {watch.id: (ENABLED, None)}
    assert (await store.lane(watch))[2:4] == (False, None)
    assert (await store.source.changes_since(0)).version == before


async def test_of_two_effects_the_one_on_the_watch_as_it_is_counts(store):
    watch, token = await store.watch(), await store.lease()

    await record(store, token, gone(watch), gone(watch, older=1))

    assert (await store.snapshot()).watches == {watch.id: (DISABLED, "gone")}


@pytest.mark.parametrize("effect", [gone, unauthorized])
async def test_an_effect_recorded_twice_changes_the_watch_once(store, effect):
    watch, token = await store.watch(), await store.lease()
    update = effect(watch)
    await record(store, token, update)
    before = await store.snapshot(), (await store.source.changes_since(0)).version

    await record(store, token, update)

    assert (await store.snapshot(), (await store.source.changes_since(0)).version) == before


async def test_a_deleted_watch_stays_deleted(store):
    watch, token = await store.watch(), await store.lease()
    await store.delete(watch, reason="deleted")

    await record(store, token, gone(watch))

    assert (await store.lane(watch))[3] == "deleted"
    assert (await store.snapshot()).watches == {watch.id: (ENABLED, None)}


async def test_a_watch_without_authorization_is_paused_in_the_same_record_and_its_lane_gives_nothing(store):
    watch, token = await store.watch(), await store.lease()
    await store.wait(watch)
    await store.slots.acquire(token, {watch.lane: 1})

    await record(store, token, unauthorized(watch))

    assert (await store.snapshot()).watches == {watch.id: (PAUSED, "authorization required")}
    assert await store.slots.stopped([watch.lane]) == {watch.lane: True}
    await store.results.record(token, [], done=[], slots={watch.lane: 1})
    assert await store.waiting.pull(token, lanes=9) == []
    assert (await store.lane(watch))[2:5] == (True, None, None)


@pytest.mark.parametrize("first", [gone, unauthorized])
async def test_of_a_pause_and_an_end_in_one_record_the_end_counts(store, first):
    watch, token = await store.watch(), await store.lease()
    second = unauthorized if first is gone else gone

    await record(store, token, first(watch), second(watch))

    assert (await store.snapshot()).watches == {watch.id: (DISABLED, "gone")}
    assert (await store.lane(watch))[3] == "gone"


async def test_several_watches_are_paused_in_one_record(store):
    watches, token = [await store.watch() for _ in range(2)], await store.lease()

    await record(store, token, *(unauthorized(watch) for watch in [*watches, watches[0]]))

    state = await store.snapshot()
    assert {each[0] for each in state.watches.values()} == {PAUSED}
    assert {lane[2] for lane in state.lanes.values()} == {True}


@pytest.mark.parametrize("effect", [gone, unauthorized])
async def test_a_stale_lease_changes_no_watch(store, effect):
    watch, token = await store.watch(), await store.stale_lease()
    before = await store.snapshot()

    for update in (effect(watch), held(watch, 60)):
        with pytest.raises(LeaseLost):
            await record(store, token, update)

    assert await store.snapshot() == before
