"""Real PostgreSQL servers for a session, and a fresh database of them for each test."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg

from hookward.adapters.embedded.data_dir import DataDir
from hookward.adapters.embedded.postgres import DATABASE_NAME, EmbeddedPostgres
from hookward.adapters.postgres.migrate import migrate
from hookward.adapters.processes import Child, Supervisor

MAJORS = (18, 16)

_numbers = itertools.count()


def majors_of(choice: str) -> tuple[int, ...]:
    """Return the major versions that the option --postgres names."""
    return MAJORS if choice == "all" else (int(choice),)


class Server:
    """A running PostgreSQL whose own database is migrated and serves as the template of all others."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def dsn(self, database: str) -> str:
        return self._dsn.replace(f"/{DATABASE_NAME}?", f"/{database}?")

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A fresh database with our schema; answers its DSN."""
        name = f"test_{next(_numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE_NAME} STRATEGY file_copy")  # half the work
        try:
            yield self.dsn(name)
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def empty_database(self) -> AsyncIterator[str]:
        """Make a database without any schema; yield its DSN."""
        name = f"empty_{next(_numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield self.dsn(name)
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is much of it: making a database means making some 600 files."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    with tempfile.TemporaryDirectory(prefix="hookward-", dir=memory if roomy else None) as folder:
        yield Path(folder)


@asynccontextmanager
async def running_servers(folder: Path, majors: Sequence[int]) -> AsyncIterator[dict[int, Server]]:
    """Run one server of each of these major versions, side by side."""
    async with AsyncExitStack() as stack:
        started = [await _prepared(stack, folder, major) for major in majors]
        await asyncio.gather(*(supervisor.start(_careless(postgres.child())) for supervisor, postgres in started))
        for _, postgres in started:
            await migrate(postgres.dsn)  # Alembic's context is global: one at a time
        yield {major: Server(postgres.dsn) for major, (_, postgres) in zip(majors, started, strict=True)}


def _careless(child: Child) -> Child:
    """Nothing here survives a power cut, and need not: that is tested where the embedded server is."""
    settings = {"fsync=on": "fsync=off", "full_page_writes=on": "full_page_writes=off"}
    return replace(child, argv=tuple([settings.get(word, word) for word in child.argv]))


async def _prepared(stack: AsyncExitStack, folder: Path, major: int) -> tuple[Supervisor, EmbeddedPostgres]:
    held = stack.enter_context(DataDir.claim(folder / str(major)))
    supervisor = await stack.enter_async_context(Supervisor())
    postgres = EmbeddedPostgres(held.path, sockets=held.sockets, major=major)
    await postgres.prepare()
    return supervisor, postgres
