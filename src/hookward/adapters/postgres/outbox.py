"""Claim: the oldest unmatched events, round-robin over accounts, under a lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hookward.adapters.postgres.pool import ConnectionPool
from hookward.application.delivery.dispatcher import Claim
from hookward.domain.delivery.model import POISON_CRASHES
from hookward.domain.errors import LeaseLost
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId, EventId, WatchId, millisecond_of
from hookward.domain.resource_types.operations import ChangeKind

_BOUND_BYTES = 16 << 20
_ACCOUNTS = 32

# `a` walks the accounts that have something free, one index probe each, starting behind the last one served. Each
# gives its oldest row in its turn, in the order of the walk: by age alone, a few accounts with old backlogs would take
# every claim. The last column says behind which account the next walk starts: where this one was cut short. What
# several workers died with comes one row at a time, so that it is known whom to blame for the next one.
CLAIM = f"""
WITH RECURSIVE me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
a AS ((SELECT account_id FROM outbox WHERE token IS NULL AND account_id > $2 ORDER BY account_id LIMIT 1)
  UNION ALL SELECT (SELECT o.account_id FROM outbox o WHERE o.token IS NULL AND o.account_id > a.account_id
    ORDER BY 1 LIMIT 1) FROM a WHERE a.account_id IS NOT NULL),
acc AS MATERIALIZED (SELECT account_id FROM a WHERE account_id IS NOT NULL LIMIT {_ACCOUNTS}),
pick AS MATERIALIZED (SELECT o.* FROM acc CROSS JOIN LATERAL (
  SELECT account_id, seq, cardinality(events) AS size, bytes FROM outbox o
  WHERE o.token IS NULL AND o.account_id = acc.account_id AND o.crashes < {POISON_CRASHES}
  ORDER BY seq LIMIT greatest(1, $3 / (SELECT count(*) FROM acc)) FOR UPDATE SKIP LOCKED) o),
suspect AS MATERIALIZED (SELECT seq FROM outbox WHERE token IS NULL AND crashes >= {POISON_CRASHES}
  ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED),
nth AS (SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY seq) AS turn FROM pick),
sized AS MATERIALIZED (SELECT seq, account_id, turn,
  sum(size) OVER w - size < $3 AND sum(bytes) OVER w - bytes < {_BOUND_BYTES} AS fits FROM nth
  WINDOW w AS (ORDER BY turn, account_id)),
last AS (SELECT CASE WHEN bool_or(NOT fits AND turn = 1) THEN max(account_id) FILTER (WHERE fits AND turn = 1)
  WHEN (SELECT count(*) FROM acc) = {_ACCOUNTS} THEN (SELECT max(account_id) FROM acc) ELSE 0 END AS account FROM sized)
UPDATE outbox o SET token = me.token, claims = o.claims + 1 FROM me
WHERE o.seq = ANY(ARRAY(SELECT seq FROM sized WHERE fits UNION ALL SELECT seq FROM suspect))
RETURNING o.seq, o.events, o.claims, o.crashes, o.alone, o.fanned, (SELECT coalesce(account, 0) FROM last)"""

ALIVE = "SELECT 1 FROM lease WHERE token = $1 AND until > now()"

EVENTS = """
SELECT id, account_id, resource_type, type_version, kind, version, scope, resource_id, body, previous, extra, zone
FROM event WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 AND body <> ''::bytea"""

# A delivery carries the millisecond of its event: the primary key finds an event's deliveries, no index of their own.
_RECORDED = """
SELECT d.id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS e(id, low, high)
CROSS JOIN LATERAL (SELECT id FROM delivery
  WHERE id BETWEEN e.low AND e.high AND id BETWEEN $4 AND $5 AND event_id = e.id OFFSET 0) d"""

_SPLIT = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
gone AS (DELETE FROM outbox o USING me WHERE o.seq = $2 AND o.token = me.token
  RETURNING o.account_id, o.version, o.claims, o.crashes),
new AS (INSERT INTO outbox (account_id, version, events, bytes, claims, crashes)
  SELECT g.account_id, g.version, ARRAY[o.id], coalesce(length(e.body) + coalesce(length(e.previous), 0)
    + coalesce(length(e.extra), 0), 0), g.claims, g.crashes
  FROM gone g, unnest($3::uuid[]) WITH ORDINALITY AS o(id, ord) LEFT JOIN event e ON e.id = o.id ORDER BY o.ord
  RETURNING seq)
SELECT count(*) FROM new"""

_FAN = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE)
UPDATE outbox o SET fanned = $3 FROM me WHERE o.seq = $2 AND o.token = me.token RETURNING o.seq"""

_scope = msgspec.json.Decoder(dict[str, str])


class PostgresOutbox:
    """The ``Outbox`` port on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database
        self._account = 0

    async def claim(self, token: int, *, limit: int) -> list[Claim]:
        """Take up to about ``limit`` events' worth of rows; raises LeaseLost when the lease has ended."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(CLAIM, token, self._account, limit)
            if not rows and self._account:
                self._account = 0
                rows = await connection.fetch(CLAIM, token, 0, limit)
            if not rows:
                if not await connection.fetchval(ALIVE, token):
                    raise LeaseLost
                return []
        self._account = rows[0][6]
        return [
            Claim(
                seq=row[0], events=tuple(EventId(id_) for id_ in row[1]), claims=row[2], crashes=row[3],
                alone=row[4], fanned=None if row[5] is None else WatchId(row[5]),
            )
            for row in sorted(rows, key=_seq)
        ]  # fmt: skip

    async def events(self, ids: Sequence[EventId]) -> dict[EventId, ChangeEvent]:
        """The events behind ``ids``; one that is gone is not in the answer."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(EVENTS, ids, min(ids), max(ids))
        return {EventId(row[0]): read_event(row) for row in rows}

    async def recorded(self, events: Sequence[EventId]) -> set[DeliveryId]:
        """Which deliveries of these events are in the store already."""
        lows, highs = zip(*[millisecond_of(event) for event in events], strict=True)
        async with self._database.connection() as connection:
            rows = await connection.fetch(_RECORDED, events, lows, highs, min(lows), max(highs))
        return {DeliveryId(row[0]) for row in rows}

    async def split(self, token: int, claim: Claim) -> None:
        """Give each event of a row a row of its own, unclaimed, so that one that kills workers stands alone."""
        async with self._database.connection() as connection:
            await connection.fetchval(_SPLIT, token, claim.seq, claim.events)

    async def fan(self, token: int, claim: Claim, watch: WatchId) -> None:
        """Note how far a fan-out has come."""
        async with self._database.connection() as connection:
            if await connection.fetchval(_FAN, token, claim.seq, watch) is None:
                raise LeaseLost


def _seq(row: Any) -> int:
    return int(row[0])


def read_event(row: Any) -> ChangeEvent:
    """An event from the columns of ``EVENTS``."""
    id_, account, resource_type, type_version, kind, version, scope, resource_id, body, previous, extra, zone = row
    return ChangeEvent(
        id=id_, account=account, resource_type=resource_type, type_version=type_version, kind=ChangeKind(kind),
        version=version, scope=_scope.decode(scope), resource_id=resource_id.decode(), body=body, previous=previous,
        extra=extra, zone=zone,
    )  # fmt: skip
