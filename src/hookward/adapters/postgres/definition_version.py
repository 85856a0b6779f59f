"""The version of the definitions: every change of a watch, key, resource type or account raises it (G5).

Its row lock puts all changes in order: what a transaction reads after raising it stays as it is until it ends.
"""

from __future__ import annotations

from datetime import datetime

from hookward.adapters.postgres.pool import Acquired
from hookward.adapters.postgres.statements import read_statements

SQL = read_statements(__name__)


async def raise_version(connection: Acquired) -> int:
    """Raise the version in a transaction; return the new one."""
    return int(await connection.fetchval(SQL["raise_version"]))


async def raise_version_at(connection: Acquired) -> tuple[int, datetime]:
    """Raise the version; return the new one, and PostgreSQL's time after the changes before were committed."""
    row = await connection.fetchrow(SQL["raise_version"])
    assert row is not None
    return int(row["version"]), row["raised_at"]
