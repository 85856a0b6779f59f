"""Accounts. Workers know their time zones as they know watches: by the version of the definitions."""

from __future__ import annotations

from typing import Any

import asyncpg
import msgspec

from hookward.adapters.postgres.api_keys import insert_key
from hookward.adapters.postgres.pool import ConnectionPool
from hookward.application.access.accounts import AccountRecord
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.domain.access.accounts import AccountSettings
from hookward.domain.errors import Conflict, Problem
from hookward.domain.ids import AccountRef

_COLUMNS = "id, public_id, name, zone, retention_days, created"
_BUMP = "UPDATE definition_version SET version = version + 1 RETURNING version"


class PostgresAccounts:
    """The ``AccountStore`` port on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def add(self, account: AccountRecord, key: ApiKeyRecord) -> tuple[AccountRecord, ApiKeyRecord]:
        """Store an account with its first key; Conflict when the name is taken."""
        async with self._database.transaction() as connection:
            version = await connection.fetchval(_BUMP)
            row = await connection.fetchrow(
                "INSERT INTO account (public_id, name, zone, retention_days, version) VALUES ($1, $2, $3, $4, $5) "
                f"ON CONFLICT (name) DO NOTHING RETURNING {_COLUMNS}",
                account.ref,
                account.name,
                account.zone,
                account.retention_days,
                version,
            )
            if row is None:
                raise _taken()
            stored = _account(row)
            return stored, await insert_key(connection, msgspec.structs.replace(key, account=stored.id))

    async def listed(self, *, after: AccountRef | None, limit: int) -> list[AccountRecord]:
        """Up to ``limit`` accounts, oldest first, behind ``after``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM account WHERE $1::uuid IS NULL "
                "OR id > (SELECT id FROM account WHERE public_id = $1) ORDER BY id LIMIT $2",
                after,
                limit,
            )
        return [_account(row) for row in rows]

    async def one(self, ref: AccountRef) -> AccountRecord | None:
        return await self._one("public_id = $1", ref)

    async def named(self, name: str) -> AccountRecord | None:
        return await self._one("name = $1", name)

    async def change(self, ref: AccountRef, settings: AccountSettings) -> AccountRecord | None:
        """Change what is set; ``None`` when there is no such account, Conflict when the name is taken."""
        given = {"name": settings.name, "zone": settings.zone, "retention_days": settings.retention_days}
        changes = {column: value for column, value in given.items() if value is not msgspec.UNSET}
        if not changes:
            return await self.one(ref)
        sets = ", ".join(f"{column} = ${number}" for number, column in enumerate(changes, 3))
        try:
            async with self._database.transaction() as connection:
                version = await connection.fetchval(_BUMP)
                row = await connection.fetchrow(
                    f"UPDATE account SET version = $2, {sets} WHERE public_id = $1 RETURNING {_COLUMNS}",
                    ref,
                    version,
                    *changes.values(),
                )
        except asyncpg.UniqueViolationError:
            raise _taken() from None
        return None if row is None else _account(row)

    async def _one(self, where: str, value: object) -> AccountRecord | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM account WHERE {where}", value)
        return None if row is None else _account(row)


def _taken() -> Conflict:
    message = "another account has this name; choose one that is free"
    return Conflict(message, (Problem(message=message, pointer="/name"),))


def _account(row: Any) -> AccountRecord:
    return AccountRecord(id=row[0], ref=row[1], name=row[2], zone=row[3], retention_days=row[4], created=row[5])
