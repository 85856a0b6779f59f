"""Accounts. Workers know their time zones as they know watches: by the version of the definitions."""

from __future__ import annotations

import asyncpg
import msgspec

from hookward.adapters.postgres.api_keys import insert_api_key
from hookward.adapters.postgres.definition_version import raise_version
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.access.accounts import AccountRecord
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.domain.access.accounts import AccountSettings
from hookward.domain.errors import Conflict, Problem
from hookward.domain.ids import AccountId, AccountRef

SQL = read_statements(__name__)


class PostgresAccounts:
    """The ``AccountStore`` port on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def add(self, account: AccountRecord, key: ApiKeyRecord) -> tuple[AccountRecord, ApiKeyRecord]:
        """Store an account with its first key. Raises Conflict when the name is taken."""
        values = (account.ref, account.name, account.zone, account.retention_days)
        async with self._pool.transaction() as connection:
            version = await raise_version(connection)
            row = await connection.fetchrow(SQL["add"], *values, version)
            if row is None:
                raise _name_is_taken()
            stored = AccountRecord(**row)
            return stored, await insert_api_key(connection, msgspec.structs.replace(key, account=stored.id))

    async def list(self, *, after: AccountRef | None, limit: int) -> list[AccountRecord]:
        """Return up to ``limit`` accounts, oldest first, behind ``after``."""
        async with self._pool.connection() as connection:
            return [AccountRecord(**row) for row in await connection.fetch(SQL["list"], after, limit)]

    async def one(self, ref: AccountRef) -> AccountRecord | None:
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["find"], ref)
        return None if row is None else AccountRecord(**row)

    async def named(self, name: str) -> AccountRecord | None:
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["find_by_name"], name)
        return None if row is None else AccountRecord(**row)

    async def change(self, ref: AccountRef, settings: AccountSettings) -> AccountRecord | None:
        """Change the settings that are set; return ``None`` when there is no such account.

        Raises Conflict when the name is taken.
        """
        given = (settings.name, settings.zone, settings.retention_days)
        if all(value is msgspec.UNSET for value in given):
            return await self.one(ref)
        changes = [each for value in given for each in _flag_and_value(value)]
        try:
            async with self._pool.transaction() as connection:
                version = await raise_version(connection)
                row = await connection.fetchrow(SQL["change"], ref, version, *changes)
        except asyncpg.UniqueViolationError:
            raise _name_is_taken() from None
        return None if row is None else AccountRecord(**row)


async def zone_of(connection: Acquired, account: AccountId) -> str | None:
    """Return the time zone of an account, if it has one."""
    zone: str | None = await connection.fetchval(SQL["zone"], account)
    return zone


async def zones_since(connection: Acquired, version: int) -> dict[AccountId, str | None]:
    """Return the time zones of the accounts that changed after ``version``."""
    return {row["id"]: row["zone"] for row in await connection.fetch(SQL["zones_since"], version)}


def _flag_and_value(value: object) -> tuple[bool, object]:
    return (False, None) if value is msgspec.UNSET else (True, value)


def _name_is_taken() -> Conflict:
    message = "another account has this name; choose one that is free"
    return Conflict(message, (Problem(message=message, pointer="/name"),))
