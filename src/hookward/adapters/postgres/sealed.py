"""Every sealed column of the store, in one list, and how its values are sealed anew; the proofs of the keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hookward.adapters.postgres.pool import ConnectionPool
from hookward.application.oauth.credentials import digested, read_state
from hookward.application.sealing.key_check import KeyCheckValues
from hookward.application.sealing.rotation import Reseal, SealedField
from hookward.domain.ids import AccountId, IdPrefix, to_text
from hookward.domain.sealing import sealed_place

_MARK_BYTES = 5
"""How much of a sealed value names its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The column by which rows with the same secret are found.

    ``of`` is, for an account and an opened value, the secret and what its fingerprint is about. Whoever writes the
    sealed value writes this column with it: both are by the same key.
    """

    column: str
    of: Callable[[AccountId, bytes], tuple[bytes, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumn:
    """A column of sealed values in a table whose rows have an id, an account and, if they are ``owned``, an owner.

    ``row`` and ``field`` are what the values are bound to (``sealing.sealed_place``); ``array``
    says that the column holds several. Without a ``prefix`` nobody outside knows the rows' ids.
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
        """The column as an array, whatever it is."""
        return self.column if self.array else f"ARRAY[{self.column}]"


SEALED = (
    SealedColumn(table="watch", column="secrets", prefix=IdPrefix.WATCH, row="watch", field="secrets"),
    SealedColumn(table="crypto_key", column="secret", prefix=IdPrefix.CRYPTO_KEY, row="key", field="secret"),
    SealedColumn(
        table="crypto_key", column="previous", prefix=IdPrefix.CRYPTO_KEY, row="key", field="secret", array=True
    ),
    SealedColumn(
        table="credential", column="state", row="credential", field="state", owned=False,
        fingerprint=Fingerprint(column="digest", of=lambda account, state: digested(account, read_state(state))),
    ),
)  # fmt: skip
"""Whatever else is sealed in the store belongs here: a column that is missing is lost with the key that sealed it.

All but what lives for minutes: an authorization that is under way when a key is dropped has to be begun again.
"""

_IS_OLD = f"length(v) > 0 AND substring(v FROM 1 FOR {_MARK_BYTES}) <>"
_PROOFS = "SELECT mark, proof FROM sealing_check"


# Where another row has that fingerprint already (a process without the new key did not find it), each stays as it is.
_FOLLOW = """, {digest} = CASE WHEN EXISTS (
    SELECT 1 FROM {table} o WHERE o.account_id = $1 AND o.{digest} = $4 AND o.id <> $2)
  THEN {table}.{digest} ELSE $4 END"""


def page_statement(column: SealedColumn) -> str:
    """Rows of a column that are to be sealed anew, locked; none that somebody else has locked."""
    return f"""
SELECT id, account_id, {"owner" if column.owned else "NULL::text"}, {column.values} FROM {column.table}
WHERE id > $1 AND EXISTS (SELECT 1 FROM unnest({column.values}) v WHERE {_IS_OLD} $2)
ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED"""


def change_statement(column: SealedColumn) -> str:
    """Store what was sealed anew in a row that we have locked."""
    value = "$3" if column.array else "($3::bytea[])[1]"
    also = "" if column.fingerprint is None else _FOLLOW.format(table=column.table, digest=column.fingerprint.column)
    return f"UPDATE {column.table} SET {column.column} = {value}{also} WHERE account_id = $1 AND id = $2"


def tally_statement(columns: Sequence[SealedColumn]) -> str:
    """How many values each key has sealed."""
    values = " UNION ALL ".join(f"SELECT unnest({each.values}) AS v FROM {each.table}" for each in columns)
    return f"""
SELECT substring(v FROM 1 FOR {_MARK_BYTES}), count(*) FROM ({values}) AS sealed WHERE length(v) > 0 GROUP BY 1"""


class PostgresSealed:
    """The ``SealedStore`` and ``KeyCheckStore`` ports on PostgreSQL."""

    def __init__(self, database: ConnectionPool, columns: Sequence[SealedColumn] = SEALED) -> None:
        self._database = database
        self._columns = {each.name: each for each in columns}
        self.fields = tuple(self._columns)

    async def reseal(self, field: str, mark: bytes, reseal: Reseal, *, after: bytes | None, limit: int) -> bytes | None:
        """Seal up to ``limit`` rows of a field anew, in one transaction; answers behind which id there may be more."""
        column = self._columns[field]
        async with self._database.transaction() as connection:
            rows = await connection.fetch(page_statement(column), after or bytes(16), mark, limit)
            changes = [change for row in rows if (change := _changed(column, row, reseal)) is not None]
            if changes:
                await connection.executemany(change_statement(column), changes)
        return rows[-1][0] if len(rows) == limit else None

    async def count_values(self) -> Mapping[bytes, int]:
        """Return the number of sealed values by the prefix of their key."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(tally_statement(list(self._columns.values())))
        return {row[0]: row[1] for row in rows}

    async def key_check_values(self) -> KeyCheckValues:
        async with self._database.connection() as connection:
            return {row[0]: row[1] for row in await connection.fetch(_PROOFS)}

    async def add_key_check_value(
        self, mark: bytes, proof: bytes, *, validate: Callable[[KeyCheckValues], None]
    ) -> None:
        """Add a key check value unless ``validate`` raises for the stored ones; one process at a time."""
        async with self._database.transaction() as connection:
            await connection.execute("LOCK TABLE sealing_check IN SHARE ROW EXCLUSIVE MODE")
            validate({row[0]: row[1] for row in await connection.fetch(_PROOFS)})
            await connection.execute(
                "INSERT INTO sealing_check (mark, proof) VALUES ($1, $2) ON CONFLICT DO NOTHING", mark, proof
            )

    async def delete_key_check_values(self, marks: Sequence[bytes]) -> None:
        """Delete the key-check values of retired master keys, so that processes start without them."""
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM sealing_check WHERE mark = ANY($1::bytea[])", marks)


def _changed(column: SealedColumn, row: Any, reseal: Reseal) -> tuple[Any, ...] | None:
    id_, account, owner, values = row
    fingerprint = column.fingerprint
    changed = reseal(
        SealedField(
            name=f"{id_.hex() if column.prefix is None else to_text(column.prefix, id_)} ({column.name})",
            about=sealed_place(account, owner, column.row, id_, column.field),
            values=tuple(values),
            subject=None if fingerprint is None else lambda opened: fingerprint.of(account, opened),
        )
    )
    if changed is None:
        return None
    row_changed = (account, id_, list(changed.values))
    return row_changed if fingerprint is None else (*row_changed, changed.fingerprint)
