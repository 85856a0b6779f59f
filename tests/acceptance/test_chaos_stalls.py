"""Workers that stand still, and workers that end in peace."""

import asyncio
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.chaos import (
    QUICK_RETRIES,
    Load,
    Struck,
    companies,
    delivered,
    freeze,
    more_than,
    only_what_was_in_flight_came_twice,
    settled,
)
from tests.integration.observing import command_line
from tests.receiver import Receiver, Reply
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.chaos

SETTINGS = {
    "HOOKWARD_DELIVERY__SCHEDULE": QUICK_RETRIES,
    "HOOKWARD_DELIVERY__TIMEOUT": "2s",
    "HOOKWARD_WORKER__LEASE": "9s",
}


async def busiest_worker(service: Service) -> int:
    """The worker that holds the most slots just now."""
    async with service.database() as connection:
        name = await connection.fetchval(
            "SELECT worker FROM lease JOIN lane_grant USING (token) GROUP BY 1 ORDER BY sum(n) DESC LIMIT 1"
        )
    (pid,) = service.matching(name)
    return pid


async def test_what_a_worker_says_after_its_lease_changes_nothing(
    tmp_path: Path, receiver: Receiver, record_property
) -> None:
    async with Service(tmp_path / "data", {**SETTINGS, "HOOKWARD_WORKER__PROCESSES": "2"}) as service:
        for number in range(1, 5):
            await service.create_watch(receiver.on(f"/{number}", Reply(delay=0.1)), company=str(number))
        await service.publish_batch(companies(1500, over=4))
        await wait_until(lambda: len(receiver.succeeded) > 100, every=0.01)
        victim = await busiest_worker(service)
        struck = await freeze(service, receiver, [victim])
        assert struck.in_flight >= 16
        assert struck.open >= 500
        async with service.database() as connection:
            held = "SELECT count(*) FROM {} o JOIN lease USING (token) WHERE worker = $1"
            name = next(word for word in command_line(victim).split() if word.count("-") == 4)
            rows = [await connection.fetchval(held.format(table), name) for table in ("outbox", "waiting")]
            assert sum(rows) > 0
        # The other worker does everything, also what was in the hands of the one that stands still.
        log = await delivered(service, receiver, 1500)
        await settled(service)
        sent = len(receiver.requests)
        before = {each["id"]: (each["status"], each["attemptCount"], each["finished"]) for each in log}
        service.kill(victim, signal.SIGCONT)
        async with service.database() as connection:
            holder = "SELECT count(*) = 2 FROM lease WHERE until > now()"
            await wait_until(lambda: connection.fetchval(holder), what="the late worker has started again")
        await service.publish_batch(companies(200, over=4, name="later"))
        after = await delivered(service, receiver, 1700)
        assert (
            before.items()
            <= {each["id"]: (each["status"], each["attemptCount"], each["finished"]) for each in after}.items()
        )
        # What it was about to write when it stood still goes out; it begins nothing new.
        late = len(receiver.requests) - sent - 200
        assert late <= struck.in_flight
        again = only_what_was_in_flight_came_twice(receiver, struck)
        await settled(service)
        record_property("struck", f"{struck}; {len(again)} came twice, {late} of them late")


async def test_a_worker_that_stops_in_peace_gives_everything_back(
    tmp_path: Path, receiver: Receiver, record_property
) -> None:
    settings = {**SETTINGS, "HOOKWARD_WORKER__LEASE": "60s"}
    async with Service(tmp_path / "data", settings) as service:
        for number in range(1, 5):
            await service.create_watch(receiver.on(f"/{number}", Reply(delay=0.15)), company=str(number))
        await service.publish_batch(companies(2000, over=4))
        strikes = []
        for _ in range(4):
            count = len(receiver.requests)
            await wait_until(partial(more_than, receiver.requests, count + 150), every=0.01)
            old = service.workers
            strikes.append(len(receiver.in_flight))
            assert strikes[-1] >= 8
            service.kill(old[0], signal.SIGTERM)
            await service.worker_replaced(old)
        await delivered(service, receiver, 2000)
        assert receiver.repeated() == set()
        await settled(service)
        record_property("struck", f"{strikes} in flight; none came twice")


async def test_serve_ends_in_peace_under_load_and_goes_on_where_it_was(
    tmp_path: Path, receiver: Receiver, record_property
) -> None:
    async with Service(tmp_path / "data", {**SETTINGS, "HOOKWARD_WORKER__LEASE": "60s"}) as service:
        for number in range(1, 5):
            await service.create_watch(receiver.on(f"/{number}", Reply(delay=0.3)), company=str(number))
        await service.publish_batch(companies(1500, over=4))
        await wait_until(lambda: len(receiver.succeeded) > 100, every=0.01)
        in_flight = await wait_until(lambda: len(receiver.in_flight) >= 16 and len(receiver.in_flight), every=0.01)
        assert await service.stop() == 0
        assert receiver.in_flight == []
        first = len(receiver.requests)
        assert first < 1400
        await service.start()
        began = time.monotonic()
        await wait_until(lambda: len(receiver.requests) > first, 10, what="it goes on without waiting for a lease")
        waited = time.monotonic() - began
        await delivered(service, receiver, 1500)
        assert receiver.repeated() == set()
        assert len(receiver.requests) == 1500
        await settled(service)
        record_property("struck", f"{in_flight} in flight at SIGTERM, went on after {waited:.2f} s; none came twice")


async def test_a_killed_serve_takes_its_children_along_and_the_next_one_finishes_the_work(
    tmp_path: Path, receiver: Receiver, record_property
) -> None:
    async with Service(tmp_path / "data", {**SETTINGS, "HOOKWARD_WORKER__LEASE": "60s"}) as service:
        for number in range(1, 5):
            await service.create_watch(receiver.on(f"/{number}", Reply(delay=0.1)), company=str(number))
        await service.publish_batch(companies(1500, over=4))
        await wait_until(lambda: len(receiver.succeeded) > 100, every=0.01)
        struck: Struck = await freeze(service, receiver, service.workers)
        assert struck.in_flight >= 16
        began = time.monotonic()
        assert len(await service.end()) >= 4
        gone = time.monotonic() - began
        assert gone < 5
        first = len(receiver.requests)
        await service.start()
        began = time.monotonic()
        await wait_until(lambda: len(receiver.requests) > first, 15, what="it goes on without waiting for a lease")
        waited = time.monotonic() - began
        await delivered(service, receiver, 1500)
        again = only_what_was_in_flight_came_twice(receiver, struck)
        await settled(service)
        record_property(
            "struck", f"{struck}; children gone after {gone:.1f} s, went on after {waited:.1f} s; {len(again)} twice"
        )


async def test_a_killed_api_keeps_its_word(tmp_path: Path, receiver: Receiver, record_property) -> None:
    async with Service(tmp_path / "data", SETTINGS) as service:
        await service.create_watch(receiver.on("/", Reply(delay=0.01)))
        load = Load(service)
        async with load.running(32):
            await wait_until(lambda: len(load.accepted) > 300, every=0.01)
            before = len(load.accepted)
            service.kill(service.api)
            await wait_until(lambda: len(load.accepted) > before + 300, what="publishing goes on")
        log = await delivered(service, receiver, len(load.accepted))
        assert {each["event"]["id"] for each in log} == set(load.accepted.values())
        assert load.broken > 0
        assert receiver.repeated() == set()
        await settled(service)
        record_property("struck", f"{before} accepted before, {len(load.accepted)} in all, {load.broken} broken off")


async def test_command_lines_tell_who_is_who_and_a_data_directory_has_one_serve(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with Service(tmp_path / "data", {**SETTINGS, "HOOKWARD_WORKER__PROCESSES": "3"}) as service:
        assert len(service.workers) == 3
        assert len({service.api, service.postgres, service.valkey}) == 3
        second = Service(tmp_path / "data", SETTINGS)
        refused = await asyncio.create_subprocess_exec(
            *second.command, cwd=tmp_path, env=second.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(refused.communicate(), 20)
        assert refused.returncode not in (0, None)
        assert len(said.decode().splitlines()) == 1
        assert "in use by another hookward serve" in said.decode()
        await service.create_watch(receiver.on("/", Reply()))
        await service.publish(event("still at work"))
        await wait_until(lambda: len(receiver.succeeded) == 1)
