"""Queries and pages of the delivery log and of the events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, DeliveryId, EventId, WatchId
from hookward.domain.redaction import redacted_repr
from hookward.domain.resource_types.operations import ChangeKind


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A query for deliveries of an account, newest first.

    Returns those strictly before ``before``, or the next ones after ``after`` if that is given. ``owner`` selects the
    deliveries of that owner's watches. ``since_ms`` and ``until_ms`` (exclusive) are milliseconds since 1970. ``code``
    and ``error`` are those of the last attempt. ``search`` is the beginning of an id or of a watch's host, or a text.
    """

    account: AccountId
    owner: str | None = None
    limit: int
    watch: WatchId | None = None
    event: EventId | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    kind: ChangeKind | None = None
    status: DeliveryStatus | None = None
    code: int | None = None
    error: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    search: str | None = None
    before: bytes | None = None
    after: bytes | None = None


class LoggedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """The current state of a delivery. ``watch_definition`` is JSON, ``None`` when the watch was deleted long ago."""

    id: DeliveryId
    event: EventId
    watch: WatchId
    resource_type: str
    kind: ChangeKind
    resource_id: str
    status: DeliveryStatus
    reason: str | None
    attempts: int
    last_code: int | None
    last_error: str | None
    finished: datetime | None
    next_attempt: datetime | None
    replay_of: DeliveryId | None
    watch_definition: bytes | None


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries, newest first, and the cursors of the next pages.

    ``older`` and ``newer`` are the ids for ``before`` and ``after`` of the next query; ``None`` at the end. A page has
    fewer deliveries than the limit, or none, when a filter without an index has examined as many rows as one request
    may: the search goes on with ``older`` (or ``newer``). ``searched_ms`` is the period in which a text was searched.
    """

    rows: Sequence[LoggedDelivery]
    older: bytes | None = None
    newer: bytes | None = None
    searched_ms: tuple[int, int] | None = None


class LoggedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as recorded; ``request`` and ``response`` are JSON.

    ``body_omitted``: the bodies of the delivery's attempts were together too large to be read.
    """

    number: int
    sent: datetime
    duration_us: int
    code: int | None
    error: str | None
    message: str | None
    request: bytes
    request_body: bytes | None
    body_omitted: bool = False
    response: bytes | None
    response_body: bytes | None
    truncated: bool
    remote: str | None

    __repr__ = redacted_repr


class DeliveryLog(Protocol):
    """Where deliveries are read."""

    async def deliveries(self, query: LogQuery, *, now_ms: int) -> LogPage: ...

    async def delivery(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None = None
    ) -> tuple[LoggedDelivery, Sequence[LoggedAttempt]] | None:
        """Return a delivery and its attempts, oldest first, or ``None``."""
        ...


class EventQuery(LogQuery, frozen=True, kw_only=True):
    """A query for events of an account, newest first, with the fields of ``LogQuery``.

    ``watch``, ``status``, ``code`` and ``error`` select events of which one delivery has all of these values. ``owner``
    selects events with a delivery to that owner's watches, and the other conditions then apply to these deliveries.
    """


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as accepted, and the state of its deliveries.

    ``waits``: it has not been matched yet. ``deliveries`` counts the deliveries in the log by status. The bodies are
    JSON; they are empty in a list, and when the event was erased.
    """

    id: EventId
    resource_type: str
    kind: ChangeKind
    scope: bytes
    resource_id: str
    zone: str | None
    occurred: datetime | None
    erased: bool
    waits: bool
    deliveries: dict[DeliveryStatus, int]
    body: bytes = b""
    previous: bytes | None = None
    extra: bytes | None = None

    __repr__ = redacted_repr


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events, newest first, and the cursors of the next pages, as in ``LogPage``."""

    rows: Sequence[LoggedEvent]
    older: bytes | None = None
    newer: bytes | None = None
    searched_ms: tuple[int, int] | None = None


class EventLog(Protocol):
    """Where accepted events are read."""

    async def events(self, query: EventQuery, *, now_ms: int) -> EventPage: ...

    async def event(self, account: AccountId, id_: EventId, *, owner: str | None = None) -> LoggedEvent | None: ...

    async def known(self, account: AccountId, key: bytes) -> EventId | None:
        """Return the event that used an idempotency key first, or ``None``."""
        ...
