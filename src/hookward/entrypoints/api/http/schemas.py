"""The shapes of answers (camelCase JSON). What comes in is checked by hand, so that every problem is named at once.

The closed sets of words that answers and query parameters hold, as the document lists them.

Answers are typed as texts, for that is what the domain gives; the words are the domain's own, so they cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hookward.domain.access.callers import Scope
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind
from hookward.domain.redaction import redacted_repr
from hookward.domain.resource_types.model import BodyShape
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.watches.model import WatchStatus


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all wire types."""

    __repr__ = redacted_repr


class Input(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of the schemas of requests: bodies and query parameters."""

    __repr__ = redacted_repr


class ProblemItem(Wire, frozen=True, omit_defaults=True):
    """One problem: where, and what would be right."""

    message: str
    pointer: str | None = None
    parameter: str | None = None


class ProblemDocument(Wire, frozen=True, omit_defaults=True):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str = ""
    errors: list[ProblemItem] | msgspec.UnsetType = msgspec.UNSET


class AcceptedEvent(Wire, frozen=True):
    """The event's id; present means durable."""

    id: str


class RefusedEvent(Wire, frozen=True):
    """Why one event of a batch was refused."""

    error: ProblemDocument


class BatchResults(Wire, frozen=True):
    """One result an event, in order."""

    results: list[AcceptedEvent | RefusedEvent]


Resource = dict[str, Any]
"""A resource as its own API writes it; each type's JSON Schema says more."""

PatchDocument = dict[str, Any] | list[dict[str, Any]]
"""What changed of a resource, or a list of changes (RFC 6902)."""


class EventBrief(Wire, frozen=True):
    """The event that a delivery carries."""

    id: str
    resource_type: str
    event: EventWord
    resource_id: str


class WatchBrief(Wire, frozen=True):
    """The watch that a delivery is for; ``null`` where it is gone."""

    id: str
    name: str | None
    address: str | None


class DeliveryItem(Wire, frozen=True):
    """A delivery in a list."""

    id: str
    status: DeliveryStatusWord
    status_reason: str | None
    event: EventBrief
    watch: WatchBrief
    attempt_count: int
    created: str
    next_attempt: str | None
    finished: str | None
    last_status_code: int | None
    last_error: str | None
    replay_of: str | msgspec.UnsetType = msgspec.UNSET


class RequestAnswer(Wire, frozen=True):
    """A request as it was sent; secrets are masked.

    ``bodyOmitted`` says that there was a body, and that this answer has no room for it: bodies of the newest attempts
    are shown, up to 4 MiB of them.
    """

    method: str
    address: str
    headers: dict[str, str]
    body: str | None
    body_omitted: bool | msgspec.UnsetType = msgspec.UNSET


class ResponseAnswer(Wire, frozen=True):
    """What the endpoint answered, up to a bound: ``truncated`` says when there was more."""

    status_code: int
    headers: dict[str, str]
    body: str | None
    truncated: bool


class AttemptError(Wire, frozen=True):
    """Why an attempt failed: the kind and a sentence."""

    type: ErrorWord
    message: str


class AttemptAnswer(Wire, frozen=True):
    """One HTTP request with its answer."""

    number: int
    sent: str
    duration_ms: float
    request: RequestAnswer
    response: ResponseAnswer | None
    error: AttemptError | None
    remote_address: str | None


class DeliveryAnswer(DeliveryItem, frozen=True, kw_only=True):
    """A delivery with every attempt."""

    attempts: list[AttemptAnswer]


class Health(Wire, frozen=True):
    """Whether the service can do its work, dependency by dependency."""

    status: str
    checks: dict[str, str]


WatchIdText = Annotated[str, Meta(pattern="^wat_[0-9a-f]{32}$")]
EventIdText = Annotated[str, Meta(pattern="^evt_[0-9a-f]{32}$")]
DeliveryIdText = Annotated[str, Meta(pattern="^dlv_[0-9a-f]{32}$")]
KeyIdText = Annotated[str, Meta(pattern="^key_[0-9a-f]{32}$")]
Duration = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$")]
ScopeValue = Annotated[str, Meta(min_length=1, max_length=255)] | int
Kind = Literal["created", "updated", "deleted", "merged"]
Ignored = Annotated[Any, Meta(description="Read-only: ignored in requests.", extra_json_schema={"readOnly": True})]
Limit = Annotated[int, Meta(ge=1, le=200, description="How many to return at most.")]


def _one_of(words: Iterable[str]) -> Meta:
    return Meta(extra_json_schema={"enum": [str(word) for word in words]})


EventWord = Annotated[str, _one_of(kind.word for kind in ChangeKind)]
DeliveryStatusWord = Annotated[str, _one_of(status.word for status in DeliveryStatus)]
WatchStatusWord = Annotated[str, _one_of(status.word for status in WatchStatus)]
ErrorWord = Annotated[str, _one_of(ErrorKind)]
BodyWord = Annotated[str, _one_of(BodyShape)]
ScopeWord = Annotated[str, _one_of(Scope)]
