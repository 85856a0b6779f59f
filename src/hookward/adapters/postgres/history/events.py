"""How to find the events of a list: by themselves, or by their deliveries where a filter is about those.

A delivery has its event's time, so a walk over deliveries meets events in their order, to the millisecond. A replay
with an id of its own has not: it stands where its event does.

What was accepted: pages of events, one event, and what came of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hookward.adapters.postgres.history.paging import (
    GREATER,
    Found,
    IndexScan,
    ScanPlan,
    Values,
    id_before,
    id_behind,
    walk_page,
)
from hookward.adapters.postgres.history.search import (
    MAX_ARMS,
    SCAN,
    TEXT_SCAN,
    is_id_prefix,
    span_of,
    status_arms,
    text_window,
    watches_meant,
    watches_seen,
)
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.history.model import EventPage, EventQuery, LoggedEvent
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, EventId, IdPrefix, millisecond_of
from hookward.domain.resource_types.operations import ChangeKind

EVENT_SCAN = SCAN // 2
"""How many rows a page may look at: of deliveries it always looks at so many, to find each event but once."""

_COLUMNS = "account_id, event_id, watch_id, resource_type, kind, resource_id, status, last_code, last_error"
_OWNED_BY = f"(SELECT id, id AS own_id, {_COLUMNS} FROM delivery WHERE replay_of IS NULL)"
_REPLAYS = f"(SELECT event_id AS id, id AS own_id, {_COLUMNS} FROM delivery WHERE replay_of IS NOT NULL)"

# Bodies are looked at as far as their first 64 KiB: what is kept compressed is opened no further.
_TEXT = "(position({q} in d.resource_id) > 0 OR position({q} in substring({body} from 1 for 65536)) > 0)"
_BODY_OF = "(SELECT e.body FROM event e WHERE e.id = d.event_id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What one of an event's deliveries must be like: ``{d}`` stands for it.

    ``named`` is a condition on the ids of those that are no replays: there is an index for it.
    """

    conditions: list[str]
    watches: list[bytes] | None
    named: str

    def of(self, name: str) -> list[str]:
        return [each.replace("{d}", name) for each in self.conditions]


async def walk_of_events(
    database: ConnectionPool, query: EventQuery, *, now_ms: int, scan: int, text_scan: int
) -> tuple[ScanPlan | None, tuple[int, int] | None]:
    """The walk, ``None`` where nothing can be found; and the window of time in which a text is looked for."""
    low, high = span_of(query.since_ms, query.until_ms)
    walk = ScanPlan(arms=[], values=Values(), low=low, high=high, scan=scan)
    walk.checks = _checks(query, walk.values)
    if query.event is not None:
        _narrow(walk, query.event, query.event)
    meant = None if query.search is None else await watches_meant(database, query.account, query.search)
    wanted = await _wanted(database, walk.values, query, meant)
    account = walk.values.add(query.account)
    if wanted is None:
        walk.arms = [IndexScan("event", f"d.account_id = {account}")]
        if query.event is not None:
            walk.low, walk.high = max(walk.low, id_before(query.event)), min(walk.high, id_behind(query.event))
    elif wanted.watches == []:
        return None, None
    else:
        _drive(walk, wanted, query, account)
    if query.search is None or meant is not None:
        return walk, None
    return walk, _search(walk, query, query.search, now_ms, text_scan)


def _checks(query: EventQuery, values: Values) -> list[str]:
    """The conditions on the event that no index helps with: deliveries carry these as well."""
    pairs: list[tuple[str, object]] = [
        ("resource_type", query.resource_type),
        ("resource_id", None if query.resource_id is None else query.resource_id.encode()),
        ("kind", None if query.kind is None else int(query.kind)),
    ]
    return [f"d.{column} = {values.add(value)}" for column, value in pairs if value is not None]


async def _wanted(
    database: ConnectionPool, values: Values, query: EventQuery, meant: list[bytes] | None
) -> _Wanted | None:
    """What a delivery must be like; ``None`` when nothing is asked of deliveries."""
    pairs: list[tuple[str, object]] = [("last_code", query.code), ("last_error", query.error)]
    conditions = [f"{{d}}.{column} = {values.add(value)}" for column, value in pairs if value is not None]
    if query.status is not None:
        conditions.append(f"{{d}}.status = {int(query.status)}")  # said, not passed: there is an index for some
    found = None if query.search is None else is_id_prefix(query.search)
    named = ""
    if found is not None and found[0] is IdPrefix.DELIVERY:
        span = f"BETWEEN {values.add(found[1])} AND {values.add(found[2])}"
        conditions.append(f"{{d}}.own_id {span}")
        named = f" AND d.id {span}"
    watches: list[bytes] | None = None if query.watch is None else [query.watch]
    if meant is not None:
        watches = meant if watches is None else [id_ for id_ in watches if id_ in meant]
    watches = await watches_seen(database, query.account, query.owner, watches)
    if watches is not None:
        conditions.append(f"{{d}}.watch_id = ANY({values.add(watches)}::uuid[])")
    elif query.owner is not None:
        account, owner = values.add(query.account), values.add(query.owner)
        conditions.append(
            "EXISTS (SELECT 1 FROM watch c "
            f"WHERE c.id = {{d}}.watch_id AND c.account_id = {account} AND c.owner = {owner})"
        )
    return _Wanted(conditions=conditions, watches=watches, named=named) if conditions else None


def _drive(walk: ScanPlan, wanted: _Wanted, query: EventQuery, account: str) -> None:
    """Let deliveries lead to events: each is found where its first delivery is that is like this."""
    of_account = f"d.account_id = {account}"
    if wanted.watches is not None and len(wanted.watches) <= MAX_ARMS:
        walk.arms = [IndexScan(_OWNED_BY, f"d.watch_id = o.id{wanted.named}", wanted.watches)]
    else:
        arms, _ = status_arms(query.status, query.code, query.error)
        walk.arms = [IndexScan(_OWNED_BY, f"{of_account}{status}{wanted.named}") for status in arms]
    walk.arms.append(IndexScan(_REPLAYS, of_account))
    walk.checks += wanted.of("d")
    if query.event is not None:
        walk.checks.append(f"d.event_id = {walk.values.add(query.event)}")
    walk.once = "event_id"
    like = " AND ".join([f"x.account_id = {account}", f"x.id {GREATER}", *wanted.of("x")])
    walk.once_seen = " UNION ALL ".join(
        f"SELECT x.event_id FROM {table} x WHERE {like}" for table in (_OWNED_BY, _REPLAYS)
    )


def _search(walk: ScanPlan, query: EventQuery, text: str, now_ms: int, text_scan: int) -> tuple[int, int] | None:
    """Narrow a walk to what ``q`` says, if that names no watches; answers the window of time of a text."""
    event = "d.id" if walk.once is None else "d.event_id"
    if (found := is_id_prefix(text)) is not None:
        if found[0] is IdPrefix.EVENT:
            walk.checks.append(f"{event} BETWEEN {walk.values.add(found[1])} AND {walk.values.add(found[2])}")
            _narrow(walk, found[1], found[2])
        return None
    window = text_window(query.since_ms, query.until_ms, now_ms)
    low, high = span_of(*window)
    walk.low, walk.high = max(walk.low, low), min(walk.high, high)
    walk.scan = text_scan
    body = "d.body" if walk.once is None else _BODY_OF
    walk.checks.append(_TEXT.format(q=walk.values.add(text.encode()), body=body))
    return window


def _narrow(walk: ScanPlan, least: bytes, greatest: bytes) -> None:
    """Look no further than the milliseconds of these events."""
    walk.low = max(walk.low, id_before(millisecond_of(least)[0]))
    walk.high = min(walk.high, id_behind(millisecond_of(greatest)[1]))


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


class PostgresEventHistory:
    """The ``EventLog`` port on PostgreSQL.

    ``scan`` and ``text_scan`` are as those of ``PostgresDeliveryHistory``.
    """

    def __init__(self, database: ConnectionPool, *, scan: int = EVENT_SCAN, text_scan: int = TEXT_SCAN) -> None:
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
