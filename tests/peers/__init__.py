"""Implementations that we did not write, from npm, to test against; ``make test`` installs them where npm is.

A peer is a script in this directory. One that checks something reads JSON from its standard input and writes JSON to
its standard output (``ask``). One that serves writes a line of JSON as soon as it listens, reads commands as lines
of JSON, answers each with one, and ends when its input does (``Peer``).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

HERE = Path(__file__).parent
NODE = shutil.which("node")
START_SECONDS = 30.0
STOP_SECONDS = 10.0

needs_node = pytest.mark.skipif(NODE is None, reason="needs node, and there is none on the path")
"""For tests that ask peers. Where there is node and not the packages, they fail: nothing is skipped unseen."""


class PeerFailed(Exception):
    """A peer ended, or answered something else than JSON."""


def _command(script: str, *arguments: str) -> tuple[str, ...]:
    assert NODE is not None, "mark the test with needs_node"
    assert (HERE / "node_modules").is_dir(), "the packages are missing; run make setup"
    return (NODE, str(HERE / script), *arguments)


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "NODE_ENV": "test", "NODE_NO_WARNINGS": "1"}


async def ask(script: str, given: Any, *arguments: str) -> Any:
    """What ``script`` answers to ``given``."""
    process = await asyncio.create_subprocess_exec(
        *_command(script, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    answer, complaint = await process.communicate(json.dumps(given).encode())
    if process.returncode:
        raise PeerFailed(f"{script}: {complaint.decode(errors='replace')}")
    return json.loads(answer)


class Peer:
    """``async with Peer("server.mjs") as peer``: it listens inside and has ended after.

    ``told`` is what it said as it began to listen.
    """

    def __init__(self, script: str, *arguments: str) -> None:
        self._script = script
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self.told: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *_command(self._script, *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
            limit=16 << 20,
        )
        async with asyncio.timeout(START_SECONDS):
            self.told = await self._line()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._running()
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def ask(self, **command: Any) -> Any:
        """What it answers to a command."""
        process = self._running()
        assert process.stdin is not None
        async with self._turn:
            process.stdin.write(json.dumps(command).encode() + b"\n")
            await process.stdin.drain()
            return await self._line()

    async def _line(self) -> Any:
        process = self._running()
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise PeerFailed(f"{self._script} has ended; what it wrote on standard error says why")
        return json.loads(line)

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "enter it first"
        return self._process
