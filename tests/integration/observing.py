"""Watching real processes: waiting for a condition, never for a time."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from hookward.adapters.embedded.confine import Confinement, confined
from hookward.adapters.embedded.data_dir import Runtime, read_runtime

ROOT = Path(__file__).parents[2]
SERVE = "tests.integration.serving"

is_root = os.geteuid() == 0


def is_possible(mode: Confinement) -> bool:
    """Whether this machine lets us confine so: many containers refuse namespaces, and only root gives up being it."""
    program_that_does_nothing = Path(shutil.which("true") or "/bin/true")
    done = subprocess.run(confined(program_that_does_nothing, (), mode=mode), check=False, capture_output=True)
    return done.returncode == 0


MODES = [
    pytest.param(None, id="found out"),
    *(
        pytest.param(mode, marks=pytest.mark.skipif(not (is_root and is_possible(mode)), reason="refused here"))
        for mode in (Confinement.USER_NAMESPACE, Confinement.AMBIENT)
    ),
]


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Return once the condition holds; fail when it does not come to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this never came to hold"
        await asyncio.sleep(0.02)


async def until_answered(question: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not await question():
        assert time.monotonic() < deadline, "this was never answered"
        await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether the process exists and is not merely waiting to be reaped."""
    state = _state(pid)
    return state is not None and state[0] not in "ZX"


def descendants(pid: int) -> set[int]:
    parents = {int(entry.name): state[1] for entry in Path("/proc").iterdir() if (state := _numbered_state(entry))}
    found: set[int] = set()
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def working_in(directory: Path) -> set[int]:
    """The processes whose working directory this is, as it is for every process of a PostgreSQL server."""
    found = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == directory:
                found.add(int(entry.name))
    return found


@contextmanager
def program(module: str, *arguments: object, wrapper: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """One of our modules as a process of its own, killed at the end if it still runs."""
    process = subprocess.Popen(
        [*wrapper, sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def serving(
    data_dir: Path, *arguments: object, wrapper: tuple[str, ...] = ()
) -> AsyncIterator[tuple[subprocess.Popen[bytes], Runtime]]:
    """A ``serve`` of the embedded stores alone, once it is ready."""
    with program(SERVE, data_dir, *arguments, wrapper=wrapper) as process:
        await until(lambda: process.poll() is not None or read_runtime(data_dir))
        runtime = read_runtime(data_dir)
        assert runtime is not None, "serve ended"
        yield process, runtime
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            await until(lambda: process.poll() is not None)


def _numbered_state(entry: Path) -> tuple[str, int] | None:
    return _state(int(entry.name)) if entry.name.isdigit() else None


def _state(pid: int) -> tuple[str, int] | None:
    try:
        after_the_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return after_the_name[0], int(after_the_name[1])
