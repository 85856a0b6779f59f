"""Accept: events and their outbox rows in one commit (G1), once per idempotency key (G7).

How much of an account waits: counted up to a bound, lane by lane.
"""

from __future__ import annotations

from collections.abc import Sequence

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.events.publisher import Accepted, NewEvent, StaleType
from hookward.domain.ids import AccountId, EventId
from hookward.domain.json import encode_exact

KEEP_KEYS = "24 hours"

# Rows whose key is known already are answered and change nothing; so are those whose type is the account's own and has
# changed (or gone) since they were judged by it: what was answered before this statement began is seen by it (G5).
# `lot` numbers the outbox rows of a group; keys are
# inserted in sorted order, so that two groups that share some cannot deadlock.
_ACCEPT = f"""
WITH n AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::smallint[], $6::bytea[], $7::bytea[],
    $8::bytea[], $9::bytea[], $10::bytea[], $11::text[], $12::timestamptz[], $13::bytea[], $14::bytea[], $15::int[],
    $16::boolean[])
  WITH ORDINALITY AS n(id, account_id, resource_type, type_version, kind, scope, resource_id,
    body, previous, extra, zone, occurred, key, digest, lot, own_type, ord)),
old AS MATERIALIZED (
  SELECT n.id FROM n WHERE n.own_type AND NOT EXISTS (SELECT 1 FROM resource_type t WHERE t.account_id = n.account_id
    AND t.name = n.resource_type AND t.type_version = n.type_version AND t.current)
    AND NOT EXISTS (SELECT 1 FROM event WHERE event.id = n.id)),  -- taken already: the answer was lost
v AS (SELECT version FROM definition_version),
k AS (
  INSERT INTO idempotency AS i (account_id, key, event_id, digest, until)
  SELECT account_id, key, id, digest, now() + interval '{KEEP_KEYS}' FROM n WHERE key IS NOT NULL
    AND id NOT IN (SELECT id FROM old) ORDER BY 1, 2
  ON CONFLICT (account_id, key) DO UPDATE
    SET event_id = excluded.event_id, digest = excluded.digest, until = excluded.until WHERE i.until <= now()
  RETURNING i.account_id, i.key),
fresh AS MATERIALIZED (
  SELECT n.* FROM n WHERE n.id NOT IN (SELECT id FROM old)
    AND (n.key IS NULL OR (n.account_id, n.key) IN (SELECT account_id, key FROM k))),
e AS (
  INSERT INTO event (id, account_id, resource_type, type_version, kind, version, scope, resource_id,
    body, previous, extra, zone, occurred)
  SELECT f.id, f.account_id, f.resource_type, f.type_version, f.kind, v.version, f.scope, f.resource_id,
    f.body, f.previous, f.extra, f.zone, f.occurred FROM fresh f, v
  ON CONFLICT DO NOTHING RETURNING id),
o AS (
  INSERT INTO outbox (account_id, version, events, bytes)
  SELECT f.account_id, v.version, array_agg(f.id ORDER BY f.ord),
    sum(length(f.body) + coalesce(length(f.previous), 0) + coalesce(length(f.extra), 0))
  FROM fresh f JOIN e USING (id), v GROUP BY f.account_id, f.lot, v.version ORDER BY min(f.ord)
  RETURNING seq)
SELECT n.id, EXISTS (SELECT 1 FROM old WHERE old.id = n.id) FROM n WHERE (n.key IS NOT NULL OR n.own_type)
  AND NOT EXISTS (SELECT 1 FROM fresh WHERE fresh.id = n.id)"""

_KNOWN = """
SELECT w.id, i.event_id, i.digest FROM unnest($1::uuid[], $2::int[], $3::bytea[]) AS w(id, account_id, key)
JOIN idempotency i ON i.account_id = w.account_id AND i.key = w.key"""

_OUTBOX_ROW_EVENTS = 64
_OUTBOX_ROW_BYTES = 4 << 20


class PostgresEvents:
    """The ``EventStore`` port on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def accept(self, events: Sequence[NewEvent]) -> dict[EventId, Accepted | StaleType]:
        """Commit a group; answers, by id, the outdated, and those whose key was known with what took it first."""
        known: dict[EventId, Accepted | StaleType] = {}
        left = {event.id: event for event in events}
        async with self._database.connection() as connection:
            while left:
                rows = await connection.fetch(_ACCEPT, *_columns(list(left.values())))
                repeats = [left[row[0]] for row in rows]
                if repeats:
                    known |= {EventId(row[0]): StaleType() for row in rows if row[1]}
                    known |= await _known(connection, repeats)
                # A key that expired and was forgotten in between is free again.
                left = {event.id: event for event in repeats if event.id not in known}
        return known

    async def find(self, account: AccountId, key: bytes) -> EventId | None:
        """The event that took an idempotency key."""
        async with self._database.connection() as connection:
            found = await connection.fetchval(
                "SELECT event_id FROM idempotency WHERE account_id = $1 AND key = $2", account, key
            )
        return None if found is None else EventId(found)


async def _known(connection: Acquired, events: Sequence[NewEvent]) -> dict[EventId, Accepted]:
    rows = await connection.fetch(
        _KNOWN, [event.id for event in events], [event.account for event in events], [event.key for event in events]
    )
    return {EventId(row[0]): Accepted(id=EventId(row[1]), digest=row[2]) for row in rows}


def _columns(events: Sequence[NewEvent]) -> tuple[list[object], ...]:
    """The columns of ``n``; what no event of the group has is left empty, which ``unnest`` fills up with NULL."""
    changes = [event.change for event in events]
    return (
        [change.id for change in changes],
        [change.account for change in changes],
        [change.resource_type for change in changes],
        [change.type_version for change in changes],
        [change.kind for change in changes],
        [encode_exact(change.scope) for change in changes],
        [change.resource_id.encode() for change in changes],
        [change.body for change in changes],
        _unless_empty([change.previous for change in changes]),
        _unless_empty([change.extra for change in changes]),
        _unless_empty([change.zone for change in changes]),
        _unless_empty([event.occurred for event in events]),
        _unless_empty([event.key for event in events]),
        _unless_empty([event.digest for event in events]),
        _unless_empty(_lots(events)),
        _unless_empty([event.own_type for event in events]),
    )


def _unless_empty(column: Sequence[object]) -> list[object]:
    """A column, or nothing at all where none of its values says anything: each costs asyncpg more than it costs us."""
    return list(column) if any(column) else []


def _lots(events: Sequence[NewEvent]) -> list[int]:
    """Which outbox row of the group each event goes to: few enough events and bytes for one claim each."""
    lots: list[int] = []
    lot = count = size = 0
    for event in events:
        count += 1
        size += event.size
        if count > _OUTBOX_ROW_EVENTS or size > _OUTBOX_ROW_BYTES:
            lot, count, size = lot + 1, 1, event.size
        lots.append(lot)
    return lots


_COUNT = """
SELECT count(*)::int FROM (
  SELECT 1 FROM lane l CROSS JOIN LATERAL (
    SELECT FROM waiting WHERE lane_id = l.id AND token IS NULL ORDER BY due_at LIMIT $2) w WHERE l.account_id = $1
  UNION ALL SELECT 1 FROM (
    SELECT events FROM outbox WHERE account_id = $1 AND token IS NULL ORDER BY seq LIMIT $2) o, unnest(o.events)
  LIMIT $2) b"""


class PostgresBacklog:
    """The ``BacklogStore`` port on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def backlog(self, account: AccountId, *, limit: int) -> int:
        """What no worker holds: accepted and not yet matched, or waiting for its turn."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(_COUNT, account, limit))
