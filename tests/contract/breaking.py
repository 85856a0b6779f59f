"""A database that loses its connection at a chosen statement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg

from hookward.adapters.postgres.pool import Acquired, ConnectionPool, translated


class BreakingDatabase(ConnectionPool):
    """Breaks once, at the first statement that holds ``text``: before it is sent, or after it was done.

    In a transaction the text ``COMMIT`` stands for its end.
    """

    text: str | None = None
    after: bool = False

    def break_at(self, text: str, *, after: bool) -> None:
        self.text, self.after = text, after

    @property
    def broke(self) -> bool:
        return self.text is None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Acquired]:
        async with super().connection() as connection:
            yield cast("Acquired", _Breaking(connection, self))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Acquired]:
        async with super().transaction() as connection:
            yield connection
        with translated():
            self.check("COMMIT", done=True)

    def check(self, query: str, *, done: bool) -> None:
        if self.text is not None and self.text in query and self.after == done:
            self.text = None
            raise asyncpg.ConnectionDoesNotExistError


class _Breaking:
    def __init__(self, connection: Acquired, database: BreakingDatabase) -> None:
        self._connection = connection
        self._database = database

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in ("fetch", "fetchval", "fetchrow", "execute"):
            return found

        async def run(query: str, *values: object) -> object:
            self._database.check(query, done=False)
            answer = await found(query, *values)
            self._database.check(query, done=True)
            return answer

        return run
