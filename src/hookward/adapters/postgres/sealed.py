"""Every sealed column of the store, in one list, and how its values are re-encrypted; the key-check values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.oauth.credentials import digested, read_state
from hookward.application.sealing.key_check import KeyCheckValues
from hookward.application.sealing.rotation import Reseal, SealedField
from hookward.domain.ids import AccountId, IdPrefix, to_text
from hookward.domain.sealing import sealed_place

SQL = read_statements(__name__)

_PREFIX_BYTES = 5
"""How many bytes of a sealed value name its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The column by which rows with the same secret are found.

    ``of`` returns, for an account and a decrypted value, the secret and the associated data of its fingerprint. This
    column is always written together with the sealed value: both use the same key.
    """

    column: str
    of: Callable[[AccountId, bytes], tuple[bytes, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumn:
    """A column of sealed values in a table whose rows have an id, an account and, if they are ``owned``, an owner.

    ``row`` and ``field`` are what the values are bound to (``sealing.sealed_place``); ``array`` tells that the column
    holds several values. ``prefix`` is that of the rows' ids; without one users never see these ids.
    """

    table: str
    column: str
    row: str
    field: str
    prefix: IdPrefix | None = None
    owned: bool = True
    array: bool = False
    fingerprint: Fingerprint | None = None

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def values(self) -> str:
        """An expression for the column's values as an array."""
        return self.column if self.array else f"ARRAY[{self.column}]"


SEALED = (
    SealedColumn(table="watch", column="secrets", prefix=IdPrefix.WATCH, row="watch", field="secrets"),
    SealedColumn(table="crypto_key", column="secret", prefix=IdPrefix.CRYPTO_KEY, row="key", field="secret"),
    SealedColumn(
        table="crypto_key", column="previous", prefix=IdPrefix.CRYPTO_KEY, row="key", field="secret", array=True
    ),
    SealedColumn(
        table="credential",
        column="state",
        row="credential",
        field="state",
        owned=False,
        fingerprint=Fingerprint(column="digest", of=lambda account, state: digested(account, read_state(state))),
    ),
)
"""All sealed columns: one that is missing here cannot be read any more when its master key is retired.

Authorizations that are under way are not here: they live for minutes, and are begun again when a key is retired.
"""

# Where another row has the new fingerprint already (a process without the new key did not find it), both stay as
# they are.
_SET_FINGERPRINT = """, {digest} = CASE WHEN EXISTS (
    SELECT 1 FROM {table} other WHERE other.account_id = $1 AND other.{digest} = $4 AND other.id <> $2)
  THEN {table}.{digest} ELSE $4 END"""


def lock_statement(column: SealedColumn) -> str:
    """Return the statement that reads and locks rows which another key has sealed, without those that are locked."""
    owner = "owner" if column.owned else "NULL::text AS owner"
    return f"""
SELECT id, account_id, {owner}, {column.values} AS sealed FROM {column.table}
WHERE id > $1 AND EXISTS (SELECT 1 FROM unnest({column.values}) value
  WHERE length(value) > 0 AND substring(value FROM 1 FOR {_PREFIX_BYTES}) <> $2)
ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED"""


def update_statement(column: SealedColumn) -> str:
    """Return the statement that stores the new values of a locked row."""
    value = "$3" if column.array else "($3::bytea[])[1]"
    also = ""
    if column.fingerprint is not None:
        also = _SET_FINGERPRINT.format(table=column.table, digest=column.fingerprint.column)
    return f"UPDATE {column.table} SET {column.column} = {value}{also} WHERE account_id = $1 AND id = $2"


def count_statement(columns: Sequence[SealedColumn]) -> str:
    """Return the statement that counts the values that each key has sealed."""
    values = " UNION ALL ".join(f"SELECT unnest({each.values}) AS value FROM {each.table}" for each in columns)
    return f"""
SELECT substring(value FROM 1 FOR {_PREFIX_BYTES}) AS prefix, count(*) AS number FROM ({values}) AS sealed
WHERE length(value) > 0 GROUP BY 1"""


class PostgresSealed:
    """The ``SealedStore`` and ``KeyCheckStore`` ports on PostgreSQL."""

    def __init__(self, pool: ConnectionPool, columns: Sequence[SealedColumn] = SEALED) -> None:
        self._pool = pool
        self._columns = {each.name: each for each in columns}
        self.fields = tuple(self._columns)

    async def reseal(
        self, field: str, prefix: bytes, reseal: Reseal, *, after: bytes | None, limit: int
    ) -> bytes | None:
        """Re-encrypt up to ``limit`` rows of a field in one transaction; return the ``after`` of the next call."""
        column = self._columns[field]
        async with self._pool.transaction() as connection:
            rows = await connection.fetch(lock_statement(column), after or bytes(16), prefix, limit)
            changes = [change for row in rows if (change := _changed(column, row, reseal)) is not None]
            if changes:
                await connection.executemany(update_statement(column), changes)
        return rows[-1]["id"] if len(rows) == limit else None

    async def count_values(self) -> Mapping[bytes, int]:
        """Return the number of sealed values by the prefix of their key."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(count_statement(list(self._columns.values())))
        return {row["prefix"]: row["number"] for row in rows}

    async def key_check_values(self) -> KeyCheckValues:
        async with self._pool.connection() as connection:
            return await _key_check_values(connection)

    async def add_key_check_value(
        self, prefix: bytes, value: bytes, *, validate: Callable[[KeyCheckValues], None]
    ) -> None:
        """Add a key-check value unless ``validate`` raises for the stored ones; one process at a time."""
        async with self._pool.transaction() as connection:
            await connection.execute(SQL["lock_key_check_values"])
            validate(await _key_check_values(connection))
            await connection.execute(SQL["insert_key_check_value"], prefix, value)

    async def delete_key_check_values(self, prefixes: Sequence[bytes]) -> None:
        """Delete the key-check values of retired master keys, so that processes start without them."""
        async with self._pool.connection() as connection:
            await connection.execute(SQL["delete_key_check_values"], prefixes)


async def _key_check_values(connection: Acquired) -> KeyCheckValues:
    return {row["mark"]: row["proof"] for row in await connection.fetch(SQL["key_check_values"])}


def _changed(column: SealedColumn, row: Any, reseal: Reseal) -> tuple[Any, ...] | None:
    """Return the parameters of the update of a row, ``None`` where it stays as it is."""
    id_, account = row["id"], row["account_id"]
    fingerprint = column.fingerprint
    changed = reseal(
        SealedField(
            name=f"{id_.hex() if column.prefix is None else to_text(column.prefix, id_)} ({column.name})",
            about=sealed_place(account, row["owner"], column.row, id_, column.field),
            values=tuple(row["sealed"]),
            subject=None if fingerprint is None else lambda opened: fingerprint.of(account, opened),
        )
    )
    if changed is None:
        return None
    row_changed = (account, id_, list(changed.values))
    return row_changed if fingerprint is None else (*row_changed, changed.fingerprint)
