"""Which plans PostgreSQL makes for the statements that adapters run."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec
from asyncpg.connection import LoggedQuery

from hookward.adapters.postgres.pool import Acquired, ConnectionPool

MODES = ("force_custom_plan", "force_generic_plan")
_PLANNED = re.compile(r"^\s*(WITH|SELECT|INSERT|UPDATE|DELETE)\b.*\b(FROM|INTO|UPDATE)\b", re.DOTALL)


class RecordingDatabase(ConnectionPool):
    """Remembers every statement with its values."""

    ran: list[LoggedQuery]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Acquired]:
        async with super().connection() as connection:
            with connection.query_logger(self._note):
                yield connection

    def _note(self, query: LoggedQuery) -> None:
        if _PLANNED.match(query.query):
            self.ran.append(query)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A node of a plan that reads a table."""

    statement: str
    mode: str
    kind: str
    table: str
    index: str | None


async def scans(connection: asyncpg.Connection[asyncpg.Record], query: LoggedQuery) -> list[Scan]:
    """How a statement reads its tables, planned for its values and planned for any."""
    prepared = await connection.prepare(query.query)
    types = [await connection.fetchval("SELECT $1::oid::regtype::text", each.oid) for each in prepared.get_parameters()]
    literals = [
        await connection.fetchval(f"SELECT quote_nullable(${1}::{type_}::text)", value) + f"::{type_}"
        for type_, value in zip(types, query.args, strict=True)
    ]
    await connection.execute(f"PREPARE explained AS {query.query}")
    found: list[Scan] = []
    values = f"({', '.join(literals)})" if literals else ""
    for mode in MODES:
        await connection.execute(f"SET plan_cache_mode = {mode}")
        plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE explained{values}")
        found += [
            Scan(
                statement=query.query, mode=mode, kind=node["Node Type"], table=node["Relation Name"],
                index=node.get("Index Name"),
            )
            for node in _nodes(msgspec.json.decode(plan)[0]["Plan"])
            if "Relation Name" in node
        ]  # fmt: skip
    await connection.execute("DEALLOCATE explained")
    return found


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
