"""Resource types of accounts: a row for each version, and the current one of each name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hookward.adapters.postgres.definition_version import raise_version
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.resource_types.service import Beside, TypeOutline, TypeRecord, Watched
from hookward.application.watches.registry import TypeShape
from hookward.domain.errors import TypeChanged
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import BodyShape, TypePaths

SQL = read_statements(__name__)

_SHAPES = {1: BodyShape.MERGED, 2: BodyShape.WRAPPED}
_NUMBERS = {shape: number for number, shape in _SHAPES.items()}


class PostgresResourceTypes:
    """The ``ResourceTypeStore`` port on PostgreSQL.

    Changes raise the version of the definitions first, as those of watches do: its row lock puts them in order.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def add_type(self, row: TypeRecord, *, beside: Beside = None) -> TypeRecord | None:
        """Store a new type; return ``None`` when there is one of that name.

        Raises TypeChanged when the other types are no longer those of ``beside``.
        """
        async with self._pool.transaction() as connection:
            if await connection.fetchval(SQL["find"], row.account, row.name) is not None:
                return None
            version = await raise_version(connection)
            if await connection.fetchval(SQL["find"], row.account, row.name) is not None:
                return None
            await _check_others(connection, row, beside)
            return await _add(connection, row, version, None)

    async def replace_type(
        self, row: TypeRecord, *, scope: Sequence[str], beside: Beside = None
    ) -> TypeRecord | Watched | None:
        """Store a new version, if it differs from the current one; see the port."""
        async with self._pool.transaction() as connection:
            found = await connection.fetchrow(SQL["find"], row.account, row.name)
            if found is None or _same(_row(found), row):
                return None if found is None else _row(found)
            version = await raise_version(connection)
            found = await connection.fetchrow(SQL["find"], row.account, row.name)
            if found is None:
                return None
            if list(_row(found).read_definition().scope) != list(scope):
                watches = await connection.fetchval(SQL["count_watches"], row.account, row.name)
                if watches:
                    return Watched(watches)
            await _check_others(connection, row, beside)
            await connection.execute(SQL["retire"], row.account, row.name)
            return await _add(connection, row, version, _row(found).created)

    async def delete_type(self, account: AccountId, name: str) -> bool | Watched:
        """Delete a type that has no watches; return False when there is none."""
        async with self._pool.transaction() as connection:
            if await connection.fetchval(SQL["find"], account, name) is None:
                return False
            await raise_version(connection)
            watches = await connection.fetchval(SQL["count_watches"], account, name)
            if watches:
                return Watched(watches)
            return (await connection.execute(SQL["retire"], account, name)).split()[-1] == "1"

    async def find_types(self, keys: Sequence[tuple[AccountId, str]]) -> list[TypeRecord]:
        async with self._pool.connection() as connection:
            accounts, names = [account for account, _ in keys], [name for _, name in keys]
            return [_row(row) for row in await connection.fetch(SQL["find_many"], accounts, names)]

    async def types(self, account: AccountId, *, after: str, limit: int) -> list[TypeRecord]:
        async with self._pool.connection() as connection:
            return [_row(row) for row in await connection.fetch(SQL["list"], account, after, limit)]

    async def type_outlines(self, account: AccountId) -> list[TypeOutline]:
        async with self._pool.connection() as connection:
            return await _outlines(connection, account)


async def has_type(connection: Acquired, account: AccountId, name: str, type_version: int | None) -> bool:
    """Whether a type is there, in ``type_version`` if that is given; a built-in type always is.

    Once the version of the definitions is raised, this stays so until the transaction ends.
    """
    return await connection.fetchval(SQL["has_current"], account, name, type_version) is not False


async def shapes_since(connection: Acquired, version: int) -> list[TypeShape]:
    """Return how the documents of all accounts' types are laid out that changed after ``version``."""
    rows = await connection.fetch(SQL["shapes_since"], version)
    return [TypeShape(row["account_id"], row["name"], row["type_version"], _SHAPES[row["body"]]) for row in rows]


async def _outlines(connection: Acquired, account: AccountId) -> list[TypeOutline]:
    rows = await connection.fetch(SQL["outlines"], account)
    return [TypeOutline(name=row["name"], paths=_paths(row)) for row in rows]


async def _check_others(connection: Acquired, row: TypeRecord, beside: Beside) -> None:
    """Check the other types; as the version is raised, they stay as they are until the transaction ends."""
    if beside is not None and list(beside) != [
        each for each in await _outlines(connection, row.account) if each.name != row.name
    ]:
        raise TypeChanged("others")


async def _add(connection: Acquired, row: TypeRecord, version: int, created: datetime | None) -> TypeRecord:
    paths = (None, None) if row.paths is None else (row.paths.collection, row.paths.item)
    values = (row.account, row.name, _NUMBERS[row.body], paths[0], row.definition, version, created, paths[1])
    return _row(await connection.fetchrow(SQL["insert"], *values))


def _same(stored: TypeRecord, given: TypeRecord) -> bool:
    return (stored.definition, stored.paths) == (given.definition, given.paths)


def _row(row: Any) -> TypeRecord:
    return TypeRecord(
        account=row["account_id"],
        name=row["name"],
        type_version=row["type_version"],
        body=_SHAPES[row["body"]],
        paths=_paths(row),
        definition=row["definition"],
        version=row["version"],
        created=row["created"],
        updated=row["updated"],
    )


def _paths(row: Any) -> TypePaths | None:
    collection, item = row["collection"], row["item"]
    return None if collection is None or item is None else TypePaths(collection=collection, item=item)
