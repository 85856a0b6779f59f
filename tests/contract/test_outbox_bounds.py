from typing import Any

import pytest

from tests.contract.world import events_of, new_event


async def test_a_claim_is_bounded_by_events(world):
    await world.accept(*(new_event() for _ in range(200)))

    claims = await world.outbox.claim(await world.lease(), limit=64)

    assert len(events_of(claims)) == 64


@pytest.mark.parametrize("part", ["body", "previous", "extra"])
async def test_a_claim_is_bounded_by_bytes_whatever_they_are_part_of(world, part):
    large: dict[str, Any] = {part: b'"%b"' % (b"x" * (1 << 20))}
    for _ in range(3):
        await world.accept(*(new_event(**large) for _ in range(8)))

    claims = await world.outbox.claim(await world.lease(), limit=256)

    assert 14 <= len(events_of(claims)) <= 20


async def test_one_event_is_claimed_however_large(world):
    await world.accept(new_event(body=b'"%b"' % (b"x" * (17 << 20))))

    assert len(await world.outbox.claim(await world.lease(), limit=1)) == 1


async def test_a_split_gives_each_event_a_free_row_of_its_own_with_its_size(world):
    events = await world.accept(*(new_event(body=b"1" * size) for size in (10, 20, 30)))
    token = await world.lease()
    [claim] = await world.outbox.claim(token, limit=10)

    await world.outbox.split(token, claim)

    rows = await world.rows("SELECT events, bytes, token, claims, version FROM outbox ORDER BY seq")
    assert rows == [([event.id], size, None, 1, 1) for event, size in zip(events, (10, 20, 30), strict=True)]
