"""Deliveries and attempts as they are recorded."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

from hookward.domain.ids import AccountId, DeliveryId, EventId, WatchId
from hookward.domain.redaction import redacted_repr
from hookward.domain.resource_types.operations import ChangeKind


class DeliveryStatus(IntEnum):
    """Where a delivery stands; the number is what the store keeps."""

    PENDING = 1
    RETRYING = 2
    DELIVERED = 3
    FAILED = 4
    CANCELLED = 5

    @property
    def word(self) -> str:
        return _WORDS[self]

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self < DeliveryStatus.DELIVERED


_WORDS = {status: status.name.lower() for status in DeliveryStatus}


POISON_CRASHES = 3
"""An event or delivery that so many workers have died with is suspected to be what killed them."""

NOT_KEPT = b""
"""Instead of a request body: a body that was sent is JSON, and never empty."""


class StoreBodies(StrEnum):
    """Of which attempts the delivery log keeps the bodies of request and response: all, the failed ones, none."""

    ALL = "all"
    FAILED = "failed"
    NONE = "none"

    def keeps(self, status: DeliveryStatus) -> bool:
        """Return whether the log keeps the bodies of an attempt that left its delivery at ``status``."""
        return self is StoreBodies.ALL or (self is StoreBodies.FAILED and status is not DeliveryStatus.DELIVERED)


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP request of a delivery, as the log keeps it: secrets masked, texts already encoded.

    ``sent_us`` is microseconds since 1970, ``duration_us`` microseconds. ``request`` is JSON of method, address and
    headers, ``response`` of headers. ``request_body`` is ``None`` where it is the body of the attempt before and
    ``NOT_KEPT`` where the log keeps none; a ``response`` without ``response_body`` is one whose body is not kept.
    """

    number: int
    sent_us: int
    duration_us: int
    request: bytes
    request_body: bytes | None = None
    code: int | None = None
    response: bytes | None = None
    response_body: bytes | None = None
    truncated: bool = False
    error: str | None = None
    message: str | None = None
    remote: str | None = None

    __repr__ = redacted_repr


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an automatic retry sends again (G11), apart from what the log keeps."""

    method: str
    address: str
    body: bytes | None

    __repr__ = redacted_repr


class Wait(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """That a delivery waits: ``seconds`` from now, for attempt ``number``; ``held`` while its attempt is in flight.

    ``crashes`` is how many workers have died with its event when it begins to wait.
    """

    seconds: float
    number: int
    held: bool = False
    crashes: int = 0


class WatchEffect(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt means for its whole watch, beyond the delivery.

    ``hold`` is for how many seconds from now nothing is to be sent to it. ``disable`` is the reason for which it ends,
    ``pause`` that for which its deliveries wait, if it is still as it was in ``version``, under which the attempt was
    made.
    """

    hold: float = 0.0
    disable: str | None = None
    pause: str | None = None
    version: int = 0


class DeliveryUpdate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line for the ledger: where a delivery stands now, with the attempt that took it there, if any.

    ``waited`` says that it has a row among the waiting, which this entry moves or ends. ``wait`` is ``None`` for a
    delivery that has ended.
    """

    id: DeliveryId
    account: AccountId
    event: EventId
    watch: WatchId
    lane: int
    resource_type: str
    kind: ChangeKind
    resource_id: str
    status: DeliveryStatus
    attempts: int
    waited: bool
    reason: str | None = None
    attempt: Attempt | None = None
    wait: Wait | None = None
    payload: Payload | None = None
    watch_effect: WatchEffect | None = None
