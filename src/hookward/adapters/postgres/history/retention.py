"""Retention: whole days are dropped once they are over for every account, the rest is deleted in chunks.

What is still open is moved to the default partition first, with its event and its attempts (G3). A day with more of it
than can be moved while everybody waits stays, and gives up only what has ended.
"""

from __future__ import annotations

from hookward.adapters.postgres.history.paging import LEAST
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.upkeep import PARTITIONED, PARTITIONS_LOCK, day_bounds

MAX_MOVED = 5000
CHUNK = 1000
_PATIENCE_MS = 200
_LOCK = 0x72657461696E  # "retain"

# The first day that somebody may still look at: all before it is over for everybody.
_HORIZON = """
SELECT floor((extract(epoch FROM now()) - greatest($1::float8, 86400.0 * max(retention_days))) / 86400)::bigint
FROM account"""
_DAYS = r"""
SELECT DISTINCT substring(c.relname FROM '_(\d+)$')::bigint AS day FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'event'::regclass OR i.inhparent = 'delivery'::regclass
OR i.inhparent = 'attempt'::regclass ORDER BY day"""
_UNMATCHED = "SELECT EXISTS (SELECT 1 FROM outbox o, unnest(o.events) e(id) WHERE e.id < $1)"
_UNMATCHED_OF = "SELECT EXISTS (SELECT 1 FROM outbox o, unnest(o.events) e(id) WHERE o.account_id = $2 AND e.id < $1)"
# Both said, not passed: the index of what was not delivered is the only one that finds them.
_OPEN = "SELECT count(*) FROM (SELECT 1 FROM delivery WHERE status IN (1, 2) AND id >= $1 AND id < $2 LIMIT $3) o"

_ACCOUNTS = """
SELECT id, floor((extract(epoch FROM now()) - coalesce(86400.0 * retention_days, $1::float8)) / 86400)::bigint
FROM account ORDER BY id"""
_ENDED = """
SELECT id FROM delivery WHERE account_id = $1 AND id > $2 AND id < $3 AND status >= 3
ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED"""
# The millisecond of an event is where its deliveries are, but for replays with ids of their own.
_OVER = """
SELECT id FROM event e WHERE account_id = $1 AND id > $2 AND id < $3
AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.id BETWEEN (left(e.id::text, 13) || '-0000-0000-000000000000')::uuid
  AND (left(e.id::text, 13) || '-ffff-ffff-ffffffffffff')::uuid AND d.event_id = e.id AND d.status < 3 OFFSET 0)
AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = e.id AND d.replay_of IS NOT NULL AND d.status < 3 OFFSET 0)
ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED"""


class PostgresRetention:
    """The ``RetentionStore`` port on PostgreSQL.

    ``most_moved`` is how many open deliveries a day may have to be dropped, ``chunk`` how many rows go at a time.
    """

    def __init__(self, database: ConnectionPool, *, most_moved: int = MAX_MOVED, chunk: int = CHUNK) -> None:
        self._database = database
        self._most_moved = most_moved
        self._chunk_size = chunk
        self._behind: dict[tuple[str, int], bytes] = {}

    async def drop_day(self, seconds: float) -> str | None:
        """Drop the oldest day that is over; raises StoreUnavailable when somebody reads it for long."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", PARTITIONS_LOCK):
                return None
            await connection.execute(f"SET LOCAL lock_timeout = {_PATIENCE_MS}")
            horizon = await connection.fetchval(_HORIZON, seconds)
            for row in await connection.fetch(_DAYS):
                day = row[0]
                if day is not None and day < horizon and await self._may_go(connection, day):
                    await _drop(connection, day)
                    return str(day)
        return None

    async def delete_some(self, seconds: float) -> int:
        """Delete a chunk of one account's deliveries, or events, of days that are over for it."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                return 0
            for account, horizon in await connection.fetch(_ACCOUNTS, seconds):
                until = _id(horizon)
                count = await self._deliveries(connection, account, until) or await self._events(
                    connection, account, until
                )
                if count:
                    return count
        return 0

    async def _may_go(self, connection: Acquired, day: int) -> bool:
        """Whether all of a day is matched, and little of it still open."""
        start, end = _id(day), _id(day + 1)
        if await connection.fetchval(_UNMATCHED, end):
            return False
        count = await connection.fetchval(_OPEN, start, end, self._most_moved + 1)
        return bool(count <= self._most_moved)

    async def _deliveries(self, connection: Acquired, account: int, until: bytes) -> int:
        ids = await self._chunk(connection, _ENDED, ("delivery", account), until)
        if ids:
            await connection.execute("DELETE FROM attempt WHERE delivery_id = ANY($1::uuid[])", ids)
            await connection.execute("DELETE FROM delivery WHERE id = ANY($1::uuid[])", ids)
        return len(ids)

    async def _events(self, connection: Acquired, account: int, until: bytes) -> int:
        ids = await self._chunk(connection, _OVER, ("event", account), until)
        if not ids or await connection.fetchval(_UNMATCHED_OF, until, account):
            return 0
        await connection.execute("DELETE FROM event WHERE id = ANY($1::uuid[])", ids)
        return len(ids)

    async def _chunk(self, connection: Acquired, query: str, what: tuple[str, int], until: bytes) -> list[bytes]:
        """The next rows that may go; from the beginning again when there are no more: what was open may have ended."""
        rows = await connection.fetch(query, what[1], self._behind.get(what, LEAST), until, self._chunk_size)
        ids = [row[0] for row in rows]
        if len(ids) == self._chunk_size:
            self._behind[what] = ids[-1]
        else:
            self._behind.pop(what, None)
        return ids


def _id(day: int) -> bytes:
    """The least id of a day."""
    return bytes.fromhex(day_bounds(max(0, day))[0].replace("-", ""))


async def _drop(connection: Acquired, day: int) -> None:
    """Take a day out of its tables, put back what is open (it goes to the default partition), and drop it."""
    there = {
        table
        for table in PARTITIONED
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{table}_{day}")
    }
    for table in PARTITIONED:
        if table in there:
            await connection.execute(f"ALTER TABLE {table} DETACH PARTITION {table}_{day}")
    if "delivery" in there:
        still = f"SELECT id FROM delivery_{day} WHERE status IN (1, 2)"
        if "attempt" in there:
            await connection.execute(f"INSERT INTO attempt SELECT * FROM attempt_{day} WHERE delivery_id IN ({still})")
        await connection.execute(f"INSERT INTO delivery SELECT * FROM delivery_{day} WHERE status IN (1, 2)")
    if "event" in there:
        start, end = day_bounds(day)
        await connection.execute(
            f"INSERT INTO event SELECT * FROM event_{day} WHERE id IN (SELECT event_id FROM delivery "
            f"WHERE status IN (1, 2) AND id >= '{start}' AND id < '{end}' UNION ALL SELECT event_id FROM delivery "
            f"WHERE replay_of IS NOT NULL AND status < 3 AND event_id >= '{start}' AND event_id < '{end}')"
        )
    for table in there:
        await connection.execute(f"DROP TABLE {table}_{day}")
