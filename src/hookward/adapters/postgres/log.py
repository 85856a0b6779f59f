"""The delivery log: lists by watch, event and status, and one delivery with its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookward.adapters.postgres.pool import Database
from hookward.application.log import LoggedAttempt, LoggedDelivery, LogQuery
from hookward.domain.change import ChangeKind
from hookward.domain.delivery import NOT_KEPT, DeliveryStatus
from hookward.domain.ids import AccountId, DeliveryId, millisecond_of

_COLUMNS = (
    "d.id, d.event_id, d.watch_id, d.resource_type, d.kind, d.resource_id, d.status, d.reason, d.attempts, "
    "d.last_code, d.last_error, d.finished, greatest(w.due_at, l.held_until), c.definition"
)
# The page first, then what belongs to its rows.
_PAGE = "SELECT * FROM delivery WHERE {where} ORDER BY id DESC LIMIT {limit}"
_DRESS = f"""
SELECT {_COLUMNS} FROM ({{page}}) d LEFT JOIN waiting w ON w.delivery_id = d.id LEFT JOIN lane l ON l.id = w.lane_id
LEFT JOIN watch c ON c.id = d.watch_id
ORDER BY d.id DESC"""

_ATTEMPTS = """
SELECT number, sent, duration_us, code, error, message, request, request_body, response, response_body, truncated,
  remote FROM attempt WHERE delivery_id = $1 ORDER BY number"""

_LAST = DeliveryId(b"\xff" * 16)


class PostgresLog:
    """The :class:`~hookward.application.log.DeliveryLog` port on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deliveries(self, query: LogQuery) -> Sequence[LoggedDelivery]:
        """One page, newest first."""
        values: list[object] = [query.account, query.before or _LAST]
        where = ["account_id = $1", "id < $2"]
        if query.event is not None:
            # A delivery carries its event's time: a short stretch of the primary key to look at.
            where += [f"id BETWEEN ${len(values) + 2} AND ${len(values) + 3}", f"event_id = ${len(values) + 1}"]
            values += [query.event, *millisecond_of(query.event)]
        if query.owner is not None:
            values.append(query.owner)
            where.append(f"watch_id IN (SELECT id FROM watch WHERE account_id = $1 AND owner = ${len(values)})")
        if query.watch is not None:
            values.append(query.watch)
            where.append(f"watch_id = ${len(values)}")
        if query.status is not None:
            # Said, not passed: a plan for any status cannot use the index of those that were not delivered.
            where.append(f"status = {int(query.status)}")
        values.append(query.limit)
        page = _PAGE.format(where=" AND ".join(where), limit=f"${len(values)}")
        async with self._database.connection() as connection:
            rows = await connection.fetch(_DRESS.format(page=page), *values)
        return [_delivery(row) for row in rows]

    async def delivery(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None = None
    ) -> tuple[LoggedDelivery, Sequence[LoggedAttempt]] | None:
        """One delivery with its attempts, oldest first; with ``owner`` only where the watch is theirs."""
        page = (
            "SELECT * FROM delivery WHERE id = $1 AND account_id = $2 "
            "AND ($3::text IS NULL OR watch_id IN (SELECT id FROM watch WHERE owner = $3))"
        )
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_DRESS.format(page=page), id_, account, owner)
            if row is None:
                return None
            attempts = await connection.fetch(_ATTEMPTS, id_)
        return _delivery(row), _attempts(attempts)


def _delivery(row: Any) -> LoggedDelivery:
    (
        id_, event, watch, resource_type, kind, resource_id, status, reason, attempts,
        last_code, last_error, finished, due, definition,
    ) = row  # fmt: skip
    return LoggedDelivery(
        id=id_, event=event, watch=watch, resource_type=resource_type, kind=ChangeKind(kind),
        resource_id=resource_id.decode(), status=DeliveryStatus(status), reason=reason, attempts=attempts,
        last_code=last_code, last_error=last_error, finished=finished, next_attempt=due, watch_definition=definition,
    )  # fmt: skip


def _attempts(rows: Sequence[Any]) -> list[LoggedAttempt]:
    """Attempts with each body filled in from the one before where it is the same, unless it was not to be kept."""
    attempts: list[LoggedAttempt] = []
    body: bytes | None = None
    for row in rows:
        number, sent, duration, code, error, message, request, own, response, response_body, truncated, remote = row
        body = body if own is None or own == NOT_KEPT else own
        attempts.append(
            LoggedAttempt(
                number=number,
                sent=sent,
                duration_us=duration,
                code=code,
                error=error,
                message=message,
                request=request,
                request_body=None if own == NOT_KEPT else body,
                response=response,
                response_body=response_body,
                truncated=truncated,
                remote=remote,
            )
        )
    return attempts
