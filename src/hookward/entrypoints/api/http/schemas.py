"""What the schemas of several resources share (camelCase JSON): base classes, ids, and closed sets of words.

The words are those of the domain. Fields are typed as strings, which the domain gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

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
    """One problem: where it is, and what would be right."""

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


WatchIdText = Annotated[str, Meta(pattern="^wat_[0-9a-f]{32}$")]
EventIdText = Annotated[str, Meta(pattern="^evt_[0-9a-f]{32}$")]
DeliveryIdText = Annotated[str, Meta(pattern="^dlv_[0-9a-f]{32}$")]
ScopeValue = Annotated[str, Meta(min_length=1, max_length=255)] | int
Kind = Literal["created", "updated", "deleted", "merged"]
CURSOR = "The nextCursor of the page before."

Limit = Annotated[int, Meta(ge=1, le=200, description="How many to return at most.")]


def _one_of(words: Iterable[str]) -> Meta:
    return Meta(extra_json_schema={"enum": [str(word) for word in words]})


EventWord = Annotated[str, _one_of(kind.word for kind in ChangeKind)]
DeliveryStatusWord = Annotated[str, _one_of(status.word for status in DeliveryStatus)]
WatchStatusWord = Annotated[str, _one_of(status.word for status in WatchStatus)]
ErrorWord = Annotated[str, _one_of(ErrorKind)]
BodyWord = Annotated[str, _one_of(BodyShape)]
ScopeWord = Annotated[str, _one_of(Scope)]
