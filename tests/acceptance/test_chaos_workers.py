"""Workers that are killed, stopped and brought down by what they carry."""

from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.chaos import (
    QUICK_RETRIES,
    companies,
    delivered,
    kill_workers,
    more_than,
    only_what_was_in_flight_came_twice,
    settled,
)
from tests.receiver import Receiver, Reply, failing_first
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.chaos

SETTINGS = {"HOOKWARD_DELIVERY__SCHEDULE": QUICK_RETRIES, "HOOKWARD_DELIVERY__TIMEOUT": "5s"}
WATCHES = 4


async def watch_all(service: Service, receiver: Receiver, *, delay: float) -> None:
    """One watch a company; the last one fails at first."""
    for number in range(1, WATCHES):
        await service.create_watch(receiver.on(f"/{number}", Reply(delay=delay)), company=str(number))
    sick = failing_first(1, Reply(status=500, delay=delay), Reply(delay=delay))
    await service.create_watch(receiver.on(f"/{WATCHES}", sick), company=str(WATCHES))


def came(receiver: Receiver, path: str, count: int) -> bool:
    return len(receiver.at(path)) == count


async def test_a_killed_worker_loses_nothing_and_repeats_only_what_was_in_flight(
    tmp_path: Path, receiver: Receiver, record_property
) -> None:
    async with Service(tmp_path / "data", SETTINGS) as service:
        await watch_all(service, receiver, delay=0.1)
        await service.publish_batch(companies(2000, over=WATCHES))
        await wait_until(lambda: len(receiver.succeeded) > 200, every=0.01)
        before = service.workers
        struck = await kill_workers(service, receiver)
        assert struck.in_flight >= 16
        assert struck.open >= 500
        await service.worker_replaced(before)
        await delivered(service, receiver, 2000)
        again = only_what_was_in_flight_came_twice(receiver, struck)
        await settled(service)
        record_property("struck", f"{struck}; {len(again)} came twice")


async def test_workers_killed_again_and_again_lose_nothing(tmp_path: Path, receiver: Receiver, record_property) -> None:
    async with Service(tmp_path / "data", {**SETTINGS, "HOOKWARD_WORKER__PROCESSES": "2"}) as service:
        await watch_all(service, receiver, delay=0.3)
        await service.publish_batch(companies(2000, over=WATCHES))
        strikes = []
        for turn in range(5):
            before = len(receiver.requests)
            await wait_until(partial(more_than, receiver.requests, before + 20), every=0.01)
            victims = service.workers
            strikes.append(await kill_workers(service, receiver, victims if turn % 2 else victims[:1]))
            assert strikes[-1].in_flight >= 8
            assert strikes[-1].open >= 500
            await wait_until(lambda: len(service.workers) == 2, every=0.01)
        await delivered(service, receiver, 2000, seconds=60)
        again = only_what_was_in_flight_came_twice(receiver, *strikes)
        await settled(service)
        record_property("struck", f"{' | '.join(map(str, strikes))}; {len(again)} came twice")


@pytest.mark.parametrize("moment", ["claimed", "waiting"])
async def test_an_event_that_kills_its_worker_again_and_again_ends_as_poison_and_its_neighbours_arrive(
    tmp_path: Path, receiver: Receiver, moment: str
) -> None:
    async with Service(tmp_path / "data", SETTINGS | {"HOOKWARD_DELIVERY__TIMEOUT": "30s"}) as service:
        await service.create_watch(receiver.on("/poison", Reply(hang=True)), company="1")
        await service.create_watch(receiver.on("/fine", Reply()), company="2")
        async with service.database() as connection:
            guilty = await service.publish(event("guilty", company="1"))
            for deaths in range(1, 4):
                await wait_until(partial(came, receiver, "/poison", deaths))
                if moment == "waiting":
                    await wait_until(
                        lambda: connection.fetchval("SELECT count(*) FROM waiting WHERE token IS NOT NULL")
                    )
                struck = await kill_workers(service, receiver)
                assert struck.in_flight == 1
            await service.publish_batch([event(f"neighbour{number}", company="2") for number in range(50)])
            await wait_until(lambda: len(receiver.at("/fine")) == 50)

            async def failed() -> object:
                return [each for each in await service.deliveries(eventId=guilty) if each["status"] == "failed"]

            (ended,) = await wait_until(failed)
            assert ended["statusReason"] == "poison"
            assert len(receiver.at("/poison")) == 3
            await settled(service)


async def test_the_neighbours_of_a_poisonous_event_are_not_taken_for_it(tmp_path: Path, receiver: Receiver) -> None:
    async with Service(tmp_path / "data", SETTINGS | {"HOOKWARD_DELIVERY__TIMEOUT": "30s"}) as service:
        await service.create_watch(receiver.on("/poison", Reply(hang=True)), company="1")
        await service.create_watch(receiver.on("/fine", Reply(delay=0.2)), company="2")
        batch = [event(f"neighbour{number}", company="2") for number in range(60)]
        ids = await service.publish_batch([*batch[:30], event("guilty", company="1"), *batch[30:]])
        deaths = 0

        async def failed() -> list[dict[str, object]]:
            nonlocal deaths
            if len(receiver.at("/poison")) > deaths and len(service.workers) == 1:
                deaths = len(receiver.at("/poison"))
                await kill_workers(service, receiver)
            return await service.deliveries(status="failed")

        (ended,) = await wait_until(failed, 60, every=0.01)
        assert ended["event"]["id"] == ids[30]
        assert ended["statusReason"] == "poison"
        assert deaths <= 14  # 3 with all, 3 with fewer each time, 3 alone, and some on the way
        await wait_until(lambda: len(receiver.succeeded) == 60)
        await settled(service)
