from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.servers import MAJORS, Server, fast_folder, running_servers
from tests.contract.world import World, opened_world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers() -> AsyncIterator[dict[int, Server]]:
    with fast_folder() as folder:
        async with running_servers(folder) as running:
            yield running


@pytest.fixture(params=MAJORS, ids=lambda major: f"postgres-{major}")
def server(request, servers) -> Server:
    found: Server = servers[request.param]
    return found


@pytest.fixture
async def world(server) -> AsyncIterator[World]:
    async with opened_world(server) as opened:
        yield opened
