import pytest

from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Payload, Wait
from hookward.domain.errors import LeaseLost
from tests.contract.world import World, moved, new_attempt, new_entry, new_event

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus

STANDING = "SELECT status, reason, attempts, last_code, last_error, finished IS NOT NULL FROM delivery"
WAITING = "SELECT number, token, crashes, round(extract(epoch FROM due_at - now()))::int FROM waiting"


@pytest.fixture
async def watch(world):
    return await world.watch()


@pytest.fixture
async def event(world):
    [accepted] = await world.accept(new_event())
    return accepted


@pytest.fixture
async def token(world):
    return await world.lease()


async def seqs(world: World, token: int) -> list[int]:
    return [claim.seq for claim in await world.outbox.claim(token, limit=100)]


async def test_a_delivery_that_arrives_is_recorded_with_its_attempt_and_its_row_is_done(world, watch, event, token):
    done = await seqs(world, token)
    attempt = new_attempt(
        request_body=b'"\\u0000"', response_body=b"\0", truncated=True, error="kind", message="m", remote="[::1]:80"
    )

    await world.results.record(
        token, [new_entry(event, watch, DELIVERED, attempts=1, attempt=attempt)], done=done, slots={}
    )

    assert await world.rows(STANDING) == [(3, None, 1, 200, "kind", True)]
    columns = "number, (extract(epoch FROM sent) * 1000000)::bigint, duration_us, request, code, response, request_body"
    assert await world.rows(f"SELECT {columns}, response_body, truncated, error, message, remote FROM attempt") == [
        (1, attempt.sent_us, 1234, b"{}", 200, b"{}", b'"\\u0000"', b"\0", True, "kind", "m", "[::1]:80")
    ]
    assert [await world.value(f"SELECT count(*) FROM {table}") for table in ("outbox", "waiting", "payload")] == [0] * 3


async def test_a_delivery_that_fails_for_now_waits_with_its_payload_and_wakes_its_lane(world, watch, event, token):
    payload = Payload(method="POST", address="http://127.0.0.1/ü", body=b"\0")
    entry = new_entry(
        event, watch, RETRYING, attempts=1, attempt=new_attempt(code=500), wait=Wait(seconds=30, number=2),
        payload=payload,
    )  # fmt: skip

    await world.results.record(token, [entry], done=await seqs(world, token), slots={})

    assert await world.rows(STANDING) == [(2, None, 1, 500, None, False)]
    assert await world.rows(WAITING) == [(2, None, 0, 30)]
    assert await world.rows("SELECT method, address, body FROM payload") == [
        ("POST", "http://127.0.0.1/ü".encode(), b"\0")
    ]
    lane = await world.lane_row(watch.lane)
    assert (lane["wake"], lane["behind"]) == ("later", False)


async def test_a_delivery_that_fails_for_good_ends(world, watch, event, token):
    entry = new_entry(event, watch, FAILED, attempts=1, attempt=new_attempt(code=410), reason="410 Gone")

    await world.results.record(token, [entry], done=[], slots={})

    assert await world.rows(STANDING) == [(4, "410 Gone", 1, 410, None, True)]


async def test_a_parked_delivery_waits_for_anyone_and_its_lane_is_behind(world, watch, event, token):
    await world.results.record(
        token, [new_entry(event, watch, PENDING, wait=Wait(seconds=0, number=1))], done=[], slots={}
    )

    assert await world.rows(STANDING) == [(1, None, 0, None, None, False)]
    assert await world.rows(WAITING) == [(1, None, 0, 0)]
    lane = await world.lane_row(watch.lane)
    assert (lane["wake"], lane["behind"]) == ("now", True)


async def test_a_delivery_in_flight_waits_under_its_lease_and_wakes_no_worker(world, watch, event, token):
    await world.results.record(
        token, [new_entry(event, watch, PENDING, wait=Wait(seconds=0, number=1, held=True))], done=[], slots={}
    )

    assert await world.rows(WAITING) == [(1, token, 0, 0)]
    lane = await world.lane_row(watch.lane)
    assert (lane["wake"], lane["behind"]) == ("never", False)


async def test_a_paused_lane_is_not_woken(world, event, token):
    watch = await world.watch(paused=True)

    await world.results.record(
        token, [new_entry(event, watch, PENDING, wait=Wait(seconds=0, number=1))], done=[], slots={}
    )

    assert (await world.lane_row(watch.lane))["wake"] == "never"


async def test_what_comes_to_a_closing_lane_is_cancelled_at_once(world, watch, event, token):
    await world.definitions.delete_watch(watch.account, watch.id, reason="deleted")
    await world.lanes.cancel_some(limit=10)

    await world.results.record(
        token, [new_entry(event, watch, RETRYING, wait=Wait(seconds=3600, number=2))], done=[], slots={}
    )
    await world.lanes.cancel_some(limit=10)

    assert await world.rows(STANDING) == [(5, "deleted", 0, None, None, True)]


async def test_a_waiting_delivery_that_arrives_leaves_nothing_behind(world, watch, token):
    entry = await pulled(world, watch, token)

    done = moved(entry, DELIVERED, attempts=2, attempt=new_attempt(2))
    await world.results.record(token, [done], done=[], slots={watch.lane: 1})

    assert await world.rows(STANDING) == [(3, None, 2, 200, None, True)]
    assert [await world.value(f"SELECT count(*) FROM {table}") for table in ("waiting", "payload")] == [0, 0]
    assert (await world.lane_row(watch.lane))["in_use"] == 0
    assert await world.value("SELECT coalesce(sum(n), 0) FROM lane_grant") == 0


async def test_a_waiting_delivery_that_fails_again_waits_again_with_the_payload_it_had(world, watch, token):
    entry = await pulled(world, watch, token)
    await world.value("UPDATE waiting SET crashes = 2")

    again = moved(entry, RETRYING, attempts=2, attempt=new_attempt(2, code=503), wait=Wait(seconds=300, number=3))
    await world.results.record(token, [again], done=[], slots={watch.lane: 1})

    assert await world.rows(STANDING) == [(2, None, 2, 503, None, False)]
    assert await world.rows(WAITING) == [(3, None, 0, 300)]
    assert await world.rows("SELECT body FROM payload") == [(b"first",)]
    lane = await world.lane_row(watch.lane)
    assert (lane["wake"], lane["in_use"]) == ("later", 0)


async def test_a_waiting_delivery_that_is_not_attempted_keeps_what_the_last_attempt_said(world, watch, token):
    entry = await pulled(world, watch, token)

    ended = moved(entry, CANCELLED, attempts=1, reason="the watch is disabled")
    await world.results.record(token, [ended], done=[], slots={watch.lane: 1})

    assert await world.rows(STANDING) == [(5, "the watch is disabled", 1, 500, None, True)]


async def test_the_same_delivery_may_begin_to_wait_and_end_in_one_record(world, watch, event, token):
    held = new_entry(event, watch, PENDING, wait=Wait(seconds=0, number=1, held=True))
    arrived = new_entry(event, watch, DELIVERED, waited=True, attempts=1, attempt=new_attempt())

    await world.results.record(token, [held, arrived], done=await seqs(world, token), slots={})

    assert await world.rows(STANDING) == [(3, None, 1, 200, None, True)]
    assert [await world.value(f"SELECT count(*) FROM {table}") for table in ("waiting", "outbox")] == [0, 0]


async def test_rows_that_another_lease_holds_are_not_done(world, token):
    await world.accept_each(1)
    others = await seqs(world, await world.lease("other"))

    await world.results.record(token, [], done=others, slots={})

    assert await world.value("SELECT count(*) FROM outbox") == 1


async def test_a_stale_lease_records_nothing(world, watch, event, token):
    waiting = await pulled(world, watch, token)
    done = await seqs(world, token)
    await world.leases.expire("one")
    before = await world.everything()
    fresh = new_entry(
        event, watch, RETRYING, attempt=new_attempt(), wait=Wait(seconds=1, number=2),
        payload=Payload(method="POST", address="", body=None),
    )  # fmt: skip
    over = moved(waiting, DELIVERED, attempts=2, attempt=new_attempt(2))

    for entries in ([fresh], [over], [fresh, over], []):
        with pytest.raises(LeaseLost):
            await world.results.record(token, entries, done=done, slots={watch.lane: 1})

    assert await world.everything() == before


async def test_an_entry_that_cannot_be_stored_leaves_nothing_of_its_group(world, watch, event, token):
    done = await seqs(world, token)
    before = await world.everything()
    good = new_entry(event, watch, RETRYING, wait=Wait(seconds=1, number=2))
    bad = new_entry(new_event(), watch, DELIVERED, attempt=new_attempt(message="a\0b"))

    with pytest.raises(Exception, match="0x00"):
        await world.results.record(token, [good, bad], done=done, slots={})

    assert await world.everything() == before


async def pulled(world: World, watch: WatchRecord, token: int) -> DeliveryUpdate:
    """A delivery whose first attempt failed, taken again under a lease."""
    entry = await world.wait(
        watch, number=2, status=RETRYING, attempt=new_attempt(code=500),
        payload=Payload(method="POST", address="http://127.0.0.1/", body=b"first"),
    )  # fmt: skip
    [taken] = await world.lanes.pull(token, lanes=1)
    assert taken.id == entry.id
    return entry
