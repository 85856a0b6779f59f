"""What was accepted: pages of events, one event, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookward.adapters.postgres.event_walks import EVENT_SCAN, walk_of_events
from hookward.adapters.postgres.log_search import TEXT_SCAN
from hookward.adapters.postgres.pages import Found, walk_page
from hookward.adapters.postgres.pool import Acquired, Database
from hookward.application.log import EventPage, EventQuery, LoggedEvent
from hookward.domain.change import ChangeKind
from hookward.domain.delivery import DeliveryStatus
from hookward.domain.ids import AccountId, EventId, millisecond_of

LISTED_DELIVERIES = 1000
"""How many deliveries a list counts for each of its events; one event alone counts a hundred times as many."""

_OUTBOX_ROWS = 20_000

# What a walk found: events, or deliveries that stand for them.
_STOOD_FOR = """
SELECT event_id FROM delivery WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 AND account_id = $4"""

_BRIEF = """
SELECT id, resource_type, kind, scope, resource_id, zone, occurred, body = ''::bytea, ''::bytea, NULL, NULL
FROM event WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 AND account_id = $4 ORDER BY id DESC"""

_WHOLE = """
SELECT id, resource_type, kind, scope, resource_id, zone, occurred, body = ''::bytea, body, previous, extra
FROM event WHERE id = $1 AND account_id = $2"""

# Of these events, those that an outbox row holds. A backlog is looked at as far as its front; what is not found there
# in a longer one waits behind it, unless it is older than the front.
_WAITING = f"""
WITH free AS MATERIALIZED (SELECT seq, events FROM outbox WHERE token IS NULL AND account_id = $1
  ORDER BY seq LIMIT {_OUTBOX_ROWS}),
held AS (SELECT events FROM outbox WHERE token IS NOT NULL AND account_id = $1),
front AS (SELECT events[1] AS id FROM free ORDER BY seq LIMIT 1)
SELECT e.id FROM unnest($2::uuid[]) e(id) WHERE e.id IN (SELECT unnest(events) FROM free)
OR e.id IN (SELECT unnest(events) FROM held)
OR ((SELECT count(*) FROM free) = {_OUTBOX_ROWS} AND e.id > (SELECT id FROM front))"""

_OWN = "SELECT 1 FROM watch c WHERE c.id = d.watch_id AND c.account_id = $5 AND c.owner = $6"
# A millisecond may hold many events of a batch: it is read once for all of them.
_COUNTS = f"""
SELECT d.event_id, d.status, count(*) FROM unnest($2::uuid[], $3::uuid[]) m(low, high)
CROSS JOIN LATERAL (
  SELECT event_id, status FROM delivery d WHERE d.id BETWEEN m.low AND m.high AND d.event_id = ANY($1::uuid[])
  AND d.replay_of IS NULL AND d.account_id = $5 AND ($6::text IS NULL OR EXISTS ({_OWN})) LIMIT $4) d
GROUP BY 1, 2
UNION ALL
SELECT e.id, d.status, count(*) FROM unnest($1::uuid[]) e(id)
CROSS JOIN LATERAL (
  SELECT status FROM delivery d WHERE d.event_id = e.id AND d.replay_of IS NOT NULL
  AND d.account_id = $5 AND ($6::text IS NULL OR EXISTS ({_OWN})) LIMIT $4) d
GROUP BY 1, 2"""


class PostgresEvents:
    """The :class:`~hookward.application.log.EventLog` port on PostgreSQL.

    ``scan`` and ``text_scan`` are as those of :class:`~hookward.adapters.postgres.log.PostgresLog`.
    """

    def __init__(self, database: Database, *, scan: int = EVENT_SCAN, text_scan: int = TEXT_SCAN) -> None:
        self._database = database
        self._scan = scan
        self._text_scan = text_scan

    async def events(self, query: EventQuery, *, now_ms: int) -> EventPage:
        """One page, newest first."""
        walk, searched = await walk_of_events(
            self._database, query, now_ms=now_ms, scan=self._scan, text_scan=self._text_scan
        )
        found = Found(ids=[], older=None, newer=None)
        if walk is not None:
            found = await walk_page(self._database, walk, limit=query.limit, before=query.before, after=query.after)
        events: list[LoggedEvent] = []
        if found.ids:
            async with self._database.connection() as connection:
                ids = found.ids
                if walk is not None and walk.once is not None:
                    stood_for = await connection.fetch(_STOOD_FOR, ids, min(ids), max(ids), query.account)
                    ids = [*ids, *(row[0] for row in stood_for)]
                rows = await connection.fetch(_BRIEF, ids, min(ids), max(ids), query.account)
                events = await _with_what_came(connection, query.account, query.owner, rows, count=LISTED_DELIVERIES)
        return EventPage(rows=events, older=found.older, newer=found.newer, searched_ms=searched)

    async def event(self, account: AccountId, id_: EventId, *, owner: str | None = None) -> LoggedEvent | None:
        """One event whole; for an owner only if a watch of theirs has a delivery of it."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_WHOLE, id_, account)
            if row is None:
                return None
            [event] = await _with_what_came(connection, account, owner, [row], count=100 * LISTED_DELIVERIES)
        return event if owner is None or event.deliveries else None

    async def known(self, account: AccountId, key: bytes) -> EventId | None:
        """The event that took an idempotency key."""
        async with self._database.connection() as connection:
            found = await connection.fetchval(
                "SELECT event_id FROM idempotency WHERE account_id = $1 AND key = $2 AND until > now()", account, key
            )
        return None if found is None else EventId(found)


async def _with_what_came(
    connection: Acquired, account: AccountId, owner: str | None, rows: Sequence[Any], *, count: int
) -> list[LoggedEvent]:
    if not rows:
        return []
    ids = [row[0] for row in rows]
    lows, highs = zip(*{millisecond_of(id_) for id_ in ids}, strict=True)
    most = count * len(ids)
    waiting = {row[0] for row in await connection.fetch(_WAITING, account, ids)}
    counts: dict[bytes, dict[DeliveryStatus, int]] = {}
    for id_, status, number in await connection.fetch(_COUNTS, ids, lows, highs, most, account, owner):
        of_event = counts.setdefault(id_, {})
        of_event[DeliveryStatus(status)] = of_event.get(DeliveryStatus(status), 0) + number
    return [_event(row, waits=row[0] in waiting, deliveries=counts.get(row[0], {})) for row in rows]


def _event(row: Any, *, waits: bool, deliveries: dict[DeliveryStatus, int]) -> LoggedEvent:
    id_, resource_type, kind, scope, resource_id, zone, occurred, erased, body, previous, extra = row
    return LoggedEvent(
        id=id_, resource_type=resource_type, kind=ChangeKind(kind), scope=scope, resource_id=resource_id.decode(),
        zone=zone, occurred=occurred, erased=erased, waits=waits, deliveries=deliveries,
        body=body, previous=previous, extra=extra,
    )  # fmt: skip
