from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.api.mirrored import Own
from tests.receiver import Receiver
from tests.service import Service


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One whole service for all tests of the api's surface: each test uses a company of its own."""
    settings = {"HOOKWARD_DELIVERY__SCHEDULE": "200ms,200ms,200ms", "HOOKWARD_DELIVERY__TIMEOUT": "2s"}
    settings |= {"HOOKWARD_SERVER__PATH_PREFIXES": "/api/2.3", "HOOKWARD_WORKER__LEASE": "10s"}
    settings |= {"HOOKWARD_SERVER__REQUEST_TIMEOUT": "5s"}
    async with Service(tmp_path_factory.mktemp("api") / "data", settings) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
def own(service: Service, receiver: Receiver) -> Own:
    return Own(service, receiver)
