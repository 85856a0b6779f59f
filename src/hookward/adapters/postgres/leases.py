"""Leases: who may send and record, by PostgreSQL's clock only."""

from __future__ import annotations

from hookward.adapters.postgres.pool import ConnectionPool
from hookward.domain.delivery.model import POISON_CRASHES
from hookward.domain.errors import LeaseLost

# A PostgreSQL that was away could renew nobody's lease: nobody takes over just after its start, except from a worker
# that was seen dead (`-infinity`).
_GRACE = "10 seconds"

# A claim or record holds its lease FOR KEY SHARE, so this waits for it. What it committed meanwhile only a later
# statement sees: freeing must not be part of this one.
_BURY = f"""
DELETE FROM lease WHERE until < now()
AND (until = '-infinity' OR now() - pg_postmaster_start_time() > interval '{_GRACE}') RETURNING token"""

# $2 is 1 for the leases of the dead, else 0. Whoever died with a single thing in hand, or with a single one that
# others had died with before, is known to have died of it.
_FREE = f"""
WITH held AS (SELECT token, crashes FROM outbox WHERE token = ANY($1::bigint[])
  UNION ALL SELECT token, crashes FROM waiting WHERE token = ANY($1::bigint[])),
b AS MATERIALIZED (SELECT token, count(*) AS things, count(*) FILTER (WHERE crashes >= {POISON_CRASHES}) AS suspects
  FROM held GROUP BY 1),
o AS (UPDATE outbox o SET token = NULL, crashes = o.crashes + $2,
    alone = o.alone + $2 * (b.things = 1 OR b.suspects = 1 AND o.crashes >= {POISON_CRASHES})::int
  FROM b WHERE o.token = b.token AND o.token = ANY($1::bigint[]) RETURNING 1),
w AS (UPDATE waiting w SET token = NULL, crashes = w.crashes + $2,
    alone = w.alone + $2 * (b.things = 1 OR b.suspects = 1 AND w.crashes >= {POISON_CRASHES})::int
  FROM b WHERE w.token = b.token AND w.token = ANY($1::bigint[]) RETURNING w.lane_id),
g AS (DELETE FROM lane_grant WHERE token = ANY($1::bigint[]) RETURNING lane_id, n),
s AS MATERIALIZED (SELECT lane_id, sum(n)::int AS n, bool_or(waits) AS waits
  FROM (SELECT lane_id, n, false AS waits FROM g UNION ALL SELECT lane_id, 0, true FROM w) x GROUP BY 1),
l AS MATERIALIZED (SELECT id FROM lane WHERE id = ANY(ARRAY(SELECT lane_id FROM s)) ORDER BY id FOR NO KEY UPDATE),
u AS (UPDATE lane SET in_use = greatest(0, lane.in_use - s.n), behind = lane.behind OR s.waits,
    wake_at = CASE WHEN lane.closing IS NOT NULL THEN now() WHEN lane.paused THEN NULL
      WHEN lane.behind OR s.waits THEN now() ELSE lane.wake_at END
  FROM l JOIN s ON s.lane_id = l.id WHERE lane.id = l.id AND lane.id = ANY(ARRAY(SELECT lane_id FROM s)))
SELECT (SELECT count(*) FROM o)::int, (SELECT count(*) FROM w)::int"""


class PostgresLeases:
    """The ``Leases`` port on PostgreSQL. Times are in seconds."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def begin(self, worker: str, seconds: float) -> int:
        """Open a lease for an incarnation of ``worker``; answers its token."""
        async with self._database.connection() as connection:
            return int(
                await connection.fetchval(
                    "INSERT INTO lease (until, worker) VALUES (now() + $2 * interval '1 second', $1) RETURNING token",
                    worker,
                    seconds,
                )
            )

    async def renew(self, token: int, seconds: float) -> None:
        """Prolong a lease; one whose end has passed stays ended (LeaseLost): others may have seen it."""
        async with self._database.connection() as connection:
            renewed = await connection.fetchval(
                "UPDATE lease SET until = now() + $2 * interval '1 second' WHERE token = $1 "
                "AND (until > now() OR until <> '-infinity' AND now() - pg_postmaster_start_time() <= "
                f"interval '{_GRACE}') RETURNING token",
                token,
                seconds,
            )
        if renewed is None:
            raise LeaseLost

    async def end(self, token: int) -> None:
        """Close a lease that its holder is done with, and free whatever is still held under it: no crash."""
        async with self._database.transaction() as connection:
            await connection.execute("DELETE FROM lease WHERE token = $1", token)
            await connection.execute(_FREE, [token], 0)

    async def abandon(self, token: int) -> None:
        """End a lease under which something is still held: the next take-over frees it."""
        async with self._database.connection() as connection:
            await connection.execute("UPDATE lease SET until = '-infinity' WHERE token = $1", token)

    async def expire(self, worker: str) -> int:
        """End the leases of a worker that is known to be dead, at once; answers how many."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "UPDATE lease SET until = '-infinity' WHERE worker = $1 AND until > '-infinity' RETURNING token", worker
            )
        return len(rows)

    async def expire_all(self) -> int:
        """End every lease: for whoever knows that no worker of before can reach this database any more."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "UPDATE lease SET until = '-infinity' WHERE until > '-infinity' RETURNING token"
            )
        return len(rows)

    async def take_over(self) -> tuple[int, int, int]:
        """Free what the holders of ended leases held; answers how many leases, outbox rows and waiting rows."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                return 0, 0, 0
            if not await connection.fetchval("SELECT 1 FROM lease WHERE until < now() LIMIT 1"):
                return 0, 0, 0
            dead = [row[0] for row in await connection.fetch(_BURY)]
            row = await connection.fetchrow(_FREE, dead, 1) if dead else None
        return (len(dead), row[0], row[1]) if row else (0, 0, 0)


_LOCK = 0x6C65617365  # "lease"
