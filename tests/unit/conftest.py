from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from tests.fakes.virtual_time import VirtualTimeLoop
from tests.fakes.worker_harness import WorkerHarness


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Function
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests marked ``virtual_time`` on a loop whose time jumps."""
    if item.get_closest_marker("virtual_time") is None:
        return {"asyncio": asyncio.new_event_loop}
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
async def harness() -> AsyncIterator[WorkerHarness]:
    """Closed in good order at the end, and then nothing may be held any more."""
    harness = WorkerHarness()
    yield harness
    if harness.tasks:
        await harness.close()
        assert [row for row in harness.store.outbox.values() if row.token is not None] == []
        assert [row for row in harness.store.waiting.values() if row.token is not None] == []
        assert sum(lane.in_use for lane in harness.store.lanes.values()) == 0
