"""Claims of accepted events."""

from __future__ import annotations

import pytest

from hookward.domain.delivery.model import POISON_CRASHES, DeliveryStatus
from hookward.domain.errors import LeaseLost
from hookward.domain.ids import WatchId
from tests.contract.delivery.worlds import DeliveryWorld
from tests.contract.world import events_of, new_entry, new_event, new_id


def changes(count: int, account: int = 1, **values):
    return [new_event(account, **values).change for _ in range(count)]


async def crash(store: DeliveryWorld, token: int) -> None:
    """Let the worker of a lease die."""
    await store.leases.abandon(token)
    await store.leases.take_over()


async def test_a_claim_takes_the_oldest_first(store):
    events = await store.accept_each(5)

    claims = await store.outbox.claim(await store.lease(), limit=3)

    assert events_of(claims) == [event.id for event in events[:3]]


async def test_a_claim_takes_rows_until_their_events_are_as_many_as_asked_for(store):
    for _ in range(3):
        await store.accept(*changes(4))

    claims = [await store.outbox.claim(await store.lease(), limit=limit) for limit in (5, 5)]

    assert [[len(claim.events) for claim in each] for each in claims] == [[4, 4], [4]]


async def test_a_claim_goes_round_the_accounts(store):
    await store.accept_each(20, account=1)
    small = await store.accept_each(5, account=2)

    claims = await store.outbox.claim(await store.lease(), limit=10)

    assert set(events_of(claims)) & {event.id for event in small} == {event.id for event in small}
    assert len(events_of(claims)) == 10


async def test_what_is_claimed_is_not_claimed_again(store):
    first, second = await store.accept_each(2)
    token = await store.lease()

    claims = [await store.outbox.claim(token, limit=1) for _ in range(3)]

    assert [events_of(each) for each in claims] == [[first.id], [second.id], []]


async def test_a_stale_lease_claims_nothing(store):
    await store.accept_each(3)
    token = await store.stale_lease()
    before = await store.snapshot()

    with pytest.raises(LeaseLost):
        await store.outbox.claim(token, limit=10)

    assert await store.snapshot() == before


async def test_a_lease_with_nothing_to_claim_is_not_lost(store):
    assert await store.outbox.claim(await store.lease(), limit=10) == []


async def test_a_claim_says_how_often_its_row_was_claimed_before(store):
    await store.accept_each(1)

    counts = []
    for _ in range(3):
        token = await store.lease()
        counts += [claim.claims for claim in await store.outbox.claim(token, limit=1)]
        await store.leases.end(token)

    assert counts == [1, 2, 3]


async def test_what_several_workers_died_with_is_claimed_one_row_at_a_time(store):
    await store.accept_each(2)
    for _ in range(POISON_CRASHES):
        token = await store.lease()
        assert len(await store.outbox.claim(token, limit=10)) == 2
        await crash(store, token)
    [fresh] = await store.accept_each(1)
    token = await store.lease()

    claims = [await store.outbox.claim(token, limit=10) for _ in range(3)]

    assert [len(each) for each in claims] == [2, 1, 0]
    assert claims[0][-1].events == (fresh.id,)
    assert [claim.crashes for each in claims for claim in each] == [POISON_CRASHES, 0, POISON_CRASHES]


async def test_a_row_that_a_worker_died_with_alone_is_known_for_it(store):
    await store.accept_each(1)
    counts = []
    for _ in range(2):
        token = await store.lease()
        counts += [(claim.crashes, claim.alone) for claim in await store.outbox.claim(token, limit=1)]
        await crash(store, token)

    assert counts == [(0, 0), (1, 1)]


async def test_events_come_as_they_were_accepted(store):
    [event] = await store.accept(
        new_event(body=b'{"text": "\\u0000"}', previous=b"{}", extra=b"[]", zone="Europe/Paris").change
    )

    assert await store.outbox.events([event.id, b"\0" * 16]) == {event.id: event}


async def test_deliveries_of_events_are_found_by_their_events(store):
    watch, (event, other, unmatched) = await store.watch(), [new_event() for _ in range(3)]
    entries = [new_entry(each, watch, DeliveryStatus.DELIVERED) for each in (event, other)]
    await store.results.record(await store.lease(), entries, done=[], slots={})

    found = [await store.outbox.recorded([each.id]) for each in (event, other, unmatched)]

    assert found == [{entries[0].id}, {entries[1].id}, set()]
    assert await store.outbox.recorded([event.id, other.id]) == {each.id for each in entries}


async def test_a_split_gives_each_event_a_free_row_that_keeps_its_counts(store):
    events = await store.accept(*changes(3))
    token = await store.lease()
    await store.outbox.claim(token, limit=10)
    await crash(store, token)
    token = await store.lease()
    [claim] = await store.outbox.claim(token, limit=10)

    await store.outbox.split(token, claim)

    rows = (await store.snapshot()).outbox
    assert rows == [([event.id], None, 2, 1, 0, None) for event in events]


async def test_a_split_under_a_stale_lease_changes_nothing(store):
    await store.accept(*changes(2))
    token = await store.lease()
    [claim] = await store.outbox.claim(token, limit=10)
    await store.leases.abandon(token)
    before = await store.snapshot()

    await store.outbox.split(token, claim)

    assert await store.snapshot() == before


async def test_a_split_whose_answer_was_lost_can_be_sent_again(store):
    await store.accept(*changes(2))
    token = await store.lease()
    [claim] = await store.outbox.claim(token, limit=10)

    await store.outbox.split(token, claim)
    await store.outbox.split(token, claim)

    assert len((await store.snapshot()).outbox) == 2


async def test_a_fan_out_goes_on_where_it_stopped(store):
    await store.accept_each(1)
    token = await store.lease()
    [claim] = await store.outbox.claim(token, limit=1)
    watch = WatchId(new_id())

    await store.outbox.fan(token, claim, watch)
    await store.leases.end(token)

    [again] = await store.outbox.claim(await store.lease(), limit=1)
    assert (claim.fanned, again.fanned) == (None, watch)


@pytest.mark.parametrize("how", ["stale", "another's", "done"])
async def test_only_the_holder_of_a_row_moves_its_fan_out(store, how):
    await store.accept_each(1)
    token = await store.lease()
    [claim] = await store.outbox.claim(token, limit=1)
    match how:
        case "stale":
            await store.leases.abandon(token)
        case "another's":
            token = await store.lease("two")
        case _:
            await store.results.record(token, [], done=[claim.seq], slots={})
    before = await store.snapshot()

    with pytest.raises(LeaseLost):
        await store.outbox.fan(token, claim, WatchId(new_id()))

    assert await store.snapshot() == before


async def test_the_end_of_a_lease_frees_only_its_own(store):
    await store.accept_each(2)
    mine, other = await store.lease("one"), await store.lease("two")
    await store.outbox.claim(mine, limit=1)
    await store.outbox.claim(other, limit=1)

    await store.leases.end(mine)

    assert [row[1] for row in (await store.snapshot()).outbox] == [None, "two"]
