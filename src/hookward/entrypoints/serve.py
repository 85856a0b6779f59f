"""``hookward serve``: api, workers and embedded stores as supervised children, in one command."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from hookward.adapters.crypto.secret_files import make_secret
from hookward.adapters.embedded.data_dir import DataDir, Runtime
from hookward.adapters.embedded.postgres import EmbeddedPostgres
from hookward.adapters.embedded.valkey import EmbeddedValkey
from hookward.adapters.postgres.leases import PostgresLeases
from hookward.adapters.postgres.migrate import migrate
from hookward.adapters.postgres.pool import open_pool
from hookward.adapters.processes import INCARNATION, Child, Supervisor
from hookward.bootstrap.factories import build_sealer, check_master_keys
from hookward.bootstrap.os_probes import is_api_live, port_is_free
from hookward.bootstrap.stores import BOOTSTRAP_KEY_FILE, MASTER_KEY_FILE
from hookward.config import Settings
from hookward.config_values import EMBEDDED
from hookward.domain.errors import ConfigError, StoreUnavailable
from hookward.observability import get_log

_RETRY_SECONDS = 0.2


async def run_serve(settings: Settings, stop: asyncio.Event, *, config: Path | None) -> None:
    """Run everything until ``stop`` is set. ``config`` is passed to the child processes."""
    log = get_log(process="serve")
    async with AsyncExitStack() as stack:
        data_dir = stack.enter_context(DataDir.claim(settings.data.dir))
        _check_port(settings)
        made_key = _make_secrets(settings, data_dir)
        sealer = build_sealer(settings)
        ended_workers: asyncio.Queue[str] = asyncio.Queue()

        def on_exit(name: str, returncode: int, incarnation: str) -> None:
            if not stop.is_set():
                log.warning("serve.child_ended", child=name, returncode=returncode)
            if name.startswith("worker"):
                ended_workers.put_nowait(incarnation)

        supervisor = await stack.enter_async_context(Supervisor(on_exit=on_exit))

        async def run() -> None:
            database_url = await _start_stores(settings, data_dir, supervisor)
            await migrate(database_url)
            database = await stack.enter_async_context(open_pool(database_url, name="hookward serve", size=2))
            await check_master_keys(database, settings, sealer)
            await _start_expiring_leases(PostgresLeases(database), settings, ended_workers, stack)
            for number in range(settings.worker.processes):
                await supervisor.start(_worker(number + 1, config, settings))
            await supervisor.start(_api(config, settings))
            if made_key is not None:
                print(f"bootstrap key (shown this once): {made_key}", flush=True)
            print(f"hookward serves http://{settings.server.host}:{settings.server.port}", flush=True)
            await supervisor.watch()

        running = asyncio.create_task(run(), name="serve.run")
        stopping = asyncio.create_task(stop.wait(), name="serve.stop")
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        stopping.cancel()
        await asyncio.wait([running, stopping])
        await supervisor.stop("api")
        await supervisor.stop(*(f"worker-{number + 1}" for number in range(settings.worker.processes)))
        if not running.cancelled():
            running.result()


def _check_port(settings: Settings) -> None:
    """Raise ConfigError if the port is in use: another server there would look like a running api."""
    if not port_is_free(settings.server.host, settings.server.port):
        raise ConfigError(f"server.port: {settings.server.host}:{settings.server.port} is in use; choose another")


async def _start_stores(settings: Settings, data_dir: DataDir, supervisor: Supervisor) -> str:
    database_url, queue_url = settings.database.url, settings.queue.url
    if database_url == EMBEDDED:
        postgres = EmbeddedPostgres(data_dir.path, sockets=data_dir.sockets)
        await postgres.prepare()
        await supervisor.start(postgres.child())
        database_url = postgres.dsn
    if queue_url == EMBEDDED:
        valkey = EmbeddedValkey(data_dir.path, sockets=data_dir.sockets)
        await supervisor.start(valkey.child())
        queue_url = valkey.url
    data_dir.publish(Runtime(pid=os.getpid(), database_url=database_url, queue_url=queue_url))
    return database_url


def _make_secrets(settings: Settings, data_dir: DataDir) -> str | None:
    """Create the secrets that are not set, once; return a new bootstrap key, which is shown only now."""
    if settings.database.url != EMBEDDED:
        return None
    directory = data_dir.path
    if settings.security.master_key is None and settings.security.master_key_file is None:
        file = directory / MASTER_KEY_FILE
        if EmbeddedPostgres(directory, sockets=data_dir.sockets).exists and not file.exists():
            raise ConfigError(
                f"security.master_key: not set, and {file} is gone; set the key, or put the file back: "
                "what the database beside it holds is sealed with it"
            )
        make_secret(file, base64.b64encode(secrets.token_bytes(32)).decode())
    if settings.security.bootstrap_key is None:
        key = "hw_" + secrets.token_hex(24)
        if make_secret(directory / BOOTSTRAP_KEY_FILE, key):
            return key
    return None


def _child(role: str, config: Path | None, *more: str) -> tuple[str, ...]:
    options = () if config is None else ("--config", str(config))
    return (sys.executable, "-m", "hookward", role, *options, "--parent", str(os.getpid()), *more)


def _worker(number: int, config: Path | None, settings: Settings) -> Child:
    return Child(
        name=f"worker-{number}",
        argv=_child("worker", config, "--incarnation", INCARNATION),
        grace=settings.worker.grace + 5,
    )


def _api(config: Path | None, settings: Settings) -> Child:
    async def ready() -> bool:
        return await is_api_live(settings.server.host, settings.server.port)

    return Child(name="api", argv=_child("api", config), ready=ready, grace=15.0)


async def _start_expiring_leases(
    leases: PostgresLeases, settings: Settings, ended_workers: asyncio.Queue[str], stack: AsyncExitStack
) -> None:
    if settings.database.url == EMBEDDED:
        await leases.expire_all()  # the workers of an earlier serve ended with it
    ending = asyncio.create_task(_expire_leases(leases, ended_workers), name="serve.expire_leases")
    stack.callback(ending.cancel)


async def _expire_leases(leases: PostgresLeases, ended_workers: asyncio.Queue[str]) -> None:
    """End the lease of every worker that has exited, so that another takes over at once."""
    while True:
        incarnation = await ended_workers.get()
        while True:
            try:
                await leases.expire(incarnation)
                break
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)
