"""SIGTERM: what is in flight is finished within the grace time, recorded, and the exit status is 0."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.observing import is_running
from tests.receiver import Receiver, Reply
from tests.service import Service, event, wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="module")]

GRACE_SECONDS = 3
SETTINGS = {
    "HOOKWARD_WORKER__GRACE": f"{GRACE_SECONDS}s",
    "HOOKWARD_DELIVERY__TIMEOUT": "30s",
    "HOOKWARD_WORKER__LEASE": "60s",
    "HOOKWARD_DELIVERY__SCHEDULE": "1h",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with Service(tmp_path_factory.mktemp("ending") / "data", SETTINGS) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


def exits(service: Service, child: str) -> list[int]:
    """With which status each life of a child has ended."""
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    ended = [line for line in lines if line["event"] == "serve.child_ended" and line["child"] == child]
    return [line["returncode"] for line in ended]


async def ends(service: Service, pid: int, child: str) -> int:
    """Wait until a child that was asked to has ended, and is known to have; answers its status."""
    before = len(exits(service, child))
    service.kill(pid, signal.SIGTERM)
    await wait_until(lambda: not is_running(pid) and len(exits(service, child)) > before, what=f"{child} ends")
    return exits(service, child)[-1]


async def delivered(service: Service, published: str) -> dict[str, Any]:
    """The only delivery of an event, whole, once it is delivered."""
    [found] = await wait_until(lambda: service.deliveries(eventId=published, status="delivered"))
    shown: dict[str, Any] = await service.ask("GET", f"/v1/deliveries/{found['id']}", expect=200)
    return shown


async def test_a_worker_finishes_and_records_what_is_in_flight(service: Service, receiver: Receiver) -> None:
    await service.create_watch(receiver.on("/slow", Reply(delay=1.0)), company="finished")
    published = await service.publish(event("1", company="finished"))
    [request] = await wait_until(lambda: receiver.requests)
    assert await ends(service, service.workers[0], "worker-1") == 0
    assert (request.status, request.given_up) == (200, None)
    shown = await delivered(service, published)
    assert [each["response"]["statusCode"] for each in shown["attempts"]] == [200]
    assert len(receiver.requests) == 1


async def test_what_takes_longer_than_the_grace_time_is_broken_off_and_sent_again_by_another(
    service: Service, receiver: Receiver
) -> None:
    await service.create_watch(receiver.on("/hangs", Reply(hang=True)), company="broken-off")
    published = await service.publish(event("1", company="broken-off"))
    await wait_until(lambda: receiver.requests)
    assert await ends(service, service.workers[0], "worker-1") == 0
    await wait_until(lambda: len(receiver.requests) == 2)
    first, second = receiver.requests
    assert first.given_up is not None
    assert (second.id, second.attempt) == (first.id, 1)
    receiver.answer(second)
    shown = await delivered(service, published)
    assert [(each["number"], each["response"]["statusCode"]) for each in shown["attempts"]] == [(1, 200)]
    assert len(receiver.requests) == 2


async def listens(service: Service) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
    except ConnectionRefusedError:
        return False
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return True


async def is_deaf(service: Service) -> bool:
    return not await listens(service)


async def half_sent(service: Service, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A publish that is begun, and of which all but the last byte was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body[:-1])
    return reader, writer


async def test_the_api_answers_what_it_has_begun_and_takes_nothing_more(service: Service, receiver: Receiver) -> None:
    await service.create_watch(receiver.url, company="api")
    pid = service.api
    async with service.database() as connection:
        async with connection.transaction():
            await connection.execute("LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE")  # nothing can be accepted now
            begun = [
                asyncio.create_task(service.publish(event("single", company="api"))),
                asyncio.create_task(service.publish_batch([event("batch", company="api")])),
                asyncio.create_task(
                    service.ask("POST", "/companies/api/appointments", expect=202, json={"id": "mirrored"})
                ),
            ]
            waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'event'::regclass"
            await wait_until(lambda: connection.fetchval(waiting))
            body = json.dumps(event("slow", company="api")).encode()
            reader, writer = await half_sent(service, body)
            ending = asyncio.create_task(ends(service, pid, "api"))
            await wait_until(lambda: is_deaf(service), every=0.01, what="the api takes nothing more")
            assert is_running(pid)
            assert not any(each.done() for each in begun)
            writer.write(body[-1:])
        await asyncio.gather(*begun)
        assert (await reader.readline()).split()[1] == b"202"
        writer.close()
        assert await ending == 0
    await wait_until(service.is_ready)
    await wait_until(lambda: len(receiver.requests) == 4)
    names = {json.loads(each.body)["id"] for each in receiver.requests}
    assert names == {"single", "batch", "mirrored", "slow"}


async def test_serve_ends_well_although_the_grace_time_was_not_enough(service: Service, receiver: Receiver) -> None:
    await service.create_watch(receiver.on("/serve", Reply(hang=True)), company="serve")
    published = await service.publish(event("1", company="serve"))
    [request] = await wait_until(lambda: receiver.requests)
    assert await service.stop() == 0
    assert request.given_up is not None
    receiver.on("/serve", Reply())
    await service.start()
    assert (await delivered(service, published))["attemptCount"] == 1
    assert [(each.id, each.attempt) for each in receiver.requests] == [(request.id, 1)] * 2
