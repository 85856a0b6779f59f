"""The directory ``data.dir``: its lock, the runtime file with the addresses of the stores, and stale PID files."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from hookward.domain.errors import ConfigError
from hookward.domain.redaction import redacted_repr

_LOCK = "serve.lock"
_RUNTIME = "serve.json"

_SOCKETS_PREFIX = "hookward-"
_LONGEST_TEMPORARY = 64
"""The longest temporary directory, in bytes: a whole socket path has at most 103 (macOS)."""
_PLAIN = re.compile(r"[\w./+-]+")
"""Paths that need no quoting in a URL or in PostgreSQL's lists."""

_READERS_MOMENT = 0.2
"""Seconds to wait for the lock: a reader holds it for microseconds, another ``serve`` for longer."""


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What ``hookward api`` and ``hookward worker`` need in order to use the stores of a running ``serve``.

    The addresses are those of the embedded stores; the address of a store that is configured is ``None``.
    """

    pid: int
    database_url: str | None = None
    queue_url: str | None = None

    __repr__ = redacted_repr


class DataDir:
    """The exclusive lock of a data directory, from ``claim`` to ``release`` or the end of the process.

    ``sockets`` is a short private directory for the stores' sockets: a data directory's own path may be too long for
    one (107 bytes on Linux).
    """

    def __init__(self, path: Path, *, lock: int, sockets: Path) -> None:
        self.path = path
        self.sockets = sockets
        self._lock = lock

    @classmethod
    def claim(cls, path: Path) -> Self:
        """Create the directory if there is none, with mode 0700, and lock it; ConfigError if another ``serve`` did.

        The mode of a directory that exists is not changed.
        """
        path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigError(f"data.dir: {path} cannot be used: {error.strerror}") from error
        if not _lock(lock):
            os.close(lock)
            raise ConfigError(f"data.dir: {path} is in use by another hookward serve")
        (path / _RUNTIME).unlink(missing_ok=True)
        _remove_sockets(_read_all(lock))
        sockets = _make_sockets()
        os.ftruncate(lock, 0)
        os.pwrite(lock, os.fsencode(sockets), 0)
        return cls(path, lock=lock, sockets=sockets)

    def publish(self, runtime: Runtime) -> None:
        """Write the runtime file atomically: readers see the old file or the new one."""
        fresh = self.path / f"{_RUNTIME}.new"
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(runtime))
        fresh.replace(self.path / _RUNTIME)

    def release(self) -> None:
        """Release the directory; the stores must have ended."""
        (self.path / _RUNTIME).unlink(missing_ok=True)
        shutil.rmtree(self.sockets, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def read_runtime(path: Path) -> Runtime | None:
    """Return what the ``serve`` of this data directory published; ``None`` if none runs or it is not ready yet."""
    try:
        lock = os.open(path / _LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_published(path)
    else:
        return None  # it is not locked: the file is of a process that has ended
    finally:
        os.close(lock)


def _read_published(path: Path) -> Runtime | None:
    try:
        return msgspec.json.decode((path / _RUNTIME).read_bytes(), type=Runtime)
    except (OSError, msgspec.DecodeError):
        return None


def _lock(descriptor: int) -> bool:
    deadline = time.monotonic() + _READERS_MOMENT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def _read_all(descriptor: int) -> bytes:
    return os.pread(descriptor, 4096, 0)


def _temporary_directory() -> Path:
    usual = tempfile.gettempdir()
    short = "/tmp"  # noqa: S108 — only as the parent of a directory that mkdtemp makes private
    fits = len(os.fsencode(usual)) <= _LONGEST_TEMPORARY and _PLAIN.fullmatch(usual) is not None
    return Path(usual if fits else short)


def _make_sockets() -> Path:
    return Path(tempfile.mkdtemp(prefix=_SOCKETS_PREFIX, dir=_temporary_directory()))


def _remove_sockets(named: bytes) -> None:
    """Remove the sockets of a ``serve`` that was killed, if ``named`` is such a directory and belongs to this user."""
    if not named:
        return
    path = Path(os.fsdecode(named))
    if path.parent != _temporary_directory() or not path.name.startswith(_SOCKETS_PREFIX):
        return
    try:
        ours = path.lstat().st_uid == os.geteuid() and path.is_dir() and not path.is_symlink()
    except OSError:
        return
    if ours:
        shutil.rmtree(path, ignore_errors=True)


_PROCESSES = Path("/proc")


def forget_stale_pid_file(cluster: Path) -> None:
    """Remove ``postmaster.pid`` if it is stale: it names another process, and no process uses the cluster.

    PostgreSQL itself ignores a number that no process has. It refuses to start if another program has the number, which
    is likely after the restart of a container, or if a crash left the file empty. The caller holds the lock of the data
    directory, so no other server can be about to start.
    """
    pid_file = cluster / "postmaster.pid"
    if sys.platform != "linux" or not pid_file.exists():
        return
    named = pid_file.read_text().partition("\n")[0].strip()
    dead = named.isdigit() and not (_PROCESSES / named).exists()
    if not dead and not _anything_works_in(cluster.resolve()):
        pid_file.unlink(missing_ok=True)


def _anything_works_in(directory: Path) -> bool:
    """Return whether any process has it as its working directory, as the server and all its processes do."""
    for process in _PROCESSES.iterdir():
        if process.name.isdigit():
            try:
                if (process / "cwd").readlink() == directory:
                    return True
            except OSError:  # the process has ended, or belongs to another user
                continue
    return False
