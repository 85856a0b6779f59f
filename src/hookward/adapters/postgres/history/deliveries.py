"""The delivery log: pages by any filter, and one delivery with its attempts.

The attempts of one delivery, with as many bodies as one answer should hold (G12).

A hundred and more attempts, retries of replays, may each have sent a body of a mebibyte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookward.adapters.postgres.history.paging import (
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
from hookward.application.history.model import LoggedAttempt, LoggedDelivery, LogPage, LogQuery
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, DeliveryId, IdPrefix, millisecond_of
from hookward.domain.resource_types.operations import ChangeKind

# While a watch is paused, what waits for it waits for the reason that the watch has, whatever its own was.
_COLUMNS = (
    "d.id, d.event_id, d.watch_id, d.resource_type, d.kind, d.resource_id, d.status, "
    "CASE WHEN d.status < 3 AND c.status = 2 THEN coalesce(c.status_reason, d.reason) ELSE d.reason END, d.attempts, "
    "d.last_code, d.last_error, d.finished, greatest(w.due_at, l.held_until), d.replay_of, c.definition"
)
_DRESS = f"""
SELECT {_COLUMNS} FROM delivery d LEFT JOIN waiting w ON w.delivery_id = d.id LEFT JOIN lane l ON l.id = w.lane_id
LEFT JOIN watch c ON c.id = d.watch_id WHERE d.id = ANY($1::uuid[]) AND d.id BETWEEN $2 AND $3 AND d.account_id = $4
AND ($5::text IS NULL OR c.owner = $5)
ORDER BY d.id DESC"""

# Bodies are looked at as far as their first 64 KiB: what is kept compressed is opened no further.
_TEXT = """(position({q} in d.resource_id) > 0 OR EXISTS (SELECT 1 FROM attempt a WHERE a.delivery_id = d.id AND (
  position({q} in substring(a.request_body from 1 for 65536)) > 0
  OR position({q} in substring(a.response_body from 1 for 65536)) > 0) OFFSET 0))"""


class PostgresDeliveryHistory:
    """The ``DeliveryLog`` port on PostgreSQL.

    ``scan`` is how many rows a page may look at where a filter has no index, ``text_scan`` those whose bodies it reads.
    """

    def __init__(self, database: ConnectionPool, *, scan: int = SCAN, text_scan: int = TEXT_SCAN) -> None:
        self._database = database
        self._scan = scan
        self._text_scan = text_scan

    async def deliveries(self, query: LogQuery, *, now_ms: int) -> LogPage:
        """One page, newest first."""
        walk, searched = await self._walk(query, now_ms)
        found = Found(ids=[], older=None, newer=None)
        if walk is not None:
            found = await walk_page(self._database, walk, limit=query.limit, before=query.before, after=query.after)
        rows = await self._dressed(found.ids, query.account, query.owner)
        return LogPage(rows=rows, older=found.older, newer=found.newer, searched_ms=searched)

    async def delivery(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None = None
    ) -> tuple[LoggedDelivery, Sequence[LoggedAttempt]] | None:
        """One delivery with its attempts, oldest first."""
        found = await self._dressed([id_], account, owner)
        if not found:
            return None
        async with self._database.connection() as connection:
            return found[0], await read_attempts(connection, id_)

    async def _dressed(self, ids: list[bytes], account: AccountId, owner: str | None) -> list[LoggedDelivery]:
        if not ids:
            return []
        async with self._database.connection() as connection:
            rows = await connection.fetch(_DRESS, ids, min(ids), max(ids), account, owner)
        return [_delivery(row) for row in rows]

    async def _walk(self, query: LogQuery, now_ms: int) -> tuple[ScanPlan | None, tuple[int, int] | None]:
        """How to find a query's rows; ``None`` where there can be none."""
        values = Values()
        low, high = span_of(query.since_ms, query.until_ms)
        walk = ScanPlan(arms=[], values=values, low=low, high=high, scan=self._scan)
        walk.checks = _checks(query, values)
        searched = None
        watches: list[bytes] | None = None if query.watch is None else [query.watch]
        if query.search is not None:
            meant = await watches_meant(self._database, query.account, query.search)
            if meant is None:
                searched = self._search(walk, query, query.search, now_ms)
            else:
                watches = meant if watches is None else [id_ for id_ in watches if id_ in meant]
        possible = await self._drive(walk, query, watches)
        return (walk if possible else None), searched

    def _search(self, walk: ScanPlan, query: LogQuery, text: str, now_ms: int) -> tuple[int, int] | None:
        """Narrow a walk to what ``q`` says, if it names no watches; answers the window of time of a text."""
        if (found := is_id_prefix(text)) is not None:
            prefix, low, high = found
            if prefix is IdPrefix.DELIVERY:
                walk.checks.append(f"d.id BETWEEN {walk.values.add(low)} AND {walk.values.add(high)}")
                walk.low, walk.high = max(walk.low, id_before(low)), min(walk.high, id_behind(high))
            else:
                walk.checks.append(f"d.event_id BETWEEN {walk.values.add(low)} AND {walk.values.add(high)}")
                # A replay with an id of its own is younger than its event; all others carry its time.
                walk.low = max(walk.low, id_before(millisecond_of(low)[0]))
            return None
        window = text_window(query.since_ms, query.until_ms, now_ms)
        walk.low, walk.high = span_of(*window)
        walk.scan = self._text_scan
        walk.checks.append(_TEXT.format(q=walk.values.add(text.encode())))
        return window

    async def _drive(self, walk: ScanPlan, query: LogQuery, watches: list[bytes] | None) -> bool:
        """Choose what a walk is driven by; False when nothing can be found."""
        values = walk.values
        account = f"d.account_id = {values.add(query.account)}"
        if query.event is not None:
            low, high = millisecond_of(query.event)
            event = values.add(query.event)
            # A delivery carries its event's time: a short stretch of the primary key to look at.
            own = f"d.id BETWEEN {values.add(low)} AND {values.add(high)} AND d.replay_of IS NULL"
            walk.arms = [
                IndexScan("delivery", own),
                IndexScan("delivery", f"d.event_id = {event} AND d.replay_of IS NOT NULL"),
            ]
            walk.checks += [account, f"d.event_id = {event}"]
            if watches is not None:
                walk.checks.append(f"d.watch_id = ANY({values.add(watches)}::uuid[])")
            _restrict_to_owner(walk, query)
            return True
        watches = await watches_seen(self._database, query.account, query.owner, watches)
        if watches is None:
            _restrict_to_owner(walk, query)
        elif len(watches) > MAX_ARMS:
            walk.checks.append(f"d.watch_id = ANY({values.add(watches)}::uuid[])")
        else:
            walk.arms = [IndexScan("delivery", "d.watch_id = o.id", watches)]
            _check_status(walk, query)
            return bool(watches)
        arms, said = status_arms(query.status, query.code, query.error)
        walk.arms = [IndexScan("delivery", f"{account}{status}") for status in arms]
        if not said:
            _check_status(walk, query)
        return True


def _checks(query: LogQuery, values: Values) -> list[str]:
    """The conditions that no index helps with, all but the status."""
    pairs: list[tuple[str, object]] = [
        ("resource_type", query.resource_type),
        ("resource_id", None if query.resource_id is None else query.resource_id.encode()),
        ("kind", None if query.kind is None else int(query.kind)),
        ("last_code", query.code),
        ("last_error", query.error),
    ]
    checks = [f"d.{column} = {values.add(value)}" for column, value in pairs if value is not None]
    if query.event is not None and query.status is not None:
        checks.append(f"d.status = {int(query.status)}")
    return checks


def _check_status(walk: ScanPlan, query: LogQuery) -> None:
    if query.status is not None:
        walk.checks.append(f"d.status = {int(query.status)}")


def _restrict_to_owner(walk: ScanPlan, query: LogQuery) -> None:
    if query.owner is not None:
        account, owner = walk.values.add(query.account), walk.values.add(query.owner)
        walk.checks.append(
            f"EXISTS (SELECT 1 FROM watch c WHERE c.id = d.watch_id AND c.account_id = {account} AND c.owner = {owner})"
        )


def _delivery(row: Any) -> LoggedDelivery:
    (
        id_, event, watch, resource_type, kind, resource_id, status, reason, attempts,
        last_code, last_error, finished, due, replay_of, definition,
    ) = row  # fmt: skip
    return LoggedDelivery(
        id=id_, event=event, watch=watch, resource_type=resource_type, kind=ChangeKind(kind),
        resource_id=resource_id.decode(), status=DeliveryStatus(status), reason=reason, attempts=attempts,
        last_code=last_code, last_error=last_error, finished=finished, next_attempt=due, replay_of=replay_of,
        watch_definition=definition,
    )  # fmt: skip


BODY_BYTES = 4 << 20
"""Of request bodies, each counted as often as it is shown."""

_ATTEMPTS = """
SELECT number, sent, duration_us, code, error, message, request, response, response_body, truncated, remote
FROM attempt WHERE delivery_id = $1 ORDER BY number DESC"""
# An attempt without a body of its own sent that of the one before.
_SIZES = """
SELECT number, octet_length(request_body) FROM attempt WHERE delivery_id = $1 AND request_body IS NOT NULL
ORDER BY number DESC"""
_BODIES = "SELECT number, request_body FROM attempt WHERE delivery_id = $1 AND number = ANY($2::smallint[])"


async def read_attempts(connection: Acquired, id_: DeliveryId, *, body_bytes: int = BODY_BYTES) -> list[LoggedAttempt]:
    """All attempts, oldest first.

    Request bodies are read for as many, from the newest on, as ``body_bytes`` allow, and for the newest always.
    """
    rows = await connection.fetch(_ATTEMPTS, id_)
    sizes = await connection.fetch(_SIZES, id_)
    sources = _sources([row[0] for row in rows], [(row[0], row[1]) for row in sizes], body_bytes)
    wanted = {source for source in sources.values() if source}
    bodies = {row[0]: row[1] for row in await connection.fetch(_BODIES, id_, list(wanted))} if wanted else {}
    return [_attempt(row, bodies.get(sources[row[0]]), omitted=sources[row[0]] is None) for row in reversed(rows)]


def _sources(numbers: list[int], sizes: list[tuple[int, int]], left: int) -> dict[int, int | None]:
    """By attempt, which one has its body: 0 where none has, ``None`` where it is one too many. All newest first."""
    sources: dict[int, int | None] = {}
    for number in numbers:
        source, size = next(((own, size) for own, size in sizes if own <= number), (0, 0))
        if not size or size <= left or not sources:
            sources[number] = source
            left -= size
        else:
            sources[number] = None
    return sources


def _attempt(row: Any, body: bytes | None, *, omitted: bool) -> LoggedAttempt:
    number, sent, duration, code, error, message, request, response, response_body, truncated, remote = row
    return LoggedAttempt(
        number=number,
        sent=sent,
        duration_us=duration,
        code=code,
        error=error,
        message=message,
        request=request,
        request_body=body or None,  # empty: not kept
        body_omitted=omitted,
        response=response,
        response_body=response_body,
        truncated=truncated,
        remote=remote,
    )
