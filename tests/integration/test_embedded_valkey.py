import os
import signal
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
import redis.exceptions

from hookward.adapters.embedded import valkey as subject
from hookward.adapters.embedded.data_dir import DataDir
from hookward.adapters.embedded.valkey import EmbeddedValkey, find_server
from hookward.adapters.processes import Supervisor
from hookward.domain.errors import ConfigError
from tests.integration.observing import command_line, until, until_answered


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    async with Supervisor() as running:
        yield running


@pytest.fixture
async def valkey(tmp_path, supervisor) -> AsyncIterator[EmbeddedValkey]:
    with DataDir.claim(tmp_path) as held:
        server = EmbeddedValkey(held.path, sockets=held.sockets, maxmemory=4 * 1024 * 1024)
        await supervisor.start(server.child())
        yield server
        await supervisor.stop("valkey")


@pytest.fixture
async def client(valkey) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(valkey.url) as connection:
        yield connection


async def test_it_answers_and_says_what_it_is(valkey, client, supervisor):
    assert await client.ping()
    assert "valkey-server" in command_line(supervisor.pid("valkey"))


async def test_it_forgets_everything_when_it_dies_and_comes_back(valkey, client, supervisor, tmp_path):
    await client.set("key", "value")
    first = supervisor.pid("valkey")

    os.kill(first, signal.SIGKILL)

    await until(lambda: supervisor.pid("valkey") not in {first, None})
    await until_answered(valkey.is_ready)
    assert await client.get("key") is None
    assert {path.name for path in tmp_path.iterdir()} == {"serve.lock", "log"}


async def test_it_refuses_what_is_too_much_and_keeps_what_it_has(client):
    await client.set("kept", "value")

    async def store_too_much() -> None:
        for number in range(100):
            await client.set(f"key {number}", b"x" * 1024 * 1024)

    with pytest.raises(redis.exceptions.OutOfMemoryError):
        await store_too_much()

    assert await client.get("kept") == b"value"


async def test_it_is_not_ready_before_it_runs(tmp_path):
    assert not await EmbeddedValkey(tmp_path, sockets=tmp_path).is_ready()


def test_without_the_wheel_a_server_on_the_path_will_do(tmp_path, monkeypatch):
    monkeypatch.setattr(subject, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="queue"):
        find_server()

    installed = tmp_path / "redis-server"
    installed.touch(mode=0o755)

    assert find_server() == installed
