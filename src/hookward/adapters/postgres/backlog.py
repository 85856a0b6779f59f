"""How much of an account waits: counted up to a bound, lane by lane."""

from __future__ import annotations

from hookward.adapters.postgres.pool import Database
from hookward.domain.ids import AccountId

_COUNT = """
SELECT count(*)::int FROM (
  SELECT 1 FROM lane l CROSS JOIN LATERAL (
    SELECT FROM waiting WHERE lane_id = l.id AND token IS NULL ORDER BY due_at LIMIT $2) w WHERE l.account_id = $1
  UNION ALL SELECT 1 FROM (
    SELECT events FROM outbox WHERE account_id = $1 AND token IS NULL ORDER BY seq LIMIT $2) o, unnest(o.events)
  LIMIT $2) b"""


class PostgresBacklog:
    """The :class:`~hookward.application.backlog.BacklogStore` port on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def backlog(self, account: AccountId, *, limit: int) -> int:
        """What no worker holds: accepted and not yet matched, or waiting for its turn."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(_COUNT, account, limit))
