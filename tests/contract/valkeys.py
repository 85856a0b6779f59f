"""A real Valkey for a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hookward.adapters.embedded.data_dir import DataDir
from hookward.adapters.embedded.valkey import EmbeddedValkey
from hookward.adapters.processes import Supervisor


class Valkey:
    """A server that can be stopped and started again."""

    def __init__(self, server: EmbeddedValkey, supervisor: Supervisor) -> None:
        self._server = server
        self._supervisor = supervisor
        self.url = server.url

    async def start(self) -> None:
        await self._supervisor.start(self._server.child())

    async def stop(self) -> None:
        await self._supervisor.stop("valkey")


@asynccontextmanager
async def running_valkey(folder: Path) -> AsyncIterator[Valkey]:
    """A server that runs."""
    with DataDir.claim(folder) as held:
        async with Supervisor() as supervisor:
            valkey = Valkey(EmbeddedValkey(held.path, sockets=held.sockets), supervisor)
            await valkey.start()
            yield valkey
