"""Supervise child processes: start, watch, restart and stop them, and never leave one running.

The output of a child goes into a log file of bounded size.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from hookward.domain.errors import ConfigError

INCARNATION = "{incarnation}"
"""A placeholder in a child's arguments and environment: the unique name of the process that is being started."""

NOT_STARTED = 127
"""The return code that is reported when the program could not be started."""

OnExit = Callable[[str, int, str], None]
"""Called with the child's name, its return code (negative for a signal) and the incarnation that ended."""

_READY_POLL = 0.02
_LOG_POLL = 30.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A program to keep running. Times are in seconds.

    A child that ends is started again after ``restart_delays``, one after the other; the last delay repeats. The
    delays start over once a process has run for ``stable_after``. A child is stopped with ``stop_signal``, and killed
    after ``grace``. Its output goes to ``log``, which is bounded, or else to the output of this process.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] | None = None
    start_timeout: float = 30.0
    restart_delays: tuple[float, ...] = (0.0, 0.1, 0.3, 0.9, 1.7)
    stable_after: float = 10.0
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    log: Path | None = None


class Supervisor:
    """Keeps children running, each in a session of its own, so that Ctrl-C of a terminal reaches only this process.

    ``on_exit`` is called for every process that ended, also after ``stop``, once it is reaped and before the next one
    starts; it must return at once and not raise. ``environment`` is the base for children that add variables; children
    without additions inherit the environment of this process.
    """

    def __init__(self, *, on_exit: OnExit | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._on_exit = on_exit
        self._environment = environment
        self._keepers: dict[str, _Keeper] = {}
        self._broken: asyncio.Event = asyncio.Event()

    async def start(self, child: Child) -> None:
        """Start a child and wait until it is ready, also if it must be restarted until then.

        Raises ConfigError if it is not ready within its ``start_timeout``. Call this from the main thread only: the
        kernel kills a child when the *thread* that started it ends.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("children must be started from the main thread")
        if child.name in self._keepers:
            raise ValueError(f"{child.name} was started before")
        keeper = self._keepers[child.name] = _Keeper(child, self._environment_of(child), self._on_exit)
        keeper.task.add_done_callback(self._note_end)
        try:
            async with asyncio.timeout(child.start_timeout):
                await keeper.until_ready()
        except TimeoutError as error:
            await self.stop(child.name)
            where = f", see {child.log}" if child.log else ""
            raise ConfigError(f"{child.name} was not ready within {child.start_timeout:g} s{where}") from error

    def pid(self, name: str) -> int | None:
        """Return the process id of a child; ``None`` while it is being restarted."""
        return self._keepers[name].pid

    async def stop(self, *names: str) -> None:
        """Stop these children, one after the other in this order, and wait for each; unknown names are ignored."""
        keepers = [self._keepers[name] for name in names if name in self._keepers]
        for keeper in keepers:
            await keeper.stop()
            self._keepers.pop(keeper.name, None)
        for keeper in keepers:
            keeper.task.result()  # raises the error of its supervision, now that none is left running

    async def watch(self) -> None:
        """Wait for a supervisor task to fail and re-raise its error."""
        await self._broken.wait()
        for keeper in self._keepers.values():
            if keeper.task.done():
                keeper.task.result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop all children, the one started last first."""
        await self.stop(*reversed(self._keepers))

    def _environment_of(self, child: Child) -> Mapping[str, str] | None:
        if not child.environment:
            return self._environment
        if self._environment is None:
            raise ValueError(f"{child.name} adds to an environment that the supervisor was not given")
        return {**self._environment, **child.environment}

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._broken.set()


class _Keeper:
    """The task that runs one child, process after process."""

    def __init__(self, child: Child, environment: Mapping[str, str] | None, on_exit: OnExit | None) -> None:
        self._child = child
        self._environment = environment
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._started = False
        self._stopping = asyncio.Event()
        self.name = child.name
        self.task = asyncio.create_task(self._keep(), name=f"keep {child.name}")

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def until_ready(self) -> None:
        while not self.task.done():
            if await self._is_ready():
                return
            await asyncio.sleep(_READY_POLL)
        self.task.result()
        raise RuntimeError(f"{self.name} was stopped before it was ready")

    async def _is_ready(self) -> bool:
        if self._child.ready is None:
            return self._started
        return self._process is not None and await self._child.ready()

    async def stop(self) -> None:
        self._stopping.set()
        self._signal(self._child.stop_signal)
        done, _ = await asyncio.wait({self.task}, timeout=self._child.grace)
        if not done:
            self._signal(signal.SIGKILL)
            await asyncio.wait({self.task})

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._stopping.is_set():
            began = loop.time()
            incarnation = str(uuid.uuid4())
            returncode = await self._live(incarnation)
            if self._on_exit is not None:
                self._on_exit(self.name, returncode, incarnation)
            deaths = 1 if loop.time() - began >= self._child.stable_after else deaths + 1
            delays = self._child.restart_delays
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delays[min(deaths, len(delays)) - 1])

    async def _live(self, incarnation: str) -> int:
        """Run one process until it is reaped, and return its return code."""
        try:
            process = self._process = await self._spawn(incarnation)
        except OSError:
            return NOT_STARTED
        self._started = True
        if self._stopping.is_set():
            self._signal(self._child.stop_signal)
        try:
            while True:
                with suppress(TimeoutError):
                    return await asyncio.wait_for(process.wait(), _LOG_POLL)
                self._trim_log()
        finally:
            self._process = None

    async def _spawn(self, incarnation: str) -> asyncio.subprocess.Process:
        environment = self._environment
        if environment is not None:
            environment = {name: value.replace(INCARNATION, incarnation) for name, value in environment.items()}
        self._trim_log()
        with _output(self._child.log) as output:
            return await asyncio.create_subprocess_exec(
                *(argument.replace(INCARNATION, incarnation) for argument in self._child.argv),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _trim_log(self) -> None:
        if self._child.log is not None:
            trim_log(self._child.log)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


@contextmanager
def _output(log: Path | None) -> Iterator[int | None]:
    if log is None:
        yield None
        return
    descriptor = open_log(log)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends. Exits at once if ``parent`` has ended already.

    Hookward's Python children call it first. Only Linux supports this; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, *(ctypes.c_ulong(value) for value in (signal.SIGKILL, 0, 0, 0))) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")
    if os.getppid() != parent:
        raise SystemExit(f"the parent process {parent} has ended")


LOG_BYTES = 8 * 1024 * 1024


def open_log(path: Path) -> int:
    """Return a descriptor for a child's output, and create the directory if needed. The caller closes it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def trim_log(path: Path, *, limit: int = LOG_BYTES) -> None:
    """Empty the file if it has more than ``limit`` bytes, and keep the last ``limit`` of them as ``….1``.

    The file is truncated in place because the child keeps its descriptor; appending writers go on at the new end. Lines
    written between the copy and the truncation are lost.
    """
    try:
        if path.stat().st_size <= limit:
            return
        kept = path.with_name(path.name + ".1")
        with (
            path.open("rb") as log,
            os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as old,
        ):
            log.seek(-limit, os.SEEK_END)
            shutil.copyfileobj(log, old)
        os.truncate(path, 0)
    except FileNotFoundError:
        return
