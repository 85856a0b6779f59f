from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Function
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A module that names ``LOOP_FACTORIES`` runs on each of them."""
    named: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None = getattr(item.module, "LOOP_FACTORIES", None)
    return named or {"asyncio": asyncio.new_event_loop}
