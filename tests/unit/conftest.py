from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from tests.fakes.token_harness import TokenHarness
from tests.fakes.worker_harness import WorkerHarness


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Function
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A module that names ``LOOP_FACTORIES`` runs on each of them."""
    named: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None = getattr(item.module, "LOOP_FACTORIES", None)
    return named or {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def house() -> AsyncIterator[WorkerHarness]:
    """Closed in good order at the end, and then nothing may be held any more."""
    house = WorkerHarness()
    yield house
    if house.tasks:
        await house.close()
        assert [row for row in house.store.outbox.values() if row.token is not None] == []
        assert [row for row in house.store.waiting.values() if row.token is not None] == []
        assert sum(lane.in_use for lane in house.store.lanes.values()) == 0


@pytest.fixture
async def office() -> AsyncIterator[TokenHarness]:
    """In the end nothing of it may be left behind."""
    office = TokenHarness()
    yield office
    for tokens in office.processes:
        await tokens.close(seconds=1.0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert "chore.failed" not in office.log.events
