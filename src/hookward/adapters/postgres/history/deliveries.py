"""The delivery log: pages by any filter, and one delivery with its attempts.

A delivery is returned with as many request bodies as one response should hold (G12): a hundred and more attempts,
retries of replays among them, may each have sent a body of a mebibyte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hookward.adapters.postgres.history.paging import (
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
from hookward.application.history.model import LoggedAttempt, LoggedDelivery, LogPage, LogQuery
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, DeliveryId, EventId, IdPrefix, millisecond_of
from hookward.domain.resource_types.operations import ChangeKind

SQL = read_statements(__name__)

BODY_BYTES = 4 << 20
"""How many bytes of request bodies a delivery is returned with; a body counts for each attempt that sent it."""

# Only the first 64 KiB of a body are searched: of a value that is stored compressed no more is decompressed.
_CONTAINS_TEXT = """(position({text} in d.resource_id) > 0 OR EXISTS (
  SELECT 1 FROM attempt a WHERE a.delivery_id = d.id AND (
    position({text} in substring(a.request_body from 1 for 65536)) > 0
    OR position({text} in substring(a.response_body from 1 for 65536)) > 0) OFFSET 0))"""


class PostgresDeliveryHistory:
    """The ``DeliveryLog`` port on PostgreSQL.

    ``scan`` is how many rows a page may look at where a filter has no index, ``text_scan`` where bodies are searched.
    """

    def __init__(self, pool: ConnectionPool, *, scan: int = SCAN, text_scan: int = TEXT_SCAN) -> None:
        self._pool = pool
        self._scan = scan
        self._text_scan = text_scan

    async def deliveries(self, query: LogQuery, *, now_ms: int) -> LogPage:
        """Return one page, newest first."""
        plan, searched = await self._plan(query, now_ms)
        found = EMPTY
        if plan is not None:
            found = await find_page(self._pool, plan, limit=query.limit, before=query.before, after=query.after)
        rows = await self._load_rows(found.ids, query.account, query.owner)
        return LogPage(rows=rows, older=found.older, newer=found.newer, searched_ms=searched)

    async def delivery(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None = None
    ) -> tuple[LoggedDelivery, Sequence[LoggedAttempt]] | None:
        """Return one delivery with its attempts, oldest first."""
        found = await self._load_rows([id_], account, owner)
        if not found:
            return None
        async with self._pool.connection() as connection:
            return found[0], await read_attempts(connection, id_)

    async def _load_rows(self, ids: list[bytes], account: AccountId, owner: str | None) -> list[LoggedDelivery]:
        if not ids:
            return []
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SQL["select_rows"], ids, min(ids), max(ids), account, owner)
        return [_delivery(row) for row in rows]

    async def _plan(self, query: LogQuery, now_ms: int) -> tuple[ScanPlan | None, tuple[int, int] | None]:
        """Return how to find the rows, ``None`` where there can be none, and the window in which a text is searched."""
        parameters = Parameters()
        low, high = ids_between(query.since_ms, query.until_ms)
        plan = ScanPlan(scans=[], parameters=parameters, low=low, high=high, most_rows=self._scan)
        plan.checks = _checks(query, parameters)
        searched = None
        watches: list[bytes] | None = None if query.watch is None else [query.watch]
        if query.search is not None:
            named = await watches_named(self._pool, query.account, query.search)
            if named is None:
                searched = self._search(plan, query, query.search, now_ms)
            else:
                watches = named if watches is None else [id_ for id_ in watches if id_ in named]
        if query.event is not None:
            _scan_event(plan, query, query.event, watches)
            return plan, searched
        watches = await visible_watches(self._pool, query.account, query.owner, watches)
        return (plan if _choose_index(plan, query, watches) else None), searched

    def _search(self, plan: ScanPlan, query: LogQuery, text: str, now_ms: int) -> tuple[int, int] | None:
        """Narrow a plan by a ``q`` that names no watches; return the window of time in which a text is searched."""
        if (found := is_id_prefix(text)) is not None:
            prefix, least, greatest = found
            between = f"BETWEEN {plan.parameters.add(least)} AND {plan.parameters.add(greatest)}"
            if prefix is IdPrefix.DELIVERY:
                plan.checks.append(f"d.id {between}")
                plan.low, plan.high = max(plan.low, id_before(least)), min(plan.high, id_behind(greatest))
            else:
                plan.checks.append(f"d.event_id {between}")
                # A replay with an id of its own is younger than its event; all others carry its time.
                plan.low = max(plan.low, id_before(millisecond_of(least)[0]))
            return None
        window = search_window(query.since_ms, query.until_ms, now_ms)
        plan.low, plan.high = ids_between(*window)
        plan.most_rows = self._text_scan
        plan.checks.append(_CONTAINS_TEXT.format(text=plan.parameters.add(text.encode())))
        return window


def _checks(query: LogQuery, parameters: Parameters) -> list[str]:
    """Return the conditions that have no index, all but the status."""
    pairs: list[tuple[str, object]] = [
        ("resource_type", query.resource_type),
        ("resource_id", None if query.resource_id is None else query.resource_id.encode()),
        ("kind", None if query.kind is None else int(query.kind)),
        ("last_code", query.code),
        ("last_error", query.error),
    ]
    checks = [f"d.{column} = {parameters.add(value)}" for column, value in pairs if value is not None]
    if query.event is not None and query.status is not None:
        checks.append(f"d.status = {int(query.status)}")
    return checks


def _scan_event(plan: ScanPlan, query: LogQuery, event: EventId, watches: list[bytes] | None) -> None:
    """Scan the deliveries of one event: they carry its time, a short range of the primary key; replays may not."""
    parameters = plan.parameters
    account = f"d.account_id = {parameters.add(query.account)}"
    least, greatest = millisecond_of(event)
    id_ = parameters.add(event)
    in_its_millisecond = f"d.id BETWEEN {parameters.add(least)} AND {parameters.add(greatest)} AND d.replay_of IS NULL"
    plan.scans = [
        IndexScan("delivery", in_its_millisecond),
        IndexScan("delivery", f"d.event_id = {id_} AND d.replay_of IS NOT NULL"),
    ]
    plan.checks += [account, f"d.event_id = {id_}"]
    if watches is not None:
        plan.checks.append(f"d.watch_id = ANY({parameters.add(watches)}::uuid[])")
    _restrict_to_owner(plan, query)


def _choose_index(plan: ScanPlan, query: LogQuery, watches: list[bytes] | None) -> bool:
    """Choose what the deliveries are found by: their watches, their status or the account; False: there are none."""
    if watches is not None and len(watches) <= MAX_SCANS:
        plan.scans = [IndexScan("delivery", "d.watch_id = o.id", watches)]
        _check_status(plan, query)
        return bool(watches)
    account = f"d.account_id = {plan.parameters.add(query.account)}"
    if watches is None:
        _restrict_to_owner(plan, query)
    else:
        plan.checks.append(f"d.watch_id = ANY({plan.parameters.add(watches)}::uuid[])")
    conditions, covered = status_conditions(query.status, query.code, query.error)
    plan.scans = [IndexScan("delivery", f"{account}{condition}") for condition in conditions]
    if not covered:
        _check_status(plan, query)
    return True


def _check_status(plan: ScanPlan, query: LogQuery) -> None:
    if query.status is not None:
        plan.checks.append(f"d.status = {int(query.status)}")


def _restrict_to_owner(plan: ScanPlan, query: LogQuery) -> None:
    if query.owner is not None:
        account, owner = plan.parameters.add(query.account), plan.parameters.add(query.owner)
        plan.checks.append(
            f"EXISTS (SELECT 1 FROM watch w WHERE w.id = d.watch_id AND w.account_id = {account} AND w.owner = {owner})"
        )


def _delivery(row: Any) -> LoggedDelivery:
    values = dict(row)
    values["kind"] = ChangeKind(row["kind"])
    values["resource_id"] = row["resource_id"].decode()
    values["status"] = DeliveryStatus(row["status"])
    return LoggedDelivery(**values)


async def read_attempts(connection: Acquired, id_: DeliveryId, *, body_bytes: int = BODY_BYTES) -> list[LoggedAttempt]:
    """Return all attempts of a delivery, oldest first.

    Request bodies are read from the newest on, as many as ``body_bytes`` allow, and that of the newest always.
    """
    rows = await connection.fetch(SQL["attempts"], id_)
    sizes = [(row["number"], row["size"]) for row in await connection.fetch(SQL["body_sizes"], id_)]
    sources = _sources([row["number"] for row in rows], sizes, body_bytes)
    wanted = [*{source for source in sources.values() if source}]
    found = await connection.fetch(SQL["bodies"], id_, wanted) if wanted else []
    bodies = {row["number"]: row["request_body"] for row in found}
    return [_attempt(row, sources[row["number"]], bodies) for row in reversed(rows)]


def _sources(numbers: list[int], sizes: list[tuple[int, int]], left: int) -> dict[int, int | None]:
    """Return for each attempt which one has its body: 0 if none has, ``None`` if there is no room for it.

    All newest first; ``left`` is how many bytes there is room for.
    """
    sources: dict[int, int | None] = {}
    for number in numbers:
        source, size = next(((own, size) for own, size in sizes if own <= number), (0, 0))
        if not size or size <= left or not sources:
            sources[number] = source
            left -= size
        else:
            sources[number] = None
    return sources


def _attempt(row: Any, source: int | None, bodies: Mapping[int, bytes]) -> LoggedAttempt:
    body = None if source is None else bodies.get(source)
    # An empty body stands for one that the log does not keep.
    return LoggedAttempt(**row, request_body=body or None, body_omitted=source is None)
