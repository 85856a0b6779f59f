"""The file in which PostgreSQL notes its process, when that process is long gone."""

from __future__ import annotations

import sys
from pathlib import Path

_PROCESSES = Path("/proc")


def forget_stale_pid_file(cluster: Path) -> None:
    """Remove ``postmaster.pid`` if it names a process that is not this cluster's server, and nothing else runs on it.

    PostgreSQL itself ignores a number that no process has, but refuses to start for ever when another program has
    got it, which after the restart of a container is likely, and when a crash left the file empty. Whoever calls
    holds the data directory's lock, so no other server can be about to start.
    """
    pid_file = cluster / "postmaster.pid"
    if sys.platform != "linux" or not pid_file.exists():
        return
    named = pid_file.read_text().partition("\n")[0].strip()
    dead = named.isdigit() and not (_PROCESSES / named).exists()
    if not dead and not _anything_works_in(cluster.resolve()):
        pid_file.unlink(missing_ok=True)


def _anything_works_in(directory: Path) -> bool:
    """Whether any process has it as its working directory, as the server and all its processes do."""
    for process in _PROCESSES.iterdir():
        if process.name.isdigit():
            try:
                if (process / "cwd").readlink() == directory:
                    return True
            except OSError:  # ended meanwhile, or somebody else's
                continue
    return False
