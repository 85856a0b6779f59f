"""Going to where a command takes effect. What that takes is loaded only then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hookward.config import load_settings
from hookward.entrypoints.commands.reach import Desk, Reach
from hookward.observability import configure_logs

_Done = TypeVar("_Done")


def at_desk(reach: Reach, work: Callable[[Desk], Awaitable[_Done]]) -> _Done:
    """Do ``work`` there; raises Refused, ConfigError or StoreUnavailable."""
    from hookward.entrypoints.commands.desk import open_desk  # noqa: PLC0415

    settings = load_settings(reach.config)
    configure_logs("error")

    async def done() -> _Done:
        async with open_desk(reach, settings) as desk:
            return await work(desk)

    return asyncio.run(done())
