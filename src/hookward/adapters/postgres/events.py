"""What was accepted: pages of events, one event, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookward.adapters.postgres.log_search import SCAN, TEXT_SCAN, is_id_prefix, span_of, text_window
from hookward.adapters.postgres.pages import Values, Walk, walk_page
from hookward.adapters.postgres.pool import Acquired, Database
from hookward.application.log import EventPage, EventQuery, LoggedEvent
from hookward.domain.change import ChangeKind
from hookward.domain.delivery import DeliveryStatus
from hookward.domain.ids import AccountId, EventId, Prefix, millisecond_of

OWNER_SCAN = 2000
LISTED_DELIVERIES = 1000
"""How many deliveries of an event a list counts; one event alone counts a hundred times as many."""

_OUTBOX_ROWS = 20_000

_BRIEF = """
SELECT id, resource_type, kind, scope, resource_id, zone, occurred, body = ''::bytea, ''::bytea, NULL, NULL
FROM event WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 ORDER BY id DESC"""

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
_COUNTS = f"""
SELECT e.id, d.status, count(*) FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) e(id, low, high)
CROSS JOIN LATERAL (
  SELECT status FROM delivery d WHERE d.id BETWEEN e.low AND e.high AND d.event_id = e.id AND d.replay_of IS NULL
  AND d.account_id = $5 AND ($6::text IS NULL OR EXISTS ({_OWN})) LIMIT $4) d
GROUP BY 1, 2
UNION ALL
SELECT e.id, d.status, count(*) FROM unnest($1::uuid[]) e(id)
CROSS JOIN LATERAL (
  SELECT status FROM delivery d WHERE d.event_id = e.id AND d.replay_of IS NOT NULL
  AND d.account_id = $5 AND ($6::text IS NULL OR EXISTS ({_OWN})) LIMIT $4) d
GROUP BY 1, 2"""

# The least and the greatest id of the event's millisecond, as text: xxxxxxxx-xxxx and the rest. With the OFFSET it is
# asked for each row, never joined as a whole.
_SEEN_BY_OWNER = """EXISTS (SELECT 1 FROM delivery x JOIN watch c ON c.id = x.watch_id
  WHERE x.id BETWEEN (left(d.id::text, 13) || '-0000-0000-000000000000')::uuid
    AND (left(d.id::text, 13) || '-ffff-ffff-ffffffffffff')::uuid
  AND x.event_id = d.id AND c.account_id = {account} AND c.owner = {owner} OFFSET 0)"""

_TEXT = "(position({q} in d.resource_id) > 0 OR position({q} in substring(d.body from 1 for 65536)) > 0)"


class PostgresEvents:
    """The :class:`~hookward.application.log.EventLog` port on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(self, query: EventQuery, *, now_ms: int) -> EventPage:
        """One page, newest first."""
        walk, searched = _walk(query, now_ms)
        found = await walk_page(self._database, walk, limit=query.limit, before=query.before, after=query.after)
        if not found.ids:
            return EventPage(rows=[], older=found.older, newer=found.newer, searched_ms=searched)
        async with self._database.connection() as connection:
            rows = await connection.fetch(_BRIEF, found.ids, min(found.ids), max(found.ids))
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


def _walk(query: EventQuery, now_ms: int) -> tuple[Walk, tuple[int, int] | None]:
    values = Values()
    account = values.add(query.account)
    low, high = span_of(query.since_ms, query.until_ms)
    walk = Walk(table="event", arms=[f"d.account_id = {account}"], values=values, low=low, high=high, scan=SCAN)
    pairs: list[tuple[str, object]] = [
        ("resource_type", query.resource_type),
        ("resource_id", None if query.resource_id is None else query.resource_id.encode()),
        ("kind", None if query.kind is None else int(query.kind)),
    ]
    walk.checks = [f"d.{column} = {values.add(value)}" for column, value in pairs if value is not None]
    if query.owner is not None:
        walk.checks.append(_SEEN_BY_OWNER.format(account=account, owner=values.add(query.owner)))
        walk.scan = OWNER_SCAN
    return walk, _search(walk, query, now_ms)


def _search(walk: Walk, query: EventQuery, now_ms: int) -> tuple[int, int] | None:
    """Narrow a walk to what ``q`` says; answers the window of time of a text."""
    if query.search is None:
        return None
    if (found := is_id_prefix(query.search)) is not None and found[0] is Prefix.EVENT:
        walk.checks.append(f"d.id BETWEEN {walk.values.add(found[1])} AND {walk.values.add(found[2])}")
        low, high = (int.from_bytes(id_, "big") for id_ in found[1:])
        walk.low = max(walk.low, max(low - 1, 0).to_bytes(16, "big"))
        walk.high = min(walk.high, min(high + 1, (1 << 128) - 1).to_bytes(16, "big"))
        return None
    window = text_window(query.since_ms, query.until_ms, now_ms)
    walk.low, walk.high = span_of(*window)
    walk.scan = TEXT_SCAN
    walk.checks.append(_TEXT.format(q=walk.values.add(query.search.encode())))
    return window


async def _with_what_came(
    connection: Acquired, account: AccountId, owner: str | None, rows: Sequence[Any], *, count: int
) -> list[LoggedEvent]:
    ids = [row[0] for row in rows]
    lows, highs = zip(*[millisecond_of(id_) for id_ in ids], strict=True)
    waiting = {row[0] for row in await connection.fetch(_WAITING, account, ids)}
    counts: dict[bytes, dict[DeliveryStatus, int]] = {}
    for id_, status, number in await connection.fetch(_COUNTS, ids, lows, highs, count, account, owner):
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
