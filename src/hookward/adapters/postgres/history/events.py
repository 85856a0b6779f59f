"""The event log: pages of events by any filter, one event, and what became of each.

A list is found by its events, or by their deliveries where a filter is about those. A delivery has its event's time, so
that a scan of deliveries meets events in their order, to the millisecond. A replay with an id of its own has not: it
takes the place of its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hookward.adapters.postgres.history.paging import (
    BEYOND,
    EMPTY,
    IndexScan,
    Parameters,
    ScanPlan,
    find_page,
    id_before,
    id_behind,
)
from hookward.adapters.postgres.history.search import (
    MAX_SCANS,
    SCAN,
    TEXT_SCAN,
    ids_between,
    is_id_prefix,
    search_window,
    status_conditions,
    visible_watches,
    watches_named,
)
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.history.model import EventPage, EventQuery, LoggedEvent
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, EventId, IdPrefix, millisecond_of
from hookward.domain.resource_types.operations import ChangeKind

SQL = read_statements(__name__, most_outbox_rows=20_000)

EVENT_SCAN = SCAN // 2
"""How many rows a page may look at; of deliveries as many again, so that each event is found once."""
LISTED_DELIVERIES = 1000
"""How many deliveries a list counts for each of its events; for one event alone a hundred times as many."""

_COLUMNS = "account_id, event_id, watch_id, resource_type, kind, resource_id, status, last_code, last_error"
_DELIVERIES = f"(SELECT id, id AS own_id, {_COLUMNS} FROM delivery WHERE replay_of IS NULL)"
_REPLAYS = f"(SELECT event_id AS id, id AS own_id, {_COLUMNS} FROM delivery WHERE replay_of IS NOT NULL)"

# Only the first 64 KiB of a body are searched: of a value that is stored compressed no more is decompressed.
_CONTAINS_TEXT = "(position({text} in d.resource_id) > 0 OR position({text} in substring({body} from 1 for 65536)) > 0)"
_BODY_OF_EVENT = "(SELECT e.body FROM event e WHERE e.id = d.event_id)"


class PostgresEventHistory:
    """The ``EventLog`` port on PostgreSQL.

    ``scan`` and ``text_scan`` are as those of ``PostgresDeliveryHistory``.
    """

    def __init__(self, pool: ConnectionPool, *, scan: int = EVENT_SCAN, text_scan: int = TEXT_SCAN) -> None:
        self._pool = pool
        self._scan = scan
        self._text_scan = text_scan

    async def events(self, query: EventQuery, *, now_ms: int) -> EventPage:
        """Return one page, newest first."""
        plan, searched = await self._plan(query, now_ms)
        found = EMPTY
        if plan is not None:
            found = await find_page(self._pool, plan, limit=query.limit, before=query.before, after=query.after)
        events: list[LoggedEvent] = []
        if found.ids:
            by_deliveries = plan is not None and plan.distinct_on is not None
            async with self._pool.connection() as connection:
                events = await _load_rows(connection, query, found.ids, by_deliveries=by_deliveries)
        return EventPage(rows=events, older=found.older, newer=found.newer, searched_ms=searched)

    async def event(self, account: AccountId, id_: EventId, *, owner: str | None = None) -> LoggedEvent | None:
        """Return one event with its bodies; for an owner only if it has a delivery to one of that owner's watches."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["find"], id_, account)
            if row is None:
                return None
            [event] = await _with_deliveries(connection, account, owner, [row], count=100 * LISTED_DELIVERIES)
        return event if owner is None or event.deliveries else None

    async def known(self, account: AccountId, key: bytes) -> EventId | None:
        """Return the event that has used an idempotency key."""
        async with self._pool.connection() as connection:
            found = await connection.fetchval(SQL["find_by_key"], account, key)
        return None if found is None else EventId(found)

    async def _plan(self, query: EventQuery, now_ms: int) -> tuple[ScanPlan | None, tuple[int, int] | None]:
        """Return how to find the rows, ``None`` where there can be none, and the window in which a text is searched."""
        low, high = ids_between(query.since_ms, query.until_ms)
        plan = ScanPlan(scans=[], parameters=Parameters(), low=low, high=high, most_rows=self._scan)
        plan.checks = _checks(query, plan.parameters)
        if query.event is not None:
            _narrow(plan, query.event, query.event)
        named = None if query.search is None else await watches_named(self._pool, query.account, query.search)
        wanted = await self._wanted(plan.parameters, query, named)
        account = plan.parameters.add(query.account)
        if wanted is None:
            plan.scans = [IndexScan("event", f"d.account_id = {account}")]
            if query.event is not None:
                plan.low, plan.high = max(plan.low, id_before(query.event)), min(plan.high, id_behind(query.event))
        elif wanted.watches == []:
            return None, None
        else:
            _scan_deliveries(plan, wanted, query, account)
        if query.search is None or named is not None:
            return plan, None
        return plan, self._search(plan, query, query.search, now_ms)

    async def _wanted(
        self, parameters: Parameters, query: EventQuery, named: list[bytes] | None
    ) -> _WantedDelivery | None:
        """Return what a delivery of the events must be like; ``None`` if no filter is about deliveries."""
        pairs: list[tuple[str, object]] = [("last_code", query.code), ("last_error", query.error)]
        conditions = [f"{{d}}.{column} = {parameters.add(value)}" for column, value in pairs if value is not None]
        if query.status is not None:
            # The number is part of the statement: a plan for any status could not use the index that some have.
            conditions.append(f"{{d}}.status = {int(query.status)}")
        id_condition = ""
        prefix = None if query.search is None else is_id_prefix(query.search)
        if prefix is not None and prefix[0] is IdPrefix.DELIVERY:
            between = f"BETWEEN {parameters.add(prefix[1])} AND {parameters.add(prefix[2])}"
            conditions.append(f"{{d}}.own_id {between}")
            id_condition = f" AND d.id {between}"
        watches: list[bytes] | None = None if query.watch is None else [query.watch]
        if named is not None:
            watches = named if watches is None else [id_ for id_ in watches if id_ in named]
        watches = await visible_watches(self._pool, query.account, query.owner, watches)
        if watches is not None:
            conditions.append(f"{{d}}.watch_id = ANY({parameters.add(watches)}::uuid[])")
        elif query.owner is not None:
            account, owner = parameters.add(query.account), parameters.add(query.owner)
            conditions.append(
                "EXISTS (SELECT 1 FROM watch w "
                f"WHERE w.id = {{d}}.watch_id AND w.account_id = {account} AND w.owner = {owner})"
            )
        return _WantedDelivery(conditions, watches=watches, id_condition=id_condition) if conditions else None

    def _search(self, plan: ScanPlan, query: EventQuery, text: str, now_ms: int) -> tuple[int, int] | None:
        """Narrow a plan by a ``q`` that names no watches; return the window of time in which a text is searched."""
        if (found := is_id_prefix(text)) is not None:
            prefix, least, greatest = found
            if prefix is IdPrefix.EVENT:
                event = "d.id" if plan.distinct_on is None else "d.event_id"
                bounds = f"{plan.parameters.add(least)} AND {plan.parameters.add(greatest)}"
                plan.checks.append(f"{event} BETWEEN {bounds}")
                _narrow(plan, least, greatest)
            return None
        window = search_window(query.since_ms, query.until_ms, now_ms)
        low, high = ids_between(*window)
        plan.low, plan.high = max(plan.low, low), min(plan.high, high)
        plan.most_rows = self._text_scan
        body = "d.body" if plan.distinct_on is None else _BODY_OF_EVENT
        plan.checks.append(_CONTAINS_TEXT.format(text=plan.parameters.add(text.encode()), body=body))
        return window


@dataclass(frozen=True, slots=True)
class _WantedDelivery:
    """What one of an event's deliveries must be like, as conditions in which ``{d}`` stands for it.

    ``id_condition`` is about the ids of deliveries that are no replays, which have an index.
    """

    conditions: list[str]
    watches: list[bytes] | None
    id_condition: str

    def of(self, name: str) -> list[str]:
        return [each.replace("{d}", name) for each in self.conditions]


def _checks(query: EventQuery, parameters: Parameters) -> list[str]:
    """Return the conditions on the event that have no index; deliveries have these columns, too."""
    pairs: list[tuple[str, object]] = [
        ("resource_type", query.resource_type),
        ("resource_id", None if query.resource_id is None else query.resource_id.encode()),
        ("kind", None if query.kind is None else int(query.kind)),
    ]
    return [f"d.{column} = {parameters.add(value)}" for column, value in pairs if value is not None]


def _scan_deliveries(plan: ScanPlan, wanted: _WantedDelivery, query: EventQuery, account: str) -> None:
    """Find events by their deliveries: each event at the first delivery that is as wanted."""
    of_account = f"d.account_id = {account}"
    if wanted.watches is not None and len(wanted.watches) <= MAX_SCANS:
        plan.scans = [IndexScan(_DELIVERIES, f"d.watch_id = o.id{wanted.id_condition}", wanted.watches)]
    else:
        conditions, _ = status_conditions(query.status, query.code, query.error)
        plan.scans = [IndexScan(_DELIVERIES, f"{of_account}{each}{wanted.id_condition}") for each in conditions]
    plan.scans.append(IndexScan(_REPLAYS, of_account))
    plan.checks += wanted.of("d")
    if query.event is not None:
        plan.checks.append(f"d.event_id = {plan.parameters.add(query.event)}")
    plan.distinct_on = "event_id"
    alike = " AND ".join([f"x.account_id = {account}", f"x.id {BEYOND}", *wanted.of("x")])
    plan.seen_beyond = " UNION ALL ".join(
        f"SELECT x.event_id FROM {table} x WHERE {alike}" for table in (_DELIVERIES, _REPLAYS)
    )


def _narrow(plan: ScanPlan, least: bytes, greatest: bytes) -> None:
    """Look no further than the milliseconds of these events."""
    plan.low = max(plan.low, id_before(millisecond_of(least)[0]))
    plan.high = min(plan.high, id_behind(millisecond_of(greatest)[1]))


async def _load_rows(
    connection: Acquired, query: EventQuery, ids: list[bytes], *, by_deliveries: bool
) -> list[LoggedEvent]:
    """Return the events of a page; ``by_deliveries`` tells that some ids are those of deliveries."""
    if by_deliveries:
        rows = await connection.fetch(SQL["of_deliveries"], ids, min(ids), max(ids), query.account)
        ids = [*ids, *(row["event_id"] for row in rows)]
    rows = await connection.fetch(SQL["select_rows"], ids, min(ids), max(ids), query.account)
    return await _with_deliveries(connection, query.account, query.owner, rows, count=LISTED_DELIVERIES)


async def _with_deliveries(
    connection: Acquired, account: AccountId, owner: str | None, rows: Sequence[Any], *, count: int
) -> list[LoggedEvent]:
    """Return the events of these rows with the numbers of their deliveries: up to ``count`` are counted for each."""
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    least, greatest = zip(*{millisecond_of(id_) for id_ in ids}, strict=True)
    unmatched = {row["id"] for row in await connection.fetch(SQL["find_unmatched"], account, ids)}
    counts: dict[bytes, dict[DeliveryStatus, int]] = {}
    values = (ids, least, greatest, count * len(ids), account, owner)
    for row in await connection.fetch(SQL["count_deliveries"], *values):
        of_event = counts.setdefault(row["event_id"], {})
        status = DeliveryStatus(row["status"])
        of_event[status] = of_event.get(status, 0) + row["deliveries"]
    return [_event(row, waits=row["id"] in unmatched, deliveries=counts.get(row["id"], {})) for row in rows]


def _event(row: Any, *, waits: bool, deliveries: dict[DeliveryStatus, int]) -> LoggedEvent:
    values = dict(row)
    values["kind"] = ChangeKind(row["kind"])
    values["resource_id"] = row["resource_id"].decode()
    return LoggedEvent(**values, waits=waits, deliveries=deliveries)
