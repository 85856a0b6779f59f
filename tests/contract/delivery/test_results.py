"""Records of what became of deliveries."""

from __future__ import annotations

import pytest

from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Payload, Wait
from hookward.domain.errors import LeaseLost
from tests.contract.delivery.worlds import DeliveryWorld
from tests.contract.world import moved, new_attempt, new_entry, new_event

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
PAYLOAD = Payload(method="POST", address="http://127.0.0.1/ü", body=b"\0")
SENT = ("POST", "http://127.0.0.1/ü", b"\0")


async def record(store: DeliveryWorld, token: int, *updates: DeliveryUpdate, done=(), slots=None) -> None:
    await store.results.record(token, updates, done=done, slots=slots or {})


def waits(watch: WatchRecord, seconds: float, *, held: bool = False, **values) -> DeliveryUpdate:
    return new_entry(new_event(), watch, PENDING, wait=Wait(seconds=seconds, number=1, held=held), **values)


def fails_for_now(update: DeliveryUpdate, number: int, *, seconds: float = 0, **values) -> DeliveryUpdate:
    wait = Wait(seconds=seconds, number=number + 1)
    return moved(update, RETRYING, attempts=number, attempt=new_attempt(number, code=500), wait=wait, **values)


def arrives(update: DeliveryUpdate, number: int) -> DeliveryUpdate:
    return moved(update, DELIVERED, attempts=number, attempt=new_attempt(number))


async def pulled(store: DeliveryWorld, watch: WatchRecord, token: int) -> DeliveryUpdate:
    """Return a delivery whose first attempt failed, pulled again under a lease."""
    update = await store.wait(watch, number=2, status=RETRYING, attempt=new_attempt(code=500), payload=PAYLOAD)
    [taken] = await store.waiting.pull(token, lanes=1)
    assert taken.id == update.id
    return update


async def test_a_delivery_that_arrives_is_logged_with_its_attempt_and_its_row_is_done(store):
    watch, token = await store.watch(), await store.lease()
    await store.accept_each(1)
    [claim] = await store.outbox.claim(token, limit=9)
    update = new_entry(new_event(), watch, DELIVERED, attempts=1, attempt=new_attempt())

    await record(store, token, update, done=[claim.seq])

    state = await store.snapshot()
    assert state.log == {update.id: (DELIVERED, None, 1, 200, [1], None)}
    assert (state.outbox, state.waiting, state.payloads) == ([], {}, {})


async def test_a_delivery_that_fails_for_now_waits_with_its_payload_and_wakes_its_lane(store):
    watch, token = await store.watch(), await store.lease()
    update = fails_for_now(waits(watch, 0), 1, seconds=30, waited=False, payload=PAYLOAD)

    await record(store, token, update)

    state = await store.snapshot()
    assert state.log == {update.id: (RETRYING, None, 1, 500, [1], None)}
    assert state.waiting == {update.id: (watch.id, None, 2, 0, 0, 0, None, 3)}
    assert state.payloads == {update.id: SENT}
    assert state.lanes == {watch.id: (0, False, False, None, 3, 0)}


async def test_a_delivery_that_fails_for_good_ends(store):
    watch, token = await store.watch(), await store.lease()
    update = new_entry(new_event(), watch, FAILED, attempts=1, attempt=new_attempt(code=410), reason="410 Gone")

    await record(store, token, update)

    state = await store.snapshot()
    assert (state.log, state.waiting) == ({update.id: (FAILED, "410 Gone", 1, 410, [1], None)}, {})


async def test_a_delivery_put_off_waits_for_any_worker_and_its_lane_is_behind(store):
    watch, token = await store.watch(), await store.lease()
    update = waits(watch, 0)

    await record(store, token, update)

    state = await store.snapshot()
    assert state.waiting == {update.id: (watch.id, None, 1, 0, 0, 0, None, 0)}
    assert state.lanes == {watch.id: (0, True, False, None, 0, 0)}


async def test_a_delivery_in_flight_waits_under_its_lease_and_wakes_no_lane(store):
    watch, token = await store.watch(), await store.lease()
    update = new_entry(new_event(), watch, PENDING, wait=Wait(seconds=0, number=1, held=True, crashes=2))

    await record(store, token, update)

    state = await store.snapshot()
    assert state.waiting == {update.id: (watch.id, "one", 1, 2, 0, 0, None, 0)}
    assert state.lanes == {watch.id: (0, False, False, None, None, 0)}


async def test_a_paused_lane_is_not_woken(store):
    watch, token = await store.watch(paused=True), await store.lease()

    await record(store, token, waits(watch, 0))

    assert (await store.lane(watch))[2:5] == (True, None, None)


async def test_what_comes_to_a_closing_lane_is_cancelled_at_once(store):
    watch, token = await store.watch(), await store.lease()
    await store.delete(watch, reason="deleted")
    await store.waiting.cancel_some(limit=9)
    update = waits(watch, 3600, payload=PAYLOAD)

    await record(store, token, update)

    assert await store.waiting.cancel_some(limit=9) == 1
    state = await store.snapshot()
    assert (state.log[update.id][:2], state.waiting, state.payloads) == ((CANCELLED, "deleted"), {}, {})


async def test_the_soonest_of_several_wakes_the_lane(store):
    watch, token = await store.watch(), await store.lease()

    await record(store, token, waits(watch, 600), waits(watch, 60), waits(watch, 120))

    assert (await store.lane(watch))[4] == 6


async def test_a_waiting_delivery_that_arrives_leaves_only_its_log(store):
    watch, token = await store.watch(), await store.lease()
    update = await pulled(store, watch, token)

    await record(store, token, arrives(update, 2), slots={watch.lane: 1})

    state = await store.snapshot()
    assert state.log == {update.id: (DELIVERED, None, 2, 200, [1, 2], None)}
    assert (state.waiting, state.payloads, state.grants) == ({}, {}, {})
    assert state.lanes[watch.id][0] == 0


async def test_a_waiting_delivery_that_fails_again_waits_again_with_the_payload_it_had(store):
    watch, token = await store.watch(), await store.lease("dead")
    update = await pulled(store, watch, token)
    await store.leases.abandon(token)
    await store.leases.take_over()
    token = await store.lease()
    [again] = await store.waiting.pull(token, lanes=1)
    assert (again.crashes, again.alone) == (1, 1)
    other = Payload(method="PUT", address="", body=None)

    await record(store, token, fails_for_now(update, 2, seconds=300, payload=other), slots={watch.lane: 1})

    state = await store.snapshot()
    assert state.waiting == {update.id: (watch.id, None, 3, 0, 0, 0, None, 30)}
    assert (state.payloads, state.log[update.id][3]) == ({update.id: SENT}, 500)


async def test_a_waiting_delivery_that_is_not_attempted_keeps_its_crashes_and_what_the_last_attempt_said(store):
    watch, token = await store.watch(), await store.lease("dead")
    update = await pulled(store, watch, token)
    await store.leases.abandon(token)
    await store.leases.take_over()
    token = await store.lease()
    await store.waiting.pull(token, lanes=1)

    await record(store, token, moved(update, RETRYING, attempts=1, wait=Wait(seconds=10, number=2)))
    waiting = (await store.snapshot()).waiting[update.id]
    await store.let_pass(10)
    await store.waiting.pull(token, lanes=1)
    await record(store, token, moved(update, CANCELLED, attempts=1, reason="the watch is disabled"))

    assert waiting[3:5] == (1, 1)
    assert (await store.snapshot()).log[update.id] == (CANCELLED, "the watch is disabled", 1, 500, [1], None)


async def test_the_same_delivery_may_begin_to_wait_and_end_in_one_record(store):
    watch, token = await store.watch(), await store.lease()
    held = waits(watch, 0, held=True)

    await record(store, token, held, arrives(held, 1))

    state = await store.snapshot()
    assert (state.log, state.waiting) == ({held.id: (DELIVERED, None, 1, 200, [1], None)}, {})


async def test_what_another_lease_holds_is_neither_done_nor_moved(store):
    watch, token, other = await store.watch(), await store.lease(), await store.lease("two")
    await store.accept_each(1)
    [claim] = await store.outbox.claim(other, limit=9)
    update = await pulled(store, watch, other)
    before = await store.snapshot()

    await record(store, token, fails_for_now(update, 1, seconds=60), done=[claim.seq])

    after = await store.snapshot()
    assert (after.outbox, after.waiting) == (before.outbox, before.waiting)


@pytest.mark.parametrize(
    "kind", ["arrived", "failed", "waits", "put off", "in flight", "failed again", "arrived again"]
)
async def test_a_record_sent_twice_leaves_what_it_left_once(store, kind):
    watch, token = await store.watch(), await store.lease()
    waiting = await pulled(store, watch, token)
    updates = {
        "arrived": new_entry(new_event(), watch, DELIVERED, attempts=1, attempt=new_attempt()),
        "failed": new_entry(new_event(), watch, FAILED, attempts=1, attempt=new_attempt(code=410), reason="gone"),
        "waits": fails_for_now(waits(watch, 0), 1, waited=False, payload=PAYLOAD),
        "put off": waits(watch, 0),
        "in flight": waits(watch, 0, held=True),
        "failed again": fails_for_now(waiting, 2),
        "arrived again": arrives(waiting, 2),
    }
    await record(store, token, updates[kind], slots={watch.lane: 1})
    before = await store.snapshot()

    await record(store, token, updates[kind], slots={watch.lane: 1})

    assert await store.snapshot() == before


async def test_a_delivery_that_has_ended_since_does_not_wait_again(store):
    watch, token, other = await store.watch(), await store.lease(), await store.lease("two")
    first = fails_for_now(waits(watch, 0), 1, waited=False, payload=PAYLOAD)
    await record(store, token, first)
    await store.waiting.pull(other, lanes=9)
    await record(store, other, arrives(first, 2), slots={watch.lane: 1})

    await record(store, token, first)

    state = await store.snapshot()
    assert (state.log, state.waiting) == ({first.id: (DELIVERED, None, 2, 200, [1, 2], None)}, {})
    assert state.payloads == {}


async def test_a_delivery_that_has_gone_on_since_does_not_go_back(store):
    watch, token, other = await store.watch(), await store.lease(), await store.lease("two")
    update = await store.wait(watch)
    await store.waiting.pull(token, lanes=1)
    first = fails_for_now(update, 1, payload=PAYLOAD)
    await record(store, token, first, slots={watch.lane: 1})
    await store.waiting.pull(other, lanes=1)
    await record(store, other, fails_for_now(update, 2), slots={watch.lane: 1})
    before = await store.snapshot()

    await record(store, token, first, slots={watch.lane: 1})

    after = await store.snapshot()
    assert (after.log, after.waiting) == (before.log, before.waiting)


async def test_a_stale_lease_records_nothing(store):
    watch, token = await store.watch(), await store.lease()
    waiting = await pulled(store, watch, token)
    await store.accept_each(1)
    [claim] = await store.outbox.claim(token, limit=9)
    await store.leases.abandon(token)
    fresh = fails_for_now(waits(watch, 0), 1, waited=False, payload=PAYLOAD)
    before = await store.snapshot()

    for updates in ([fresh], [arrives(waiting, 2)], [fresh, arrives(waiting, 2)], []):
        with pytest.raises(LeaseLost):
            await record(store, token, *updates, done=[claim.seq], slots={watch.lane: 1})

    assert await store.snapshot() == before
