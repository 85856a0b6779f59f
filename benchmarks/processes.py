"""Python processes that get commands over a pipe, and CPU time and memory of processes from the kernel."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvloop

_TICKS = os.sysconf("SC_CLK_TCK")


class Helper:
    """A process that carries out commands, one at a time. ``work`` is an importable function."""

    def __init__(self, work: Callable[[Connection], Coroutine[Any, Any, None]], name: str) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_run, args=(work, theirs), name=name, daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    async def ask(self, *command: Any) -> Any:
        """Send a command and return its result."""
        self._pipe.send(command)
        return await self.hear()

    async def hear(self) -> Any:
        """Wait for a result."""
        return await asyncio.to_thread(self._pipe.recv)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()


def _run(work: Callable[[Connection], Coroutine[Any, Any, None]], pipe: Connection) -> None:
    uvloop.run(work(pipe))


async def commands(pipe: Connection, handle: Callable[..., Any]) -> None:
    """In the process: call ``handle`` with each command and send its result back, for ever."""
    while True:
        answer = handle(*await asyncio.to_thread(pipe.recv))
        pipe.send(await answer if asyncio.iscoroutine(answer) else answer)


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and of all its descendants, reaped ones included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return 0.0
    return sum(int(each) for each in fields[11:15]) / _TICKS + sum(cpu_seconds(int(child)) for child in children)


def peak_memory(pid: int) -> int:
    """Return the largest resident memory that a process has had, in bytes; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
