import asyncio

import msgspec
import pytest

from hookward.domain.errors import LeaseLost
from hookward.domain.ids import WatchId
from tests.contract.world import events_of, ids, new_event, new_id


async def test_a_claim_takes_the_oldest_first(world):
    events = await world.accept_each(5)

    claims = await world.outbox.claim(await world.lease(), limit=3)

    assert events_of(claims) == ids(events[:3])


async def test_two_claimers_never_get_the_same_row(world):
    events = await world.accept_each(200)
    tokens = [await world.lease(name) for name in ("one", "two", "three")]

    async def drain(token: int) -> list[bytes]:
        taken: list[bytes] = []
        while claims := await world.outbox.claim(token, limit=7):
            taken += events_of(claims)
        return taken

    taken = await asyncio.gather(*(drain(token) for token in tokens))

    assert sorted(event for part in taken for event in part) == sorted(ids(events))


async def test_a_claim_does_not_wait_for_a_row_that_another_is_taking(world):
    first, second = await world.accept_each(2)
    async with world.session() as other, other.transaction():
        await other.execute("SELECT 1 FROM outbox ORDER BY seq LIMIT 1 FOR UPDATE")

        claims = await world.outbox.claim(await world.lease(), limit=1)

    assert events_of(claims) in ([second.id], [])
    assert first.id not in events_of(claims)


async def test_a_stale_lease_claims_nothing(world):
    await world.accept_each(3)
    token = await world.stale_lease()
    before = await world.everything()

    with pytest.raises(LeaseLost):
        await world.outbox.claim(token, limit=10)

    assert await world.everything() == before


async def test_a_lease_with_nothing_to_claim_is_not_lost(world):
    assert await world.outbox.claim(await world.lease(), limit=10) == []


async def test_a_claim_says_how_often_its_row_was_claimed_before(world):
    await world.accept_each(1)

    counts = []
    for _ in range(3):
        token = await world.lease()
        counts += [claim.claims for claim in await world.outbox.claim(token, limit=1)]
        await world.leases.end(token)

    assert counts == [1, 2, 3]


async def test_events_come_as_they_were_accepted(world):
    [event] = await world.accept(
        new_event(body=b'{"text": "\\u0000"}', previous=b"{}", extra=b"[]", zone="Europe/Paris", resource_id="a\0b")
    )
    version = await world.value("SELECT version FROM definition_version")

    found = await world.outbox.events([event.id, b"\0" * 16])

    assert found == {event.id: msgspec.structs.replace(event.change, version=version)}


async def test_a_split_under_a_stale_lease_changes_nothing(world):
    await world.accept(new_event(), new_event())
    token = await world.lease()
    [claim] = await world.outbox.claim(token, limit=10)
    await world.leases.expire("one")
    before = await world.everything()

    await world.outbox.split(token, claim)

    assert await world.everything() == before


async def test_a_split_whose_answer_was_lost_can_be_sent_again(world):
    await world.accept(new_event(), new_event())
    token = await world.lease()
    [claim] = await world.outbox.claim(token, limit=10)

    await world.outbox.split(token, claim)
    await world.outbox.split(token, claim)

    assert await world.value("SELECT count(*) FROM outbox") == 2


async def test_a_fan_out_goes_on_where_it_stopped(world):
    await world.accept(new_event())
    token = await world.lease()
    [claim] = await world.outbox.claim(token, limit=1)
    watch = WatchId(new_id())

    await world.outbox.fan(token, claim, watch)
    await world.leases.end(token)

    [again] = await world.outbox.claim(await world.lease(), limit=1)
    assert (claim.fanned, again.fanned) == (None, watch)


async def test_a_stale_lease_cannot_move_a_fan_out(world):
    await world.accept(new_event())
    token = await world.lease()
    [claim] = await world.outbox.claim(token, limit=1)
    await world.leases.expire("one")
    before = await world.everything()

    with pytest.raises(LeaseLost):
        await world.outbox.fan(token, claim, WatchId(new_id()))

    assert await world.everything() == before


async def test_the_end_of_a_lease_frees_only_its_own(world):
    await world.accept_each(2)
    mine, other = await world.lease("one"), await world.lease("two")
    await world.outbox.claim(mine, limit=1)
    await world.outbox.claim(other, limit=1)

    await world.leases.end(mine)

    assert await world.rows("SELECT token FROM outbox ORDER BY seq") == [(None,), (other,)]
