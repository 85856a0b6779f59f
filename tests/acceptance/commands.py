"""Runs Hookward's commands as a user does: as processes, configured by the environment only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from hookward.config import environment_without_settings

PATIENCE_SECONDS = 60.0


def environment(**settings: str) -> dict[str, str]:
    """Return the environment with these settings only (``server__port="9000"``) and this Python first on the path."""
    given = {f"HOOKWARD_{name.upper()}": value for name, value in settings.items()}
    ours = environment_without_settings()
    path = os.pathsep.join((str(Path(sys.executable).parent), ours.get("PATH", os.defpath)))
    return {**ours, **given, "PATH": path}


def run(*arguments: str, directory: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        (sys.executable, "-m", "hookward", *arguments),
        cwd=directory,
        env=environment(**settings),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def free_port() -> int:
    """Return a port that no process listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Return whether a process listens on ``port``."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, at most ``PATIENCE_SECONDS``."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.02)


@contextmanager
def serving(directory: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a ``hookward serve`` in ``directory`` and wait until it is ready; stop it on exit."""
    log = directory / "serve.out"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            (sys.executable, "-m", "hookward", "serve"),
            cwd=directory,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_until(lambda: b"hookward serves " in log.read_bytes() or process.poll() is not None)
            assert process.poll() is None, log.read_text("utf-8")
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
