"""The shapes of answers (camelCase JSON). What comes in is checked by hand, so that every problem is named at once.

The closed sets of words that answers and query parameters hold, as the document lists them.

Answers are typed as texts, for that is what the domain gives; the words are the domain's own, so they cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hookward.domain.access.callers import Scope
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind
from hookward.domain.oauth.model import ClientAuthMethod, GrantType
from hookward.domain.redaction import redacted_repr
from hookward.domain.resource_types.model import BodyShape
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.watches.model import LevelDetails, StoreBodies, WatchMethod, WatchStatus


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all wire types."""

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


class SignatureAnswer(Wire, frozen=True, omit_defaults=True):
    """Which keys sign; ``secret`` only when it was just made."""

    enabled: bool = False
    crypto_key_ids: list[str] | msgspec.UnsetType = msgspec.UNSET
    secret: str | msgspec.UnsetType = msgspec.UNSET


class OAuth2AuthAnswer(Wire, frozen=True):
    """How a watch gets access tokens; the client's secret and the refresh token are never shown."""

    grant_type: GrantWord
    client_id: str
    auth_url: str | None
    access_token_url: str
    redirect_uri: str | None
    scope: str | None
    client_auth_method: ClientAuthWord
    extra_parameters: dict[str, str]


class WatchAnswer(Wire, frozen=True):
    """A watch as it is; secrets read ``null``."""

    id: str
    resource_type: str
    scope: dict[str, str]
    address: str
    name: str | None
    events: list[EventWord]
    method: MethodWord
    status: WatchStatusWord
    status_reason: str | None
    basic_auth: dict[str, str | None] | None
    oauth2_auth: OAuth2AuthAnswer | None
    http_request_header: dict[str, None]
    schema: Any
    signature: dict[str, Any]
    level_details: LevelDetailsWord
    add_previous_data: bool
    filter: str | None
    time_zone: str | None
    retry: dict[str, list[str]] | None
    timeout: str | None
    concurrency: int | None
    store_bodies: StoreBodiesWord
    ordered: bool
    owner: str | None
    created: str | None
    updated: str | None


class WatchList(Wire, frozen=True):
    """A page of watches; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[WatchAnswer]
    next_cursor: str | None


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


def _one_of(words: Iterable[str]) -> Meta:
    return Meta(extra_json_schema={"enum": [str(word) for word in words]})


EventWord = Annotated[str, _one_of(kind.word for kind in ChangeKind)]
DeliveryStatusWord = Annotated[str, _one_of(status.word for status in DeliveryStatus)]
WatchStatusWord = Annotated[str, _one_of(status.word for status in WatchStatus)]
MethodWord = Annotated[str, _one_of(WatchMethod.ALL)]
LevelDetailsWord = Annotated[str, _one_of(LevelDetails)]
StoreBodiesWord = Annotated[str, _one_of(StoreBodies)]
GrantWord = Annotated[str, _one_of(GrantType)]
ClientAuthWord = Annotated[str, _one_of(ClientAuthMethod)]
ErrorWord = Annotated[str, _one_of(ErrorKind)]
BodyWord = Annotated[str, _one_of(BodyShape)]
ScopeWord = Annotated[str, _one_of(Scope)]
