from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.servers import Server, fast_folder, majors_of, running_servers
from tests.contract.world import World, opened_world


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a server on each major version that was asked for, and shared suites on their fake too."""
    majors = majors_of(metafunc.config.getoption("--postgres"))
    if "world_or_none" in metafunc.fixturenames:
        metafunc.parametrize("world_or_none", [*majors, None], ids=_name, indirect=True)
    elif "shared_server" in metafunc.fixturenames:
        metafunc.parametrize("shared_server", majors, ids=_name, indirect=True, scope="module")
    elif "server" in metafunc.fixturenames:
        metafunc.parametrize("server", majors, ids=_name, indirect=True)


def _name(major: int | None) -> str:
    return f"postgres-{major}" if major else "fake"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(request: pytest.FixtureRequest) -> AsyncIterator[dict[int, Server]]:
    """The servers of the versions asked for, by their major version, started once a session."""
    with fast_folder() as folder:
        async with running_servers(folder, majors_of(request.config.getoption("--postgres"))) as running:
            yield running


@pytest.fixture(scope="session")
def newest(servers: dict[int, Server]) -> Server:
    """The server of the newest version asked for."""
    return servers[max(servers)]


@pytest.fixture(scope="session")
def oldest(servers: dict[int, Server]) -> Server:
    """The server of the oldest version asked for."""
    return servers[min(servers)]


@pytest.fixture(scope="module")
def shared_server(request: pytest.FixtureRequest, servers: dict[int, Server]) -> Server:
    """Each server asked for, for set-ups that the tests of a module share."""
    return servers[request.param]


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: dict[int, Server]) -> Server:
    return servers[request.param]


@pytest.fixture
async def world(server: Server) -> AsyncIterator[World]:
    async with opened_world(server) as opened:
        yield opened


@pytest.fixture
async def world_or_none(request: pytest.FixtureRequest, servers: dict[int, Server]) -> AsyncIterator[World | None]:
    """A world on PostgreSQL, or none where a suite is to take its fake."""
    if request.param is None:
        yield None
        return
    async with opened_world(servers[request.param]) as opened:
        yield opened
