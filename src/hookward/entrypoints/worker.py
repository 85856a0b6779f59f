"""The worker process."""

from __future__ import annotations

import asyncio
import os
import socket

from hookward.adapters.clock import SystemRandom
from hookward.bootstrap.os_probes import raise_descriptor_limit
from hookward.bootstrap.worker import run_worker
from hookward.config import Settings


async def run(settings: Settings, stop: asyncio.Event, *, incarnation: str | None) -> None:
    """Work until ``stop`` is set. ``incarnation`` names this process, so that ``serve`` can end its lease."""
    name = incarnation or f"{socket.gethostname()}/{os.getpid()}/{SystemRandom().bytes(4).hex()}"
    raise_descriptor_limit()
    await run_worker(settings, name=name, stop=stop)
