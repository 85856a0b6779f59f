"""A store of the last release that is upgraded while a worker delivers and events are published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from hookward.adapters.clock import SystemClock, SystemRandom
from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.adapters.postgres.events import PostgresEvents
from hookward.adapters.postgres.lanes import PostgresLanes
from hookward.adapters.postgres.leases import PostgresLeases
from hookward.adapters.postgres.migrate import MIGRATIONS, migrate
from hookward.adapters.postgres.outbox import PostgresOutbox
from hookward.adapters.postgres.pool import ConnectionPool, open_pool
from hookward.adapters.postgres.results import PostgresResults
from hookward.adapters.postgres.watches import PostgresWatches
from hookward.application.delivery.endpoints import EndpointCache
from hookward.application.delivery.executor import AttemptExecutor
from hookward.application.delivery.session import WorkerLimits, WorkerStores
from hookward.application.delivery.worker import Worker
from hookward.application.events.publisher import Publisher
from hookward.application.watches.registry import WatchRegistry
from hookward.bootstrap.factories import built_in_types
from hookward.domain.errors import HookwardError
from hookward.domain.ids import IdPrefix, to_text
from tests.contract.world import new_event
from tests.fakes.null_log import NullLog
from tests.fakes.oauth import FakeTokens
from tests.fakes.worker_harness import Endpoints, NoSealing

RELEASE = "0001"
FILL = Path(__file__).parent / "store_0_1_0.sql"
PUBLISH_SECONDS = 5.0
"""How long a publish may take during an upgrade."""

KEPT = {
    "account": "id",
    "api_key": "id",
    "attempt": "(delivery_id, number)",
    "credential": "id",
    "crypto_key": "id",
    "delivery": "id",
    "event": "id",
    "idempotency": "(account_id, key)",
    "watch": "id",
}
"""Tables of the release whose rows all stay, and their keys."""

CHANGING = {"delivery": {"status", "reason", "attempts", "last_code", "last_error", "finished"}}
"""Columns that a worker may change."""

OPEN = """
SELECT delivery_id FROM waiting WHERE due_at < now() + interval '10 minutes'"""

LEFT = """
SELECT (SELECT count(*) FROM event e JOIN watch w USING (account_id) WHERE e.id = ANY($1::uuid[])),
  (SELECT count(*) FROM delivery WHERE event_id = ANY($1::uuid[]) AND status = 3),
  (SELECT count(*) FROM outbox) + (SELECT count(*) FROM waiting WHERE due_at < now() + interval '10 minutes')"""


@dataclass(kw_only=True)
class Load:
    """Publishes one event after the other and remembers what came of it."""

    publisher: Publisher
    published: list[bytes] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    longest: float = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            event, began = new_event(1 + len(self.published) % 3), loop.time()
            try:
                self.published.append(await self.publisher.publish(event))
            except HookwardError as error:
                self.refused.append(type(error).__name__)
            self.longest = max(self.longest, loop.time() - began)
            await asyncio.sleep(0.01)


async def upgrade_problems(dsn: str, migrations: Path, *, patience: float = 30.0) -> list[str]:
    """Upgrade a filled store under load; return what went wrong.

    ``migrations`` is a folder made by ``copy_migrations``. After ``patience`` seconds in which nothing is delivered,
    deliveries count as lost.
    """
    await _fill(dsn, migrations.with_name("release"))
    endpoints = Endpoints()
    async with open_pool(dsn, name="upgrade", size=8) as pool:
        before = await _rows(pool)
        waiting = {row[0] for row in await _fetch(pool, OPEN)}
        load = Load(publisher=Publisher(PostgresEvents(pool), NullLog(), clock=SystemClock(), log=NullLog()))
        async with _working(pool, endpoints):
            async with _publishing(load):
                await _until(lambda: len(load.published) >= 20 and len(endpoints.received) >= 20)
                await migrate(dsn, migrations=migrations)
                after = len(load.published)
                await _until(lambda: len(load.published) >= after + 20 or len(load.refused) >= 3)
            undelivered = await _undelivered(pool, endpoints, load, patience=patience)
        arrived = set(endpoints.ids())
        lost = [id_ for id_ in waiting if to_text(IdPrefix.DELIVERY, id_) not in arrived]
        gone = _gone(before, await _rows(pool))
    problems = ["publishes were refused"] if load.refused else []
    problems += ["a publish took too long"] if load.longest > PUBLISH_SECONDS else []
    problems += ["waiting deliveries did not arrive"] if lost else []
    problems += ["published events did not arrive"] if undelivered else []
    return problems + [f"rows of {table} are gone or changed" for table in gone]


def copy_migrations(folder: Path, **scripts: str) -> Path:
    """Copy all revisions into a folder, with one more for each script; return it. Beside it is the release's alone."""
    for name, newest in (("release", RELEASE), ("upgrade", "9999")):
        versions = folder / name / "versions"
        versions.mkdir(parents=True)
        (folder / name / "env.py").write_bytes((MIGRATIONS / "env.py").read_bytes())
        for file in (MIGRATIONS / "versions").iterdir():
            if file.name[:4] <= newest and file.is_file():
                (versions / file.name).write_bytes(file.read_bytes())
    versions = folder / "upgrade" / "versions"
    head = max(file.name[:4] for file in versions.glob("*.py"))
    for revision, script in scripts.items():
        (versions / f"{revision}.py").write_text(
            f"from alembic import op\nrevision = {revision!r}\ndown_revision = {head!r}\n"
            f"def upgrade():\n    for statement in {script.split(';')!r}:\n        op.execute(statement)\n"
        )
        head = revision
    return folder / "upgrade"


async def _fill(dsn: str, release: Path) -> None:
    await migrate(dsn, migrations=release)
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(FILL.read_text())
    finally:
        await connection.close()


@asynccontextmanager
async def _working(pool: ConnectionPool, endpoints: Endpoints) -> AsyncIterator[None]:
    """A worker that delivers in the meantime."""
    clock, lanes = SystemClock(), PostgresLanes(pool, default_slots=16)
    registry = WatchRegistry(PostgresWatches(pool), built_in_types())
    executor = AttemptExecutor(
        EndpointCache(registry, NoSealing(), CipherSigningKeys(), clock=clock, user_agent="Hookward/test"),
        endpoints,
        FakeTokens(),
        timeout=5.0,
        schedule=(1.0,),
        clock=clock,
        random=SystemRandom(),
        log=NullLog(),
    )
    stores = WorkerStores(
        leases=PostgresLeases(pool),
        outbox=PostgresOutbox(pool),
        results=PostgresResults(pool),
        slots=lanes,
        waiting=lanes,
    )
    worker = Worker(
        "upgrade", stores, registry, executor, waker=NullLog(), limits=WorkerLimits(), clock=clock, log=NullLog()
    )
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait([task], timeout=3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _publishing(load: Load) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(load.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def _undelivered(pool: ConnectionPool, endpoints: Endpoints, load: Load, *, patience: float) -> bool:
    """Wait until everything that is due has arrived; return whether it did not."""
    loop = asyncio.get_running_loop()
    seen, since = -1, loop.time()
    while loop.time() - since < patience:
        if len(endpoints.received) != seen:
            seen, since = len(endpoints.received), loop.time()
        expected, delivered, left = (await _fetch(pool, LEFT, load.published))[0]
        if expected == delivered and left == 0:
            return False
        await asyncio.sleep(0.1)
    return True


async def _fetch(pool: ConnectionPool, query: str, *values: object) -> list[tuple[Any, ...]]:
    async with pool.connection() as connection:
        return [tuple(row) for row in await connection.fetch(query, *values)]


async def _rows(pool: ConnectionPool) -> dict[str, dict[str, dict[str, Any]]]:
    """Every row of the tables that keep theirs, by its key."""
    return {
        table: {
            row[0]: msgspec.json.decode(row[1])
            for row in await _fetch(pool, f"SELECT ({key})::text, to_jsonb(t)::text FROM {table} t")
        }
        for table, key in KEPT.items()
    }


def _gone(before: dict[str, dict[str, dict[str, Any]]], after: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """Return the tables in which rows of before are missing, or have other values in columns that do not change."""
    return [
        table
        for table, rows in before.items()
        if any(not _kept(table, row, after[table].get(key)) for key, row in rows.items())
    ]


def _kept(table: str, before: dict[str, Any], after: dict[str, Any] | None) -> bool:
    fixed = before.keys() - CHANGING.get(table, set())
    return after is not None and all(after.get(column) == before[column] for column in fixed)
