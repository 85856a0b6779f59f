"""A record whose commit answer was lost is sent again, perhaps after others went on with what it left."""

import asyncio

import pytest

from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Payload, Wait
from tests.contract.world import World, moved, new_attempt, new_entry, new_event

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
PAYLOAD = Payload(method="POST", address="http://127.0.0.1/", body=b"{}")


def fails_for_now(entry: DeliveryUpdate, number: int, **values: object) -> DeliveryUpdate:
    attempt = new_attempt(number, code=500)
    wait = Wait(seconds=0, number=number + 1)
    return moved(entry, RETRYING, attempts=number, attempt=attempt, wait=wait, **values)


def arrives(entry: DeliveryUpdate, number: int) -> DeliveryUpdate:
    return moved(entry, DELIVERED, attempts=number, attempt=new_attempt(number))


async def finish(world: World, token: int, entry: DeliveryUpdate, number: int) -> None:
    """Take a waiting delivery and record that it arrived, as any worker may."""
    await world.lanes.pull(token, lanes=10)
    await world.results.record(token, [arrives(entry, number)], done=[], slots={entry.lane: 1})


@pytest.mark.parametrize("kind", ["arrived", "failed", "waits", "parked", "in flight", "failed again", "arrived again"])
async def test_a_record_sent_twice_leaves_what_it_left_once(world, kind):
    watch, token = await world.watch(), await world.lease()
    entry, done, slots = await record_of(kind, world, watch, token)
    await world.results.record(token, [entry], done=done, slots=slots)
    before = await world.everything()

    await world.results.record(token, [entry], done=done, slots=slots)

    assert await world.everything() == before


async def record_of(
    kind: str, world: World, watch: WatchRecord, token: int
) -> tuple[DeliveryUpdate, list[int], dict[int, int]]:
    if kind.endswith("again"):
        entry = await world.wait(watch, number=2, status=RETRYING, attempt=new_attempt(), payload=PAYLOAD)
        await world.lanes.pull(token, lanes=1)
        again = fails_for_now(entry, 2) if kind == "failed again" else arrives(entry, 2)
        return again, [], {watch.lane: 1}
    [event] = await world.accept(new_event())
    entry = new_entry(event, watch, PENDING)
    done = [claim.seq for claim in await world.outbox.claim(token, limit=1)]
    entries = {
        "arrived": new_entry(event, watch, DELIVERED, attempts=1, attempt=new_attempt()),
        "failed": new_entry(event, watch, FAILED, attempts=1, attempt=new_attempt(code=410), reason="gone"),
        "waits": fails_for_now(entry, 1, waited=False, payload=PAYLOAD),
        "parked": new_entry(event, watch, PENDING, wait=Wait(seconds=0, number=1)),
        "in flight": new_entry(event, watch, PENDING, wait=Wait(seconds=0, number=1, held=True)),
    }
    return entries[kind], done, {}


async def test_a_delivery_that_has_meanwhile_ended_does_not_wait_again(world):
    watch, token = await world.watch(), await world.lease()
    [event] = await world.accept(new_event())
    first = fails_for_now(new_entry(event, watch, PENDING), 1, waited=False, payload=PAYLOAD)
    await world.results.record(token, [first], done=[], slots={})
    await finish(world, await world.lease("other"), first, 2)

    await world.results.record(token, [first], done=[], slots={})

    assert await world.rows("SELECT status, attempts FROM delivery") == [(3, 2)]
    assert [await world.value(f"SELECT count(*) FROM {table}") for table in ("waiting", "payload")] == [0, 0]


async def test_a_delivery_that_has_meanwhile_gone_on_does_not_go_back(world):
    watch, token = await world.watch(), await world.lease()
    entry = await world.wait(watch)
    await world.lanes.pull(token, lanes=1)
    first = fails_for_now(entry, 1, payload=PAYLOAD)
    await world.results.record(token, [first], done=[], slots={watch.lane: 1})
    other = await world.lease("other")
    await world.lanes.pull(other, lanes=1)
    await world.results.record(other, [fails_for_now(entry, 2)], done=[], slots={watch.lane: 1})
    standing = "SELECT d.attempts, w.number FROM delivery d JOIN waiting w ON w.delivery_id = d.id"
    assert await world.rows(standing) == [(2, 3)]

    await world.results.record(token, [first], done=[], slots={watch.lane: 1})

    assert await world.rows(standing) == [(2, 3)]


async def test_records_that_wake_and_release_the_same_lanes_never_deadlock(world):
    watches = [await world.watch(slots=100) for _ in range(2)]
    token = await world.lease()
    await world.lanes.acquire(token, {watch.lane: 100 for watch in watches})

    async def record(waking: WatchRecord, releasing: WatchRecord) -> None:
        for _ in range(25):
            entry = new_entry(new_event(), waking, PENDING, wait=Wait(seconds=1, number=1))
            await world.results.record(token, [entry], done=[], slots={releasing.lane: 1})

    await asyncio.gather(*(record(*pair) for pair in (watches, watches[::-1]) * 2))

    assert await world.rows("SELECT in_use FROM lane") == [(50,), (50,)]
