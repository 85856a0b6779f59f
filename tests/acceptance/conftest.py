from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.oauth import FOUR_WORKERS
from tests.peers import Peer
from tests.receiver import Receiver
from tests.service import Service


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def four_workers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service with four worker processes, which the tests of a module share."""
    async with Service(tmp_path_factory.mktemp("four") / "data", FOUR_WORKERS) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict_server(four_workers: Service) -> AsyncIterator[Peer]:
    async with Peer("oidc.mjs", f"{four_workers.url}/oauth2/callback") as peer:
        yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mock_server() -> AsyncIterator[Peer]:
    async with Peer("mock.mjs") as peer:
        yield peer


@pytest_asyncio.fixture(loop_scope="session")
async def oidc(strict_server: Peer) -> Peer:
    """oidc-provider, its counts at nothing."""
    await strict_server.ask(do="reset")
    return strict_server


@pytest_asyncio.fixture(loop_scope="session")
async def mock(mock_server: Peer) -> Peer:
    """oauth2-mock-server, its counts at nothing and all well."""
    await mock_server.ask(do="reset")
    return mock_server
