"""The delivery log: what ops read."""

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
    """Which deliveries of an account to list, newest first.

    Strictly before ``before``; or, when ``after`` is given, those next after it. With ``owner`` only those of that
    owner's watches. ``since_ms`` and ``until_ms`` (excluded) are milliseconds since 1970. ``code`` and ``error`` are
    those of the last attempt. ``search`` is the beginning of an id or of a watch's host, or a text.
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
    """A delivery as it stands. ``watch_definition`` is JSON, ``None`` when the watch is long gone."""

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
    """Deliveries, newest first, and where to go on.

    ``older`` and ``newer`` are ids to go on strictly before and after; ``None`` where nothing is left. A page holds
    fewer than asked for, or none, when a filter that has no index looked at as much as one request may: there is more
    behind ``older`` (or ``newer``) then. ``searched_ms`` is the stretch of time in which a text was looked for.
    """

    rows: Sequence[LoggedDelivery]
    older: bytes | None = None
    newer: bytes | None = None
    searched_ms: tuple[int, int] | None = None


class LoggedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as recorded; ``request`` and ``response`` are JSON.

    ``body_omitted`` says that the request's body was not read: there was too much of them.
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
    """Where the log is kept."""

    async def deliveries(self, query: LogQuery, *, now_ms: int) -> LogPage: ...

    async def delivery(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None = None
    ) -> tuple[LoggedDelivery, Sequence[LoggedAttempt]] | None:
        """One delivery with its attempts, oldest first."""
        ...


class EventQuery(LogQuery, frozen=True, kw_only=True):
    """Which events of an account to list, newest first; as ``LogQuery``.

    ``watch``, ``status``, ``code`` and ``error`` together say what one of an event's deliveries is like. With ``owner``
    only those that have a delivery to one of that owner's watches, of which alone those are then said.
    """


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as accepted, and what came of it.

    ``waits`` says that it is still to be matched. ``deliveries`` counts those that are in the log, by status. The
    bodies are JSON, empty in a list, and when the event was erased.
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
    """Events, newest first, and where to go on; as ``LogPage``."""

    rows: Sequence[LoggedEvent]
    older: bytes | None = None
    newer: bytes | None = None
    searched_ms: tuple[int, int] | None = None


class EventLog(Protocol):
    """Where what was accepted is kept."""

    async def events(self, query: EventQuery, *, now_ms: int) -> EventPage: ...

    async def event(self, account: AccountId, id_: EventId, *, owner: str | None = None) -> LoggedEvent | None: ...

    async def known(self, account: AccountId, key: bytes) -> EventId | None:
        """The event that took an idempotency key."""
        ...
