"""PostgreSQL and Valkey that vanish, forget, or stand still."""

import asyncio
import signal
import time
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from statistics import median

import pytest
from redis.exceptions import RedisError

from tests.acceptance.chaos import (
    QUICK_RETRIES,
    Load,
    companies,
    delivered,
    freeze,
    more_than,
    only_what_was_in_flight_came_twice,
    settled,
)
from tests.receiver import Receiver, Reply
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.chaos

SETTINGS = {"HOOKWARD_DELIVERY__SCHEDULE": QUICK_RETRIES, "HOOKWARD_DELIVERY__TIMEOUT": "5s"}
AWAY_SECONDS = 60.0
BACK_SECONDS = 10.0


async def test_a_valkey_that_forgets_everything_costs_nothing(
    tmp_path: Path, receiver: Receiver, record_property
) -> None:
    async with Service(tmp_path / "data", SETTINGS) as service, service.database() as connection:
        await service.create_watch(receiver.on("/", Reply(status=500)))
        await service.publish_batch([event(str(number)) for number in range(2000)])
        waiting = "SELECT count(*) FROM waiting"
        await wait_until(lambda: connection.fetchval(f"SELECT ({waiting}) = 2000"))
        async with service.queue() as queue:
            await queue.flushall()
        old = service.valkey
        service.kill(old)
        await wait_until(lambda: service.matching("valkey-server") not in ([], [old]))
        assert await connection.fetchval(waiting) == 2000
        receiver.on("/", Reply())
        await service.publish(event("one more"))
        await delivered(service, receiver, 2001)
        assert receiver.repeated() == set()
        await settled(service)
        record_property("struck", "2000 waiting; none came twice")


async def kill_again_and_again(service: Service, until: float) -> int:
    kills = 0
    while time.monotonic() < until:
        for pid in service.matching("valkey-server"):
            service.kill(pid)
            kills += 1
        await asyncio.sleep(0.2)
    return kills


async def stand_still(service: Service, until: float) -> int:
    pid = service.valkey
    service.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(until - time.monotonic())
    service.kill(pid, signal.SIGCONT)
    return 1


async def through_an_outage(service: Service, receiver: Receiver, path: str, *, still: bool) -> str:
    """Publish at a steady pace before, during and after an outage of Valkey."""
    await service.create_watch(receiver.on(path, Reply()))
    load = Load(service, pause=0.05)
    async with load.running(4):
        await wait_until(lambda: len(load.took) > 150)
        began = time.monotonic()
        away: Awaitable[int] = (stand_still if still else kill_again_and_again)(service, began + AWAY_SECONDS)
        strikes = await away
        back = time.monotonic()
        await wait_until(partial(wakes_again, service), BACK_SECONDS, every=0.01, what="wake-ups are taken again")
        late = time.monotonic()
        await wait_until(lambda: load.took[-1][0] > late + 3)
    before = [took for at, took in load.took if at < began]
    during = [took for at, took in load.took if began <= at < back]
    pace = len(before) / (began - load.took[0][0])
    assert len(during) / (back - began) > pace / 2
    assert load.refusals == []
    assert load.broken == 0
    assert max(during) < 1.0
    assert median(during) < 5 * median(before) + 0.020
    log = await wait_until(lambda: _arrived(receiver, path, len(load.accepted)), 20)
    assert log
    waits = latencies(receiver, path, load)
    polled = [wait for at, wait in waits if began + 3 <= at < back]
    woken = [wait for at, wait in waits if at >= late]
    assert max(polled) < 2.0
    assert median(woken) < 0.25  # a worker that knows of Valkey and is not woken looks once a second
    return (
        f"{strikes} strikes, {len(during)} published meanwhile, median {median(during) * 1e3:.1f} ms (before "
        f"{median(before) * 1e3:.1f}), longest {max(during) * 1e3:.0f}; to receipt: polled {median(polled) * 1e3:.0f}, "
        f"woken {median(woken) * 1e3:.0f} ms"
    )


async def wakes_again(service: Service) -> bool:
    """Whether the worker takes wake-ups off the queue: the api goes on putting them there."""
    try:
        async with service.queue() as queue:
            put = (await queue.info("commandstats")).get("cmdstat_zadd", {"calls": 0})["calls"]
            return bool(put > 0 and await queue.zcard("arq:queue") == 0)
    except RedisError:
        return False


def _arrived(receiver: Receiver, path: str, count: int) -> bool:
    return len({each.id for each in receiver.at(path)}) == count


def latencies(receiver: Receiver, path: str, load: Load) -> list[tuple[float, float]]:
    """When each event was published, and how long it took from there to its receipt."""
    came = {each.body: each.at for each in receiver.at(path)}
    at = {name: moment for body, moment in came.items() for name in [body.split(b'"id":"')[1].split(b'"')[0].decode()]}
    return [(load.began[name], at[name] - load.began[name]) for name in load.accepted]


@pytest.mark.timeout(180)
async def test_publishing_and_delivering_go_on_while_valkey_is_away_for_a_minute(
    tmp_path: Path, receiver: Receiver, record_property
) -> None:
    async with Service(tmp_path / "one", SETTINGS) as one, Service(tmp_path / "two", SETTINGS) as two:
        async with asyncio.TaskGroup() as both:
            stopped = both.create_task(through_an_outage(one, receiver, "/one", still=True))
            killed = both.create_task(through_an_outage(two, receiver, "/two", still=False))
        assert receiver.repeated() == set()
        await settled(one)
        await settled(two)
        record_property("struck", f"stopped: {stopped.result()} | killed: {killed.result()}")


def accepted_more(loads: list[Load], count: int) -> bool:
    return sum(len(load.accepted) for load in loads) > count


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "restarted"])
async def test_what_was_accepted_survives_a_restart_of_postgresql_under_load(
    tmp_path: Path, receiver: Receiver, record_property, number: signal.Signals
) -> None:
    async with Service(tmp_path / "data", SETTINGS) as service:
        for company in range(1, 5):
            await service.create_watch(receiver.on(f"/{company}", Reply(delay=0.05)), company=str(company))
        loads = [Load(service, company=str(company)) for company in range(1, 5)]
        batch = await service.publish_batch(companies(1500, over=4))
        strikes = []
        async with loads[0].running(8), loads[1].running(8), loads[2].running(8), loads[3].running(8):
            for _ in range(3):
                count = len(receiver.requests)
                await wait_until(partial(more_than, receiver.requests, count + 200), every=0.01)
                struck = await freeze(service, receiver, [])
                assert struck.in_flight > 0
                assert struck.open > 50
                strikes.append(struck)
                service.kill(service.postgres, number)
                accepted = sum(len(load.accepted) for load in loads)
                await wait_until(partial(accepted_more, loads, accepted + 100), what="publishing goes on")
        ids = {id_ for load in loads for id_ in load.accepted.values()} | set(batch)
        assert len(ids) == 1500 + sum(len(load.accepted) for load in loads)
        log = await delivered(service, receiver, len(ids), seconds=40)
        assert {each["event"]["id"] for each in log} == ids
        refusals = [refusal for load in loads for refusal in load.refusals]
        assert {status for status, _ in refusals} <= {503}
        assert all(after is not None and int(after) > 0 for _, after in refusals)
        again = only_what_was_in_flight_came_twice(receiver, *strikes)
        assert again == set()  # no outage was longer than a lease
        await settled(service)
        record_property("struck", f"{' | '.join(map(str, strikes))}; {len(refusals)} times 503; none came twice")
