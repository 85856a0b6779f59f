from __future__ import annotations

import pytest

from tests.contract.delivery.worlds import DeliveryWorld, MemoryWorld, PostgresWorld
from tests.contract.world import World


@pytest.fixture
def store(world_or_none: World | None) -> DeliveryWorld:
    """A store: PostgreSQL, or the one in memory."""
    return MemoryWorld() if world_or_none is None else PostgresWorld(world_or_none)
