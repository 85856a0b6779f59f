"""Slots of lanes, counted for all workers, and pulls of what waits and is due."""

from __future__ import annotations

import pytest

from hookward.application.delivery.poller import DueDelivery
from hookward.domain.delivery.model import DeliveryStatus, Payload, WatchEffect
from hookward.domain.errors import LeaseLost
from tests.contract.delivery.worlds import DeliveryWorld
from tests.contract.world import SLOTS, new_attempt, new_entry, new_event

RETRYING, FAILED = DeliveryStatus.RETRYING, DeliveryStatus.FAILED
STOPS = ["paused", "closing", "held", "behind"]


async def stop(store: DeliveryWorld, watch, how: str) -> None:
    """Stop a lane, or leave it with a backlog."""
    match how:
        case "paused":
            await store.pause(watch)
        case "closing":
            await store.delete(watch, reason="deleted")
        case "held":
            update = new_entry(new_event(), watch, FAILED, attempts=1, watch_effect=WatchEffect(hold=3600))
            await store.results.record(await store.lease("other"), [update], done=[], slots={})
        case _:
            await store.wait(watch)


async def release(store: DeliveryWorld, token: int, slots: dict[int, int]) -> None:
    await store.results.record(token, [], done=[], slots=slots)


async def test_slots_are_granted_up_to_what_the_lane_has(store):
    watch = await store.watch()
    first, second = await store.lease("one"), await store.lease("two")

    granted = [await store.slots.acquire(token, {watch.lane: 3}) for token in (first, second, second)]

    assert granted == [{watch.lane: 3}, {watch.lane: SLOTS - 3}, {watch.lane: 0}]
    state = await store.snapshot()
    assert state.grants == {(watch.id, "one"): 3, (watch.id, "two"): SLOTS - 3}
    assert state.lanes[watch.id][0] == SLOTS


async def test_a_watch_may_have_slots_of_its_own(store):
    few, many = await store.watch(slots=1), await store.watch(slots=9)

    granted = await store.slots.acquire(await store.lease(), {few.lane: 100, many.lane: 100})

    assert granted == {few.lane: 1, many.lane: 9}


@pytest.mark.parametrize("how", STOPS)
async def test_a_lane_that_takes_nothing_new_gives_no_slots(store, how):
    watch, open_ = await store.watch(), await store.watch()
    await stop(store, watch, how)
    lanes = [watch.lane, open_.lane]

    granted = await store.slots.acquire(await store.lease(), dict.fromkeys(lanes, 1))

    assert granted == {watch.lane: 0, open_.lane: 1}
    assert await store.slots.stopped(lanes) == {watch.lane: how != "behind"}


async def test_a_lane_that_is_gone_gives_no_slots(store):
    assert await store.slots.acquire(await store.lease(), {12345: 1}) == {}
    assert await store.slots.stopped([12345]) == {}


async def test_a_stale_lease_acquires_nothing(store):
    watch, token = await store.watch(), await store.stale_lease()
    before = await store.snapshot()

    with pytest.raises(LeaseLost):
        await store.slots.acquire(token, {watch.lane: 1})

    assert await store.snapshot() == before


async def test_a_release_of_more_than_was_granted_gives_back_what_was_granted(store):
    watch = await store.watch()
    mine, other = await store.lease("one"), await store.lease("two")
    await store.slots.acquire(mine, {watch.lane: 1})
    await store.slots.acquire(other, {watch.lane: 2})

    for _ in range(2):
        await release(store, mine, {watch.lane: 2})

    state = await store.snapshot()
    assert (state.grants, state.lanes[watch.id][0]) == ({(watch.id, "two"): 2}, 2)


async def test_a_release_wakes_a_lane_that_is_behind_and_no_other(store):
    behind, idle = await store.watch(slots=1), await store.watch()
    token = await store.lease()
    for watch in (behind, behind, idle):
        await store.wait(watch)
    await store.waiting.pull(token, lanes=9)
    assert [(await store.lane(watch))[4] for watch in (behind, idle)] == [None, None]

    await release(store, token, {behind.lane: 1, idle.lane: 1})

    assert [(await store.lane(watch))[:5] for watch in (behind, idle)] == [
        (0, True, False, None, 0), (0, False, False, None, None),
    ]  # fmt: skip


async def test_a_release_of_slots_that_a_lease_never_had_wakes_no_lane(store):
    watch, token = await store.watch(slots=1), await store.lease()
    for _ in range(2):
        await store.wait(watch)
    await store.waiting.pull(await store.lease("two"), lanes=9)

    await release(store, token, {watch.lane: 1})

    assert await store.lane(watch) == (1, True, False, None, None, 0)


async def test_a_release_does_not_wake_a_held_lane_early(store):
    watch, token = await store.watch(slots=1), await store.lease()
    for _ in range(2):
        await store.wait(watch)
    await store.waiting.pull(token, lanes=9)
    await stop(store, watch, "held")

    await release(store, token, {watch.lane: 1})

    assert (await store.lane(watch))[4] == 360


async def test_a_pull_takes_what_is_due_with_all_it_takes_to_send_it(store):
    watch, token = await store.watch(), await store.lease()
    fresh = await store.wait(watch)
    payload = Payload(method="PUT", address="http://127.0.0.1/ü", body=b"\0")
    again = await store.wait(watch, number=3, status=RETRYING, attempt=new_attempt(2), payload=payload)

    pulled = {each.id: each for each in await store.waiting.pull(token, lanes=9)}

    event = (await store.outbox.events([fresh.event]))[fresh.event]
    assert pulled[fresh.id] == DueDelivery(
        id=fresh.id, lane=watch.lane, event_id=fresh.event, number=1, crashes=0, watch=watch.id, event=event,
        payload=None,
    )  # fmt: skip
    assert (pulled[again.id].number, pulled[again.id].payload) == (3, payload)
    assert {row[1] for row in (await store.snapshot()).waiting.values()} == {"one"}


async def test_beside_its_payload_an_event_comes_without_its_content(store):
    payload = Payload(method="PUT", address="", body=b"1")
    await store.wait(await store.watch(), number=2, status=RETRYING, attempt=new_attempt(), payload=payload)

    [pulled] = await store.waiting.pull(await store.lease(), lanes=9)

    assert pulled.event is not None
    assert (pulled.event.body, pulled.event.resource_id) == (b"", "7")


async def test_a_pull_takes_the_oldest_due_first_as_far_as_slots_go(store):
    watch = await store.watch(slots=2)
    entries = [await store.wait(watch, due=due) for due in (-1, -3, -2, 60)]

    pulled = await store.waiting.pull(await store.lease(), lanes=9)

    assert {each.id for each in pulled} == {entries[1].id, entries[2].id}
    assert await store.lane(watch) == (2, True, False, None, None, 0)


async def test_nothing_is_pulled_before_it_is_due(store):
    watch = await store.watch()
    await store.wait(watch, due=60)

    assert await store.waiting.pull(await store.lease(), lanes=9) == []
    assert await store.lane(watch) == (0, False, False, None, 6, 0)
    assert 59 < (await store.waiting.next_wake() or 0) <= 60


async def test_a_lane_that_was_emptied_sleeps(store):
    watch = await store.watch()
    await store.wait(watch)
    await store.waiting.pull(await store.lease(), lanes=9)

    assert await store.lane(watch) == (1, False, False, None, None, 0)
    assert await store.waiting.next_wake() is None


async def test_a_lane_with_a_retry_later_wakes_for_it(store):
    watch = await store.watch()
    for due in (0, 60):
        await store.wait(watch, due=due)
    await store.waiting.pull(await store.lease(), lanes=9)

    assert await store.lane(watch) == (1, False, False, None, 6, 0)


async def test_a_pull_takes_the_lanes_that_are_due_longest_first(store):
    watches = [await store.watch() for _ in range(3)]
    for watch, due in zip(watches, (-1, -3, -2), strict=True):
        await store.wait(watch, due=due)

    pulled = [[each.watch for each in await store.waiting.pull(await store.lease(), lanes=1)] for _ in range(3)]

    assert pulled == [[watches[1].id], [watches[2].id], [watches[0].id]]


async def test_slots_that_others_hold_are_not_taken(store):
    watch = await store.watch()
    await store.slots.acquire(await store.lease("other"), {watch.lane: SLOTS - 1})
    for _ in range(2):
        await store.wait(watch)

    assert len(await store.waiting.pull(await store.lease(), lanes=9)) == 1
    assert await store.lane(watch) == (SLOTS, True, False, None, None, 0)


@pytest.mark.parametrize("how", ["paused", "closing"])
async def test_a_lane_that_is_stopped_is_not_pulled(store, how):
    watch, token = await store.watch(), await store.lease()
    await store.wait(watch)
    await stop(store, watch, how)
    before = await store.snapshot()

    assert await store.waiting.pull(token, lanes=9) == []
    assert await store.snapshot() == before


async def test_a_stale_lease_pulls_nothing(store):
    await store.wait(await store.watch())
    token = await store.stale_lease()
    before = await store.snapshot()

    assert await store.waiting.pull(token, lanes=9) == []
    assert await store.snapshot() == before


async def test_a_delivery_whose_event_is_gone_comes_without_it_and_its_payload(store):
    payload = Payload(method="PUT", address="", body=b"1")
    await store.wait(await store.watch(), number=2, status=RETRYING, attempt=new_attempt(), payload=payload)
    await store.delete_events()

    [pulled] = await store.waiting.pull(await store.lease(), lanes=9)

    assert (pulled.event, pulled.payload) == (None, None)


async def test_what_waits_in_a_closing_lane_is_cancelled_in_chunks_with_the_reason(store):
    gone, kept = await store.watch(), await store.watch()
    payload = Payload(method="PUT", address="", body=b"1")
    cancelled = [(await store.wait(gone, due=60, payload=payload)).id for _ in range(3)]
    left = await store.wait(kept, due=60, payload=payload)
    await store.delete(gone, reason="the watch was deleted")

    counts = [await store.waiting.cancel_some(limit=2) for _ in range(3)]

    state = await store.snapshot()
    assert counts == [2, 1, 0]
    assert {id_ for id_, each in state.log.items() if each[:2] == (5, "the watch was deleted")} == set(cancelled)
    assert (set(state.waiting), set(state.payloads)) == ({left.id}, {left.id})
    assert state.lanes[gone.id] == (0, False, False, "the watch was deleted", None, 0)


async def test_a_chunk_that_empties_the_lane_exactly_is_followed_by_one_of_nothing(store):
    watch = await store.watch()
    for _ in range(2):
        await store.wait(watch)
    await store.delete(watch, reason="why")

    assert [await store.waiting.cancel_some(limit=2) for _ in range(2)] == [2, 0]
    assert (await store.lane(watch))[4] is None


async def test_what_is_in_flight_is_left_to_its_worker(store):
    watch, token = await store.watch(), await store.lease()
    update = await store.wait(watch)
    await store.waiting.pull(token, lanes=9)
    await store.delete(watch, reason="why")

    assert await store.waiting.cancel_some(limit=9) == 0
    assert (await store.snapshot()).waiting[update.id][1] == "one"
