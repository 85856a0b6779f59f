"""G5: a watch whose creation was answered applies to every event published after, whichever processes handle them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.receiver import Receiver
from tests.service import Service, event, free_port, wait_until

ROUNDS = 1000


@asynccontextmanager
async def second_api(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Another api process on the stores of ``service``."""
    port = free_port()
    with service.log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hookward", "api"],
            env={**service.environment, "HOOKWARD_SERVER__PORT": str(port)},
            stdout=output,
            stderr=output,
        )
    try:
        headers = {"Authorization": f"Bearer {service.key}"}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as client:

            async def ready() -> bool:
                try:
                    async with client.get("/readyz") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await wait_until(ready)
            yield client
    finally:
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0


@pytest.mark.timeout(180)
async def test_a_watch_made_through_one_api_receives_an_event_published_right_after_through_another(
    tmp_path: Path,
) -> None:
    settings = {"HOOKWARD_WORKER__PROCESSES": "2"}
    async with (
        Service(tmp_path / "data", settings) as service,
        Receiver() as receiver,
        second_api(service) as other,
    ):
        for number in range(ROUNDS):
            await service.create_watch(f"{receiver.url}/{number}", company=str(number))
            async with other.post("/v1/events", json=event("1", company=str(number))) as answer:
                assert answer.status == 202
        await wait_until(lambda: len(receiver.requests) >= ROUNDS)
        assert {received.path for received in receiver.requests} == {f"/{number}" for number in range(ROUNDS)}
        assert receiver.repeated() == set()
