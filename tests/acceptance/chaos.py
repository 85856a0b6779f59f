"""What the chaos tests share: load, a snapshot at the moment of a strike, and what must hold when the dust settles."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence, Sized
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.receiver import Receiver
from tests.service import Service, event, wait_until

QUICK_RETRIES = ",".join(["200ms"] * 40)
SETTLED = """
SELECT (SELECT count(*) FROM outbox) AS outbox, (SELECT count(*) FROM waiting) AS waiting,
  (SELECT count(*) FROM payload) AS payload,
  (SELECT count(*) FROM lane WHERE in_use <> coalesce((SELECT sum(n) FROM lane_grant g WHERE g.lane_id = lane.id), 0))
    AS leaking, (SELECT coalesce(sum(in_use), 0) FROM lane) AS slots"""
NOTHING = {"outbox": 0, "waiting": 0, "payload": 0, "leaking": 0, "slots": 0}


def companies(count: int, *, over: int, name: str = "e") -> list[dict[str, Any]]:
    """Events whose companies are ``1`` to ``over``, one after the other."""
    return [event(f"{name}{number}", company=str(1 + number % over)) for number in range(count)]


@dataclass
class Struck:
    """What was under way when a strike came."""

    at: float
    in_flight: int
    open: int
    recorded: set[tuple[str, int]]

    def __str__(self) -> str:
        return f"{self.in_flight} in flight, {self.open} open, {len(self.recorded)} recorded"


def more_than(things: Sized, count: int) -> bool:
    return len(things) > count


async def freeze(service: Service, receiver: Receiver, pids: Iterable[int]) -> Struck:
    """Stop these processes where they stand and take down what was under way."""
    for pid in pids:
        service.kill(pid, signal.SIGSTOP)
    async with service.database() as connection:
        done = await connection.fetch("SELECT delivery_id, number FROM attempt")
        left = await connection.fetchval(
            "SELECT coalesce((SELECT sum(cardinality(events)) FROM outbox), 0) + (SELECT count(*) FROM waiting)"
        )
    recorded = {(f"dlv_{row[0].hex}", row[1]) for row in done}
    under_way = [
        each for each in receiver.requests if each.given_up is None and (each.id, each.attempt) not in recorded
    ]
    return Struck(at=time.monotonic(), in_flight=len(under_way), open=left, recorded=recorded)


async def kill_workers(service: Service, receiver: Receiver, pids: Sequence[int] | None = None) -> Struck:
    """Kill workers (-9), all of them unless given, in the middle of what they do."""
    victims = service.workers if pids is None else pids
    struck = await freeze(service, receiver, victims)
    for pid in victims:
        service.kill(pid)
    return struck


async def delivered(service: Service, receiver: Receiver, count: int, *, seconds: float = 40.0) -> list[dict[str, Any]]:
    """Wait until ``count`` deliveries have arrived and the log says so of all there are; answers the log."""
    async with service.database() as connection:

        async def all_over() -> bool:
            query = "SELECT count(*) FILTER (WHERE status >= 3) = $1 AND count(*) = $1 FROM delivery"
            return bool(await connection.fetchval(query, count))

        try:
            await wait_until(all_over, seconds)
        except AssertionError as error:
            states = await connection.fetch("SELECT status, reason, count(*) FROM delivery GROUP BY 1, 2")
            rows = [await connection.fetch(f"SELECT * FROM {name} LIMIT 10") for name in ("outbox", "waiting", "lease")]
            error.add_note(f"{len(receiver.succeeded)} of {count} arrived; {states}; {await standing(service)}; {rows}")
            raise
    log = await service.deliveries()
    assert Counter(each["status"] for each in log) == {"delivered": count}, Counter(
        (each["status"], each["statusReason"]) for each in log
    )
    assert receiver.succeeded >= {each["id"] for each in log}
    return log


async def standing(service: Service) -> dict[str, int]:
    async with service.database() as connection:
        return dict(await connection.fetchrow(SETTLED))


async def settled(service: Service) -> None:
    """Wait until nothing is open any more and every slot was given back."""
    last: dict[str, int] = {}

    async def quiet() -> bool:
        nonlocal last
        last = await standing(service)
        return last == NOTHING

    try:
        await wait_until(quiet, 15)
    except AssertionError as error:
        error.add_note(f"still there: {last}")
        raise


def only_what_was_in_flight_came_twice(receiver: Receiver, *strikes: Struck) -> set[tuple[str, int]]:
    """Assert that no attempt recorded before any strike was made again; answers those made more than once."""
    again = receiver.repeated()
    for struck in strikes:
        after = {(each.id, each.attempt) for each in receiver.requests if each.at > struck.at}
        assert not after & struck.recorded, f"made again though recorded: {sorted(after & struck.recorded)[:5]}"
    assert len(again) <= sum(struck.in_flight for struck in strikes) + 64
    assert receiver.needless() == set()
    return again


@dataclass
class Load:
    """Publishers that go on through refusals: each event is offered, with the same id, until it is answered 202."""

    service: Service
    company: str = "1"
    accepted: dict[str, str] = field(default_factory=dict)
    refusals: list[tuple[int, str | None]] = field(default_factory=list)
    broken: int = 0
    took: list[tuple[float, float]] = field(default_factory=list)
    began: dict[str, float] = field(default_factory=dict)
    pause: float = 0.0
    stop: bool = False

    async def publish(self, name: str) -> None:
        """Publish until accepted; notes when it began and how long the accepted request took."""
        given = event(name, company=self.company, id=name)
        while True:
            began = time.monotonic()
            try:
                async with self.service.client.post("/v1/events", json=given) as answer:
                    if answer.status == 202:
                        self.accepted[name] = (await answer.json())["id"]
                        self.began[name] = began
                        self.took.append((began, time.monotonic() - began))
                        return
                    self.refusals.append((answer.status, answer.headers.get("Retry-After")))
            except (aiohttp.ClientError, TimeoutError):
                self.broken += 1
            await asyncio.sleep(0.2)

    async def _run(self, number: int) -> None:
        turn = 0
        while not self.stop:
            await self.publish(f"{number}-{turn}-{self.company}")
            turn += 1
            if self.pause:
                await asyncio.sleep(self.pause)

    @asynccontextmanager
    async def running(self, publishers: int) -> AsyncIterator[None]:
        """Publishers at work inside; on the way out each ends with an accepted event."""
        tasks = [asyncio.create_task(self._run(number)) for number in range(publishers)]
        try:
            yield
            self.stop = True
            await asyncio.wait_for(asyncio.gather(*tasks), 60)
        finally:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)
