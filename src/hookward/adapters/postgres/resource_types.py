"""Resource types of accounts: a row a version, and the current one of each name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.resource_types.service import Beside, TypeOutline, TypeRecord, Watched
from hookward.domain.errors import TypeChanged
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import BodyShape, TypePaths

_COLUMNS = "account_id, name, type_version, body, collection, definition, version, created, updated, item"
_SHAPES = {1: BodyShape.MERGED, 2: BodyShape.WRAPPED}
_NUMBERS = {shape: number for number, shape in _SHAPES.items()}

_BUMP = "UPDATE definition_version SET version = version + 1 RETURNING version"
_CURRENT = f"SELECT {_COLUMNS} FROM resource_type WHERE account_id = $1 AND name = $2 AND current"
_ADD = f"""
INSERT INTO resource_type (account_id, name, type_version, body, collection, definition, version, created, item)
VALUES ($1, $2, coalesce((SELECT max(type_version) FROM resource_type WHERE account_id = $1 AND name = $2), 0) + 1,
  $3, $4, $5, $6, coalesce($7, now()), $8) RETURNING {_COLUMNS}"""
_RETIRE = "UPDATE resource_type SET current = false WHERE account_id = $1 AND name = $2 AND current"
_WATCHES = "SELECT count(*) FROM watch WHERE account_id = $1 AND resource_type = $2 AND deleted IS NULL"
_OUTLINES = "SELECT name, collection, item FROM resource_type WHERE account_id = $1 AND current ORDER BY name"
_FIND = f"""
SELECT {_COLUMNS} FROM resource_type JOIN unnest($1::int[], $2::text[]) AS w(account_id, name)
USING (account_id, name) WHERE current"""


class PostgresResourceTypes:
    """The ``ResourceTypeStore`` port on PostgreSQL.

    Changes take the definitions' row lock first, as those of watches do: they come one after the other.
    """

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def add_type(self, row: TypeRecord, *, beside: Beside = None) -> TypeRecord | None:
        """Store a new type; ``None`` when there is one of that name. After a deleted one its versions go on."""
        async with self._database.transaction() as connection:
            if await connection.fetchval(_CURRENT, row.account, row.name) is not None:
                return None
            version = await connection.fetchval(_BUMP)
            if await connection.fetchval(_CURRENT, row.account, row.name) is not None:
                return None
            await _check_others(connection, row, beside)
            return await _add(connection, row, version, None)

    async def replace_type(
        self, row: TypeRecord, *, scope: Sequence[str], beside: Beside = None
    ) -> TypeRecord | Watched | None:
        """Store a new version, if it is one; see the port."""
        async with self._database.transaction() as connection:
            found = await connection.fetchrow(_CURRENT, row.account, row.name)
            if found is None or _same(_row(found), row):
                return None if found is None else _row(found)
            version = await connection.fetchval(_BUMP)
            found = await connection.fetchrow(_CURRENT, row.account, row.name)
            if found is None:
                return None
            if list(_row(found).read_definition().scope) != list(scope):
                watches = await connection.fetchval(_WATCHES, row.account, row.name)
                if watches:
                    return Watched(watches)
            await _check_others(connection, row, beside)
            await connection.execute(_RETIRE, row.account, row.name)
            return await _add(connection, row, version, _row(found).created)

    async def delete_type(self, account: AccountId, name: str) -> bool | Watched:
        """End a type that nobody watches; False when there is none."""
        async with self._database.transaction() as connection:
            if await connection.fetchval(_CURRENT, account, name) is None:
                return False
            await connection.fetchval(_BUMP)
            watches = await connection.fetchval(_WATCHES, account, name)
            if watches:
                return Watched(watches)
            return (await connection.execute(_RETIRE, account, name)).split()[-1] == "1"

    async def find_types(self, keys: Sequence[tuple[AccountId, str]]) -> list[TypeRecord]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_FIND, [account for account, _ in keys], [name for _, name in keys])
        return [_row(row) for row in rows]

    async def types(self, account: AccountId, *, after: str, limit: int) -> list[TypeRecord]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM resource_type WHERE account_id = $1 AND name > $2 AND current "
                "ORDER BY name LIMIT $3",
                account,
                after,
                limit,
            )
        return [_row(row) for row in rows]

    async def type_outlines(self, account: AccountId) -> list[TypeOutline]:
        async with self._database.connection() as connection:
            return await _outlines(connection, account)


async def _outlines(connection: Acquired, account: AccountId) -> list[TypeOutline]:
    rows = await connection.fetch(_OUTLINES, account)
    return [TypeOutline(name=row[0], paths=_paths(row[1], row[2])) for row in rows]


async def _check_others(connection: Acquired, row: TypeRecord, beside: Beside) -> None:
    """The bump, which is done by now, keeps them as they are until the end of the transaction."""
    if beside is not None and list(beside) != [
        each for each in await _outlines(connection, row.account) if each.name != row.name
    ]:
        raise TypeChanged("others")


async def _add(connection: Acquired, row: TypeRecord, version: int, created: Any) -> TypeRecord:
    stored = await connection.fetchrow(
        _ADD,
        row.account,
        row.name,
        _NUMBERS[row.body],
        None if row.paths is None else row.paths.collection,
        row.definition,
        version,
        created,
        None if row.paths is None else row.paths.item,
    )
    return _row(stored)


def _same(stored: TypeRecord, given: TypeRecord) -> bool:
    return (stored.definition, stored.paths) == (given.definition, given.paths)


def _row(row: Any) -> TypeRecord:
    return TypeRecord(
        account=row[0], name=row[1], type_version=row[2], body=_SHAPES[row[3]],
        paths=_paths(row[4], row[9]), definition=row[5], version=row[6], created=row[7], updated=row[8],
    )  # fmt: skip


def _paths(collection: str | None, item: str | None) -> TypePaths | None:
    return None if collection is None or item is None else TypePaths(collection=collection, item=item)
