"""Pulls of deliveries that are large: as many as fit into memory, and in the end all of them."""

from typing import Any

import pytest

from hookward.application.events.publisher import NewEvent
from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import Payload
from tests.contract.world import World, new_event

MIB = 1 << 20
LARGE = b'"%b"' % (b"x" * MIB)
BOUND = 8


def event_with(**parts: Any) -> NewEvent:
    return new_event(**parts)


async def large(world: World, watch: WatchRecord, count: int, *, due: float = 0.0, **parts: Any) -> None:
    for _ in range(count):
        await world.wait(watch, due=due, event=event_with(**(parts or {"body": LARGE})))


async def pulled_lanes(world: World, token: int) -> list[int]:
    return [each.lane for each in await world.lanes.pull(token, lanes=100)]


@pytest.mark.parametrize("part", ["body", "previous", "extra"])
async def test_a_pull_is_bounded_by_bytes_whatever_they_are_part_of(world, part):
    watches = [await world.watch() for _ in range(3)]
    for watch in watches:
        given: dict[str, Any] = {part: LARGE}
        await large(world, watch, 4, **given)

    assert len(await pulled_lanes(world, await world.lease())) == BOUND


@pytest.mark.parametrize(("body", "count"), [(LARGE, BOUND), (None, BOUND + 2)])
async def test_a_payload_counts_in_place_of_the_event_that_it_was_made_of(world, body, count):
    watch = await world.watch(slots=20)
    payload = Payload(method="POST", address="http://127.0.0.1/", body=body)
    for _ in range(BOUND + 2):
        await world.wait(watch, number=2, payload=payload, event=new_event() if body else new_event(body=LARGE))

    assert len(await pulled_lanes(world, await world.lease())) == count


async def test_one_delivery_is_pulled_however_large(world):
    watch = await world.watch()
    await large(world, watch, 2, body=b'"%b"' % (b"x" * (BOUND + 1) * MIB))

    assert await pulled_lanes(world, await world.lease()) == [watch.lane]


async def test_the_first_of_each_lane_goes_before_the_second_of_any(world):
    hog, small = await world.watch(slots=20), await world.watch()
    await large(world, hog, 12, due=-10)
    await world.wait(small, due=-1)

    lanes = await pulled_lanes(world, await world.lease())

    assert (lanes.count(hog.lane), lanes.count(small.lane)) == (BOUND, 1)


async def test_lanes_that_got_nothing_come_first_the_next_time(world):
    watches = [await world.watch() for _ in range(3 * BOUND)]
    for watch in watches:
        await large(world, watch, 3)
    token = await world.lease()

    pulls = [await pulled_lanes(world, token) for _ in range(3)]

    assert sorted(lane for lanes in pulls for lane in lanes) == sorted(watch.lane for watch in watches)


async def test_what_did_not_fit_is_pulled_at_once_by_the_next_pulls(world):
    watch = await world.watch(slots=20)
    await large(world, watch, 2 * BOUND + 1)
    token = await world.lease()

    pulls = [len(await pulled_lanes(world, token)) for _ in range(4)]

    assert pulls == [BOUND, BOUND, 1, 0]
    assert (await world.lane_row(watch.lane))["wake"] == "never"
