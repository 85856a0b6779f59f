"""Upgrade a database to the schema of this version (Alembic; each migration is a SQL script beside its revision)."""

from __future__ import annotations

import asyncio
import re
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from hookward.adapters.postgres.pool import translated
from hookward.adapters.postgres.upkeep import ensure_partitions

_LOCK = 0x686F6F6B77617264  # "hookward": one migration at a time, by any process
MIGRATIONS = files("hookward.adapters.postgres") / "migrations"


async def migrate(dsn: str, *, migrations: Traversable = MIGRATIONS) -> tuple[str | None, str]:
    """Upgrade to the newest revision; return the revisions before and after. Raises StoreUnavailable."""
    with translated():
        return await _migrate(dsn, migrations)


async def _migrate(dsn: str, migrations: Traversable) -> tuple[str | None, str]:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
            await connection.commit()
            before, after = await connection.run_sync(_upgrade, migrations)
            await connection.commit()
    finally:
        await engine.dispose()
    session = await asyncpg.connect(dsn)
    try:
        await ensure_partitions(session, patience_ms=5000)
    finally:
        await session.close()
    return before, after


def _upgrade(connection: Connection, migrations: Traversable) -> tuple[str | None, str]:
    with as_file(migrations) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        head = ScriptDirectory.from_config(config).get_current_head()
        before = MigrationContext.configure(connection).get_current_revision()
        if before != head:
            command.upgrade(config, "head")
    return before, str(head)


def run_script(name: str) -> None:
    """Run the SQL script ``name``, statement by statement; no statement contains a ``;``."""
    script = (MIGRATIONS / "versions" / name).read_text("utf-8")
    for statement in re.sub(r"--[^\n]*", "", script).split(";"):
        if statement.strip():
            op.execute(text(statement.replace(":", r"\:")))


def main(dsn: str) -> None:
    """Upgrade without a running event loop (tests and tools)."""
    asyncio.run(migrate(dsn))
