"""How many requests a watch has open at a time, whichever workers make them."""

import asyncio
import signal
from pathlib import Path

from tests.receiver import Received, Receiver, Reply
from tests.service import Service, event, wait_until

OWN, DEFAULT = 2, 4
EVENTS, MANY = 60, 150
SETTINGS = {
    "HOOKWARD_WORKER__PROCESSES": "3",
    "HOOKWARD_DELIVERY__CONCURRENCY": str(DEFAULT),
    "HOOKWARD_DELIVERY__SCHEDULE": "200ms,200ms",
}


class CountingEndpoint:
    """Counts how many requests are open. Those of ``hanging`` are not answered; every seventh fails at first."""

    def __init__(self, receiver: Receiver, path: str, *hanging: bytes) -> None:
        self.address = receiver.on(path, self.reply)
        self._receiver = receiver
        self._path = path
        self._hanging = hanging
        self.most = 0

    @property
    def open(self) -> list[Received]:
        return [each for each in self._receiver.in_flight if each.path == self._path]

    @property
    def answered(self) -> int:
        return len([each for each in self._receiver.at(self._path) if each.status == 200])

    def reply(self, received: Received) -> Reply:
        self.most = max(self.most, len(self.open))
        if any(name in received.body for name in self._hanging):
            return Reply(hang=True)
        sick = received.attempt == 1 and int(received.id[-4:], 16) % 7 == 0
        return Reply(status=500 if sick else 200, delay=0.02)


async def holders(service: Service) -> set[int]:
    """The workers that hold slots."""
    async with service.database() as connection:
        rows = await connection.fetch("SELECT worker FROM lease JOIN lane_grant USING (token) WHERE n > 0")
    return {pid for row in rows for pid in service.matching(row[0])}


async def test_the_slots_of_a_watch_are_shared_by_all_workers(tmp_path: Path, receiver: Receiver) -> None:
    async with Service(tmp_path / "data", SETTINGS) as service:
        endpoint = CountingEndpoint(receiver, "/shared", b"first", b"second")
        await service.create_watch(endpoint.address, concurrency=OWN)

        # Two workers have a request open each: the one that has the first one cannot take the second.
        await service.publish(event("first"))
        await wait_until(lambda: len(endpoint.open) == 1)
        [one] = await holders(service)
        service.kill(one, signal.SIGSTOP)
        await service.publish(event("second"))
        await wait_until(lambda: len(endpoint.open) == 2)
        assert len(await holders(service)) == 2

        # All others have one slot among them once the second is answered, and two in the end.
        first, second = endpoint.open
        await service.publish_batch([event(str(number)) for number in range(EVENTS)])
        receiver.answer(second)
        await wait_until(lambda: endpoint.answered > EVENTS // 2)
        service.kill(one, signal.SIGCONT)
        receiver.answer(first)
        await wait_until(lambda: endpoint.answered == EVENTS + 2)
        assert endpoint.most == OWN

        # The same for what is configured, and many publishes.
        usual = CountingEndpoint(receiver, "/usual")
        await service.create_watch(usual.address, company="2")
        await asyncio.gather(*(service.publish(event(str(number), company="2")) for number in range(MANY)))
        await wait_until(lambda: usual.answered == MANY)
        assert usual.most == DEFAULT
        assert receiver.repeated() == set()
