from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fakes.token_harness import TokenHarness


@pytest.fixture
async def harness() -> AsyncIterator[TokenHarness]:
    """In the end nothing of it may be left behind."""
    harness = TokenHarness()
    yield harness
    for tokens in harness.processes:
        await tokens.close(seconds=1.0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert "chore.failed" not in harness.log.events
