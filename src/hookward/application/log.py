"""The delivery log: what ops read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from hookward.domain.change import ChangeKind
from hookward.domain.delivery import DeliveryStatus
from hookward.domain.ids import AccountId, DeliveryId, EventId, WatchId


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries of an account to list, newest first, strictly before ``before``.

    With ``owner`` only those of that owner's watches.
    """

    account: AccountId
    owner: str | None = None
    limit: int
    watch: WatchId | None = None
    event: EventId | None = None
    status: DeliveryStatus | None = None
    before: DeliveryId | None = None


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
    watch_definition: bytes | None


class LoggedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as recorded; ``request`` and ``response`` are JSON."""

    number: int
    sent: datetime
    duration_us: int
    code: int | None
    error: str | None
    message: str | None
    request: bytes
    request_body: bytes | None
    response: bytes | None
    response_body: bytes | None
    truncated: bool
    remote: str | None


class DeliveryLog(Protocol):
    """Where the log is kept."""

    async def deliveries(self, query: LogQuery) -> Sequence[LoggedDelivery]: ...

    async def delivery(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None = None
    ) -> tuple[LoggedDelivery, Sequence[LoggedAttempt]] | None: ...
