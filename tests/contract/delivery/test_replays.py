"""Replays: what has ended waits again, once, and is rendered again."""

from __future__ import annotations

import pytest

from hookward.application.history.replays import MAX_ATTEMPTS, Replayed
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Payload, Wait, WatchEffect
from hookward.domain.ids import AccountId, DeliveryId
from tests.contract.delivery.worlds import DeliveryWorld
from tests.contract.world import ACCOUNT, moved, new_attempt, new_entry, new_event, new_id

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
PAYLOAD = Payload(method="POST", address="", body=b"old")


async def ended(store: DeliveryWorld, status: DeliveryStatus = FAILED, *, attempts: int = 2, watch=None):
    """Return a watch, and a delivery that has had some attempts and has ended."""
    watch = watch or await store.watch()
    [event] = await store.store_events(new_event().change)
    update = DeliveryUpdate(
        id=DeliveryId(new_id()), account=event.account, event=event.id, watch=watch.id, lane=watch.lane,
        resource_type=event.resource_type, kind=event.kind, resource_id=event.resource_id, status=status,
        attempts=attempts, waited=False, reason="no success", attempt=new_attempt(attempts, code=503),
    )  # fmt: skip
    await store.results.record(await store.lease(), [update], done=[], slots={})
    return watch, update


async def replay(store: DeliveryWorld, id_: bytes, *, account: int = ACCOUNT, owner=None, new_id=None) -> Replayed:
    return await store.replays.replay(
        AccountId(account), DeliveryId(id_), owner=owner, new_id=None if new_id is None else DeliveryId(new_id)
    )


@pytest.mark.parametrize("status", [DELIVERED, FAILED, CANCELLED])
async def test_what_has_ended_waits_again_and_goes_on_counting(store, status):
    watch, update = await ended(store, status)

    assert await replay(store, update.id) is Replayed.YES

    assert await store.lane(watch) == (0, True, False, None, 0, 0)
    [pulled] = await store.waiting.pull(await store.lease(), lanes=9)
    assert (pulled.id, pulled.number, pulled.base, pulled.replay_of, pulled.payload) == (update.id, 3, 2, None, None)
    assert (await store.snapshot()).log == {update.id: (PENDING, None, 2, 503, [2], None)}


async def test_a_replay_with_an_id_of_its_own_is_a_delivery_that_names_the_first(store):
    _watch, update = await ended(store)
    mine = new_id()

    assert await replay(store, update.id, new_id=mine) is Replayed.YES

    [pulled] = await store.waiting.pull(await store.lease(), lanes=9)
    assert (pulled.id, pulled.number, pulled.base, pulled.replay_of) == (mine, 1, 0, update.id)
    assert (await store.snapshot()).log == {
        update.id: (FAILED, "no success", 2, 503, [2], None),
        mine: (PENDING, None, 0, None, [], update.id),
    }


async def test_a_replay_that_fails_and_succeeds_ends_as_any_delivery(store):
    watch, update = await ended(store)
    await replay(store, update.id)
    token = await store.lease()
    await store.waiting.pull(token, lanes=9)
    new = Payload(method="POST", address="", body=b"new")

    again = moved(
        update, RETRYING, attempts=3, reason=None, attempt=new_attempt(3, code=500), wait=Wait(seconds=0, number=4),
        payload=new,
    )  # fmt: skip
    await store.results.record(token, [again], done=[], slots={watch.lane: 1})
    [pulled] = await store.waiting.pull(token, lanes=9)
    over = moved(update, DELIVERED, attempts=4, reason=None, attempt=new_attempt(4))
    await store.results.record(token, [over], done=[], slots={watch.lane: 1})

    assert (pulled.number, pulled.base, pulled.payload) == (4, 2, new)
    state = await store.snapshot()
    assert state.log == {update.id: (DELIVERED, None, 4, 200, [2, 3, 4], None)}
    assert (state.waiting, state.payloads) == ({}, {})


@pytest.mark.parametrize("status", [PENDING, RETRYING])
async def test_what_waits_for_its_next_attempt_is_due_at_once_and_rendered_again(store, status):
    update = await store.wait(await store.watch(), due=3600, number=3, status=status, payload=PAYLOAD)
    assert await store.waiting.pull(await store.lease(), lanes=9) == []

    assert await replay(store, update.id) is Replayed.YES

    [pulled] = await store.waiting.pull(await store.lease(), lanes=9)
    assert (pulled.id, pulled.number, pulled.base, pulled.replay_of, pulled.payload) == (update.id, 3, 2, None, None)
    state = await store.snapshot()
    assert (state.payloads, state.log[update.id][:3]) == ({}, (PENDING, None, 2))


async def test_what_is_open_is_replayed_with_an_id_of_its_own_beside_it(store):
    update = await store.wait(await store.watch(), due=3600, payload=PAYLOAD)
    mine = new_id()

    assert await replay(store, update.id, new_id=mine) is Replayed.YES

    [pulled] = await store.waiting.pull(await store.lease(), lanes=9)
    assert (pulled.id, pulled.replay_of) == (mine, update.id)
    state = await store.snapshot()
    assert (state.waiting[update.id][1], state.waiting[update.id][-1], set(state.payloads)) == (None, 360, {update.id})


async def test_what_cannot_be_replayed_is_left_as_it_is_and_says_why(store):
    _, update = await ended(store)
    flying = await store.wait(await store.watch())
    await store.waiting.pull(await store.lease(), lanes=9)
    before = await store.snapshot()

    assert await replay(store, new_id()) is Replayed.UNKNOWN
    assert await replay(store, update.id, account=2) is Replayed.UNKNOWN
    assert await replay(store, update.id, owner="north") is Replayed.UNKNOWN
    assert await replay(store, flying.id) is Replayed.IN_FLIGHT
    assert await store.snapshot() == before


async def test_a_replay_needs_its_event(store):
    _, update = await ended(store)
    await store.delete_events()

    assert await replay(store, update.id) is Replayed.EVENT_GONE
    assert (await store.snapshot()).waiting == {}


async def test_a_replay_needs_a_watch_that_is_not_deleted(store):
    watch, update = await ended(store)
    await store.delete(watch, reason="deleted")

    assert await replay(store, update.id) is Replayed.WATCH_DELETED
    assert (await store.snapshot()).waiting == {}


async def test_a_replay_needs_a_watch_that_is_not_disabled(store):
    watch, update = await ended(store)
    gone = new_entry(
        new_event(), watch, FAILED, attempts=1, watch_effect=WatchEffect(disable="gone", version=watch.version)
    )
    await store.results.record(await store.lease(), [gone], done=[], slots={})

    assert await replay(store, update.id) is Replayed.WATCH_DISABLED
    assert (await store.snapshot()).waiting == {}


async def test_what_was_sent_often_is_replayed_under_another_id_only(store):
    _, update = await ended(store, attempts=MAX_ATTEMPTS)

    assert await replay(store, update.id) is Replayed.SENT_OFTEN
    assert (await store.snapshot()).waiting == {}
    assert await replay(store, update.id, new_id=new_id()) is Replayed.YES


async def test_an_owner_replays_deliveries_of_the_owner_s_watches(store):
    _, update = await ended(store, watch=await store.watch(owner="north"))

    assert await replay(store, update.id, owner="south") is Replayed.UNKNOWN
    assert await replay(store, update.id, owner="north") is Replayed.YES


async def test_a_replay_for_a_paused_watch_waits_until_it_goes_on(store):
    watch, update = await ended(store, watch=await store.watch(paused=True))

    assert await replay(store, update.id) is Replayed.YES
    assert await store.waiting.pull(await store.lease(), lanes=9) == []
    assert await store.lane(watch) == (0, True, True, None, None, 0)
