"""Replays: what has ended waits again, once, rendered again."""

import asyncio

import msgspec
import pytest

from hookward.adapters.postgres.history.replays import PostgresReplays
from hookward.application.history.replays import Replayed
from hookward.domain.delivery.model import DeliveryStatus, Payload, Wait
from hookward.domain.ids import AccountId, DeliveryId, WatchId
from tests.contract.world import ACCOUNT, World, moved, new_attempt, new_entry, new_event, new_id, new_watch

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus


async def ended(world: World, status: DeliveryStatus = FAILED, **values):
    """A delivery that has had two attempts and has ended."""
    watch = await world.watch(**values)
    [event] = await world.accept(new_event())
    await world.rows("DELETE FROM outbox")
    entry = new_entry(event, watch, status, attempts=2, reason="no success", attempt=new_attempt(2, code=503))
    await world.results.record(await world.lease(), [entry], done=[], slots={})
    return watch, entry


async def replay(world: World, id_: bytes, *, account: int = ACCOUNT, owner=None, new_id=None) -> Replayed:
    return await PostgresReplays(world.database).replay(
        AccountId(account), DeliveryId(id_), owner=owner, new_id=None if new_id is None else DeliveryId(new_id)
    )


@pytest.mark.parametrize("status", [DELIVERED, FAILED, CANCELLED])
async def test_what_has_ended_waits_again_and_goes_on_counting(world, status):
    _watch, entry = await ended(world, status)

    assert await replay(world, entry.id) is Replayed.YES

    [pulled] = await world.lanes.pull(await world.lease(), lanes=9)
    assert (pulled.id, pulled.number, pulled.base, pulled.replay_of, pulled.payload) == (entry.id, 3, 2, None, None)
    found = await world.log.delivery(ACCOUNT, entry.id)
    assert found is not None
    assert (found[0].status, found[0].reason, found[0].finished, found[0].attempts) == (PENDING, None, None, 2)


async def test_a_replay_with_an_id_of_its_own_is_a_delivery_that_names_the_first(world):
    _watch, entry = await ended(world)
    mine = new_id()

    assert await replay(world, entry.id, new_id=mine) is Replayed.YES

    [pulled] = await world.lanes.pull(await world.lease(), lanes=9)
    assert (pulled.id, pulled.number, pulled.base, pulled.replay_of) == (mine, 1, 0, entry.id)
    first, second = [await world.log.delivery(ACCOUNT, DeliveryId(id_)) for id_ in (entry.id, mine)]
    assert first is not None
    assert second is not None
    assert (first[0].status, first[0].attempts) == (FAILED, 2)
    assert (second[0].status, second[0].attempts, second[0].replay_of, second[0].event) == (
        PENDING, 0, entry.id, entry.event,
    )  # fmt: skip


async def test_a_replay_that_succeeds_ends_as_any_delivery(world):
    watch, entry = await ended(world)
    await replay(world, entry.id)
    token = await world.lease()
    await world.lanes.pull(token, lanes=9)

    again = moved(entry, RETRYING, attempts=3, attempt=new_attempt(3, code=500), wait=Wait(seconds=0, number=4),
                  payload=Payload(method="POST", address="", body=b"new"))  # fmt: skip
    await world.results.record(token, [again], done=[], slots={watch.lane: 1})
    [pulled] = await world.lanes.pull(token, lanes=9)
    assert (pulled.number, pulled.base, pulled.payload and pulled.payload.body) == (4, 2, b"new")
    over = moved(entry, DELIVERED, attempts=4, attempt=new_attempt(4))
    await world.results.record(token, [over], done=[], slots={watch.lane: 1})

    found = await world.log.delivery(ACCOUNT, entry.id)
    assert found is not None
    assert (found[0].status, [each.number for each in found[1]]) == (DELIVERED, [2, 3, 4])
    assert await world.rows("SELECT 1 FROM waiting UNION ALL SELECT 1 FROM payload") == []


async def test_what_was_sent_before_is_not_sent_again(world):
    _watch, entry = await ended(world)
    await world.rows("INSERT INTO payload VALUES ($1, 'POST', '', 'old')", entry.id)

    await replay(world, entry.id)

    [pulled] = await world.lanes.pull(await world.lease(), lanes=9)
    assert pulled.payload is None


async def test_of_many_replays_at_once_one_counts(world):
    _, entry = await ended(world)

    came = await asyncio.gather(*(replay(world, entry.id) for _ in range(8)))

    assert set(came) <= {Replayed.YES, Replayed.IN_FLIGHT}
    assert Replayed.YES in came
    assert await world.value("SELECT count(*) FROM waiting") == 1


@pytest.mark.parametrize("status", [PENDING, RETRYING])
async def test_what_waits_for_its_next_attempt_is_due_at_once_and_rendered_again(world, status):
    watch = await world.watch()
    entry = await world.wait(
        watch, due=3600, number=3, status=status, payload=Payload(method="POST", address="", body=b"old")
    )
    assert await world.lanes.pull(await world.lease(), lanes=9) == []

    assert await replay(world, entry.id) is Replayed.YES

    [pulled] = await world.lanes.pull(await world.lease(), lanes=9)
    assert (pulled.id, pulled.number, pulled.base, pulled.replay_of, pulled.payload) == (entry.id, 3, 2, None, None)
    assert await world.value("SELECT count(*) FROM payload") == 0
    found = await world.log.delivery(ACCOUNT, entry.id)
    assert found is not None
    assert (found[0].status, found[0].attempts) == (PENDING, 2)


async def test_what_waits_in_a_lane_that_ends_is_cancelled_though_its_watch_has_a_new_one(world):
    watch = await world.watch()
    entry = await world.wait(watch, due=3600)
    await world.rows("UPDATE lane SET closing = 'the watch was disabled', wake_at = NULL WHERE id = $1", watch.lane)
    await world.rows("UPDATE watch SET lane_id = $1", (await world.watch()).lane)

    assert await replay(world, entry.id) is Replayed.YES
    assert await world.lanes.pull(await world.lease(), lanes=9) == []
    assert await world.lanes.cancel_some(limit=9) == 1


async def test_what_cannot_be_replayed_is_left_as_it_is_and_says_why(world):
    _, entry = await ended(world)
    flying = await world.wait(await world.watch())
    await world.lanes.pull(await world.lease(), lanes=9)
    before = await world.everything()

    assert await replay(world, new_id()) is Replayed.UNKNOWN
    assert await replay(world, entry.id, account=2) is Replayed.UNKNOWN
    assert await replay(world, entry.id, owner="north") is Replayed.UNKNOWN
    assert await replay(world, flying.id) is Replayed.IN_FLIGHT
    assert await world.everything() == before


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("UPDATE event SET body = ''", Replayed.EVENT_GONE),
        ("DELETE FROM event", Replayed.EVENT_GONE),
        ("UPDATE watch SET deleted = now()", Replayed.WATCH_DELETED),
        ("DELETE FROM watch", Replayed.WATCH_DELETED),
        ("UPDATE watch SET status = 3", Replayed.WATCH_DISABLED),
    ],
)
async def test_a_replay_needs_its_event_and_a_watch_that_delivers(world, change, refusal):
    _, entry = await ended(world)
    await world.rows(change)

    assert await replay(world, entry.id) is refusal
    assert await world.value("SELECT count(*) FROM waiting") == 0


async def test_an_owner_replays_what_is_theirs(world):
    _, entry = await ended(world)
    row = msgspec.structs.replace(new_watch(), owner="north")
    mine = await world.definitions.add_watch(row, slots=None, paused=False, key=None)
    await world.rows("UPDATE delivery SET watch_id = $1", WatchId(mine.id))

    assert await replay(world, entry.id, owner="south") is Replayed.UNKNOWN
    assert await replay(world, entry.id, owner="north") is Replayed.YES


async def test_a_replay_that_comes_as_its_watch_ends_is_cancelled(world):
    _watch, entry = await ended(world)
    await world.rows("UPDATE lane SET closing = 'the watch was deleted'")

    assert await replay(world, entry.id) is Replayed.YES
    assert await world.lanes.cancel_some(limit=9) == 1
