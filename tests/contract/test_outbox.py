import asyncio

import msgspec
import pytest

from hookward.domain.errors import LeaseLost
from hookward.domain.ids import WatchId
from tests.contract.world import events_of, ids, new_event, new_id


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


async def test_a_stale_lease_cannot_move_a_fan_out(world):
    await world.accept(new_event())
    token = await world.lease()
    [claim] = await world.outbox.claim(token, limit=1)
    await world.leases.expire("one")
    before = await world.everything()

    with pytest.raises(LeaseLost):
        await world.outbox.fan(token, claim, WatchId(new_id()))

    assert await world.everything() == before
