"""Leases: how they end, and what becomes of what was held under them."""

from __future__ import annotations

import pytest

from hookward.domain.delivery.model import POISON_CRASHES
from hookward.domain.errors import LeaseLost
from tests.contract.delivery.worlds import LEASE, DeliveryWorld


async def some_of_everything(store: DeliveryWorld, token: int):
    """Hold an outbox row, a waiting delivery and a slot under a lease; return the watch."""
    watch = await store.watch()
    await store.wait(watch)
    await store.accept_each(1)
    await store.outbox.claim(token, limit=1)
    await store.waiting.pull(token, lanes=9)
    return watch


async def crashes(store: DeliveryWorld) -> list[tuple[int, int]]:
    """Crashes, and crashes alone, of outbox rows and of waiting deliveries."""
    state = await store.snapshot()
    return [(row[3], row[4]) for row in state.outbox] + [(row[3], row[4]) for row in state.waiting.values()]


async def test_take_over_frees_what_an_ended_lease_held_and_counts_a_crash(store):
    token = await store.lease("dead")
    watch = await some_of_everything(store, token)
    await store.leases.abandon(token)

    assert await store.leases.take_over() == (1, 1, 1)

    state = await store.snapshot()
    assert [row[1] for row in state.outbox] + [row[1] for row in state.waiting.values()] == [None, None]
    assert (await crashes(store), state.grants) == ([(1, 0), (1, 0)], {})
    assert state.lanes[watch.id] == (0, True, False, None, 0, 0)
    assert await store.leases.take_over() == (0, 0, 0)


async def test_take_over_leaves_the_living_alone(store):
    await some_of_everything(store, await store.lease("alive"))
    before = await store.snapshot()

    assert await store.leases.take_over() == (0, 0, 0)

    assert await store.snapshot() == before


async def test_take_over_gives_back_only_the_slots_of_the_dead(store):
    watch = await store.watch()
    dead, alive = await store.lease("dead"), await store.lease("alive")
    await store.slots.acquire(dead, {watch.lane: 1})
    await store.slots.acquire(alive, {watch.lane: 2})
    await store.leases.abandon(dead)

    await store.leases.take_over()

    state = await store.snapshot()
    assert (state.grants, state.lanes[watch.id]) == ({(watch.id, "alive"): 2}, (2, False, False, None, None, 0))


async def test_several_leases_are_taken_over_together(store):
    for worker in ("one", "two"):
        token = await store.lease(worker)
        await some_of_everything(store, token)
        await store.leases.abandon(token)

    assert await store.leases.take_over() == (2, 2, 2)
    assert await crashes(store) == [(1, 0)] * 4


async def test_the_only_suspect_among_what_a_worker_died_with_is_the_cause(store):
    [suspect] = [await store.wait(await store.watch())]
    for _ in range(POISON_CRASHES):
        token = await store.lease("dead")
        await store.waiting.pull(token, lanes=9)
        await store.leases.abandon(token)
        await store.leases.take_over()
    other = await store.wait(await store.watch())
    token = await store.lease("dead")
    assert len(await store.waiting.pull(token, lanes=9)) == 2
    await store.leases.abandon(token)

    await store.leases.take_over()

    waiting = (await store.snapshot()).waiting
    assert (waiting[suspect.id][3:5], waiting[other.id][3:5]) == ((4, 4), (1, 0))


async def test_a_paused_lane_is_not_woken_by_a_take_over(store):
    token = await store.lease("dead")
    watch = await some_of_everything(store, token)
    await store.pause(watch)
    await store.leases.abandon(token)

    await store.leases.take_over()

    assert (await store.lane(watch))[:5] == (0, True, True, None, None)


async def test_what_a_closing_lane_gets_back_is_cancelled(store):
    token = await store.lease("dead")
    watch = await some_of_everything(store, token)
    await store.delete(watch, reason="deleted")
    assert await store.waiting.cancel_some(limit=9) == 0
    await store.leases.abandon(token)

    await store.leases.take_over()

    assert await store.waiting.cancel_some(limit=9) == 1
    assert (await store.lane(watch))[0] == 0


@pytest.mark.parametrize("how", ["abandoned", "ended", "taken over", "never begun"])
async def test_a_lease_that_has_ended_cannot_be_renewed(store, how):
    token = await store.lease()
    match how:
        case "abandoned":
            await store.leases.abandon(token)
        case "ended":
            await store.leases.end(token)
        case "taken over":
            await store.leases.abandon(token)
            await store.leases.take_over()
        case _:
            token += 1000
    before = await store.snapshot()

    with pytest.raises(LeaseLost):
        await store.leases.renew(token, LEASE)

    assert await store.snapshot() == before


async def test_a_lease_is_renewed_and_goes_on(store):
    token = await store.lease()

    await store.leases.renew(token, LEASE)

    assert await store.outbox.claim(token, limit=1) == []
    assert (await store.snapshot()).leases == {"one"}


async def test_an_end_frees_what_is_still_held_without_counting_a_crash(store):
    token = await store.lease()
    watch = await some_of_everything(store, token)

    await store.leases.end(token)

    state = await store.snapshot()
    assert [row[1] for row in state.outbox] + [row[1] for row in state.waiting.values()] == [None, None]
    assert (await crashes(store), state.grants, state.leases) == ([(0, 0), (0, 0)], {}, set())
    assert state.lanes[watch.id] == (0, True, False, None, 0, 0)


async def test_an_end_wakes_a_lane_that_was_behind(store):
    watch, token = await store.watch(slots=1), await store.lease()
    for _ in range(2):
        await store.wait(watch)
    await store.waiting.pull(token, lanes=1)

    await store.leases.end(token)

    assert len(await store.waiting.pull(await store.lease(), lanes=1)) == 1
