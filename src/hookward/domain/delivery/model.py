"""Deliveries and attempts as they are recorded."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

from hookward.domain.ids import AccountId, DeliveryId, EventId, WatchId
from hookward.domain.redaction import redacted_repr
from hookward.domain.resource_types.operations import ChangeKind


class DeliveryStatus(IntEnum):
    """The status of a delivery; the number is what the store keeps."""

    PENDING = 1
    RETRYING = 2
    DELIVERED = 3
    FAILED = 4
    CANCELLED = 5

    @property
    def word(self) -> str:
        """The status as the API writes it."""
        return _WORDS[self]

    @property
    def open(self) -> bool:
        """Whether the delivery has not ended."""
        return self < DeliveryStatus.DELIVERED


_WORDS = {status: status.name.lower() for status in DeliveryStatus}


POISON_CRASHES = 3
"""An event or delivery that this many workers have died with is suspected to be the cause."""

NOT_KEPT = b""
"""Stands for a request body that the log does not keep: one that was sent is JSON, and never empty."""


class StoreBodies(StrEnum):
    """Of which attempts the delivery log keeps the bodies of request and response: all, the failed ones, none."""

    ALL = "all"
    FAILED = "failed"
    NONE = "none"

    def keeps(self, status: DeliveryStatus) -> bool:
        """Return whether the log keeps the bodies of an attempt that left its delivery at ``status``."""
        return self is StoreBodies.ALL or (self is StoreBodies.FAILED and status is not DeliveryStatus.DELIVERED)


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt of a delivery as the log keeps it: secrets masked, texts already encoded.

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
    """What an automatic retry sends again (G11); the log keeps its own copy."""

    method: str
    address: str
    body: bytes | None

    __repr__ = redacted_repr


class Wait(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A delivery waits ``seconds`` from now for attempt ``number``; ``held`` while that attempt is in flight.

    ``crashes`` is how many workers had died with its event when it began to wait.
    """

    seconds: float
    number: int
    held: bool = False
    crashes: int = 0


class WatchEffect(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt means for its whole watch.

    For ``hold`` seconds from now the watch gets no requests. ``disable`` is the reason for which it is disabled,
    ``pause`` that for which it is paused; both apply only while the watch still has the ``version`` that the attempt
    was made under.
    """

    hold: float = 0.0
    disable: str | None = None
    pause: str | None = None
    version: int = 0


class DeliveryUpdate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change of one delivery to record: its new status, with the attempt that led to it, if any.

    ``waited`` says that the delivery has a row among the waiting ones, which this update moves or deletes; account,
    resource and kind are then not written again. ``wait`` is ``None`` for a delivery that has ended.
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
