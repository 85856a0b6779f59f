"""Hookward itself on a temporary data directory: embedded stores, one api, one worker that can be stopped."""

from __future__ import annotations

import base64
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from aiohttp import ClientSession

from benchmarks.appointment import event
from benchmarks.processes import cpu_seconds, peak_memory
from benchmarks.sink import Sink
from hookward.adapters.embedded.data_dir import DataDir, Runtime
from hookward.adapters.embedded.postgres import EmbeddedPostgres
from hookward.adapters.embedded.valkey import EmbeddedValkey
from hookward.adapters.postgres.migrate import migrate
from hookward.adapters.processes import INCARNATION, Child, Supervisor
from hookward.bootstrap.os_probes import is_api_live
from hookward.domain.ids import EventId, IdPrefix, WatchId, delivery_id_of, from_text, to_text

_BATCH = 1000
_SIZES = """
SELECT sum(pg_total_relation_size(relid))::bigint
FROM unnest(ARRAY['event', 'delivery', 'attempt']) t, pg_partition_tree(t::regclass)"""
_BODIES = """
SELECT (SELECT sum(pg_column_size(body))::bigint FROM event),
  (SELECT sum(coalesce(pg_column_size(request_body), 0) + coalesce(pg_column_size(response_body), 0))::bigint
   FROM attempt), (SELECT count(*) FROM delivery)"""


class Watch(NamedTuple):
    """A registered watch: all updates of one company, delivered to a path of its own."""

    id: str
    company: str
    path: str

    def delivery(self, event_id: str) -> str:
        """Return the ``webhook-id`` of an event for this watch."""
        event_bytes, watch_bytes = from_text(IdPrefix.EVENT, event_id), from_text(IdPrefix.WATCH, self.id)
        assert event_bytes is not None
        assert watch_bytes is not None
        return to_text(IdPrefix.DELIVERY, delivery_id_of(EventId(event_bytes), WatchId(watch_bytes)))


class Disk(NamedTuple):
    """Bytes of events, deliveries and attempts with their indexes; of the bodies in them; and how many deliveries."""

    total: int
    bodies: int
    deliveries: int


class Stack:
    """The running service. ``worker_memory`` is the most memory that a worker has used so far, in bytes."""

    def __init__(
        self, supervisor: Supervisor, session: ClientSession, sink: Sink,
        *, directory: Path, port: int, key: str, dsn: str,
    ) -> None:  # fmt: skip
        self._supervisor = supervisor
        self._session = session
        self._directory = directory
        self._dsn = dsn
        self._companies = 0
        self.sink = sink
        self.port = port
        self.key = key
        self.url = f"http://127.0.0.1:{port}"
        self.worker_memory = 0

    async def start_worker(self, **settings: str) -> None:
        """Start the worker; settings are names of environment variables without their prefix."""
        environment = {f"HOOKWARD_{name}": value for name, value in settings.items()}
        argv = _child("worker", "--incarnation", INCARNATION)
        log = self._directory / "log" / "worker.log"
        await self._supervisor.start(Child(name="worker", argv=argv, environment=environment, log=log, grace=25.0))

    async def stop_worker(self) -> None:
        """Stop the worker gracefully; everything in flight is recorded."""
        pid = self._supervisor.pid("worker")
        if pid is not None:
            self.worker_memory = max(self.worker_memory, peak_memory(pid))
        await self._supervisor.stop("worker")

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds so far, by process."""
        names = ("postgres", "valkey", "api", "worker")
        pids = {name: self._pid(name) for name in names}
        return {name: cpu_seconds(pid) for name, pid in {**pids, "sink": self.sink.pid}.items() if pid is not None}

    def _pid(self, name: str) -> int | None:
        try:
            return self._supervisor.pid(name)
        except KeyError:
            return None

    async def watches(self, count: int, *, below: str = "/watch/") -> list[Watch]:
        """Register signed watches, each for its own company and path."""
        made = []
        for _ in range(count):
            self._companies += 1
            company, path = str(self._companies), f"{below}{self._companies}"
            wanted = {
                "resourceType": "appointment",
                "scope": {"companyId": company},
                "address": self.sink.url + path,
                "signature": {"enabled": True},
            }
            answer = await self._post("/v1/watches", wanted, 201)
            made.append(Watch(answer["id"], company, path))
        return made

    async def delete(self, watch: Watch) -> None:
        """Delete a watch; its waiting deliveries are cancelled."""
        async with self._session.delete(f"{self.url}/v1/watches/{watch.id}") as response:
            response.raise_for_status()

    async def publish(self, watches: Sequence[Watch], count: int) -> dict[str, set[str]]:
        """Publish ``count`` events in batches, each for the next watch; return the ids of each path."""
        expected: dict[str, set[str]] = {watch.path: set() for watch in watches}
        for start in range(0, count, _BATCH):
            chosen = [watches[number % len(watches)] for number in range(start, min(count, start + _BATCH))]
            batch = {"events": [event(watch.company) for watch in chosen]}
            results = (await self._post("/v1/events/batch", batch, 202))["results"]
            for watch, result in zip(chosen, results, strict=True):
                expected[watch.path].add(watch.delivery(result["id"]))
        return expected

    async def disk(self) -> Disk:
        """Return what is stored now."""
        connection = await asyncpg.connect(self._dsn)
        try:
            total = await connection.fetchval(_SIZES)
            row = await connection.fetchrow(_BODIES)
        finally:
            await connection.close()
        assert row is not None
        return Disk(int(total), int(row[0] or 0) + int(row[1] or 0), int(row[2]))

    async def _post(self, path: str, value: dict[str, Any], status: int) -> dict[str, Any]:
        async with self._session.post(self.url + path, json=value) as response:
            if response.status != status:
                raise RuntimeError(f"POST {path} was answered {response.status}: {await response.text()}")
            answer: dict[str, Any] = await response.json()
            return answer


def _child(role: str, *more: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "hookward", role, "--parent", str(os.getpid()), *more)


def _environment(directory: Path, port: int, key: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOOKWARD_")}
    return {
        **inherited,
        "HOOKWARD_DATA__DIR": str(directory),
        "HOOKWARD_SERVER__PORT": str(port),
        "HOOKWARD_SECURITY__BOOTSTRAP_KEY": key,
        "HOOKWARD_SECURITY__MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "HOOKWARD_EGRESS__ALLOW": "127.0.0.1/32",
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@asynccontextmanager
async def open_stack(directory: Path, sink: Sink) -> AsyncIterator[Stack]:
    """Start stores and api on a fresh directory, with durable commits and the default logs in files."""
    port, key = _free_port(), "hw_" + secrets.token_hex(24)
    async with AsyncExitStack() as stack:
        held = stack.enter_context(DataDir.claim(directory))
        supervisor = await stack.enter_async_context(Supervisor(environment=_environment(directory, port, key)))
        postgres = EmbeddedPostgres(held.path, sockets=held.sockets)
        valkey = EmbeddedValkey(held.path, sockets=held.sockets)
        await postgres.prepare()
        await supervisor.start(postgres.child())
        await supervisor.start(valkey.child())
        held.publish(Runtime(pid=os.getpid(), database_url=postgres.dsn, queue_url=valkey.url))
        await migrate(postgres.dsn)

        async def ready() -> bool:
            return await is_api_live("127.0.0.1", port)

        await supervisor.start(
            Child(name="api", argv=_child("api"), ready=ready, log=held.path / "log" / "api.log", grace=15.0)
        )
        session = await stack.enter_async_context(ClientSession(headers={"Authorization": f"Bearer {key}"}))
        yield Stack(supervisor, session, sink, directory=held.path, port=port, key=key, dsn=postgres.dsn)


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Return the CPU seconds between two measurements."""
    return {name: round(after[name] - before.get(name, 0.0), 2) for name in after}


def merged(parts: Iterable[dict[str, set[str]]]) -> dict[str, set[str]]:
    """Merge several expectations into one."""
    whole: dict[str, set[str]] = {}
    for part in parts:
        for path, ids in part.items():
            whole.setdefault(path, set()).update(ids)
    return whole
