"""What is sent to change, list and try watches; answers are in ``wire``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookward.entrypoints.api.wire import Wire
from hookward.entrypoints.api.wire_requests import (
    Address,
    Input,
    Kind,
    Limit,
    OAuth2Auth,
    ScopeValue,
    WatchIdText,
    WatchProperties,
)
from hookward.entrypoints.api.wire_words import WatchStatusWord

_Text = Annotated[str, Meta(min_length=1, max_length=255)]
_FixedType = Annotated[str | None, Meta(description="It stays what it is; another is refused.")]
_FixedScope = Annotated[dict[str, ScopeValue] | None, Meta(description="It stays what it is; another is refused.")]


class WatchReplacement(WatchProperties, frozen=True, kw_only=True):
    """A watch in the place of one. Secrets that are left out of a block that is repeated are kept."""

    address: Address
    oauth2_auth: OAuth2Auth | None = None
    resource_type: _FixedType = None
    scope: _FixedScope = None


class WatchGiven(WatchProperties, frozen=True, kw_only=True):
    """What is to change of a watch (RFC 7396): null brings a default back, a header that is null is removed."""

    http_request_header: Annotated[
        Mapping[str, str | None] | None,
        Meta(description="Headers of every request (RFC 9110) that are to change; null removes one."),
    ] = None
    resource_type: _FixedType = None
    scope: _FixedScope = None


class WatchListQuery(Input, frozen=True):
    """Query parameters of the list of watches."""

    resource_type: Annotated[str | UnsetType, Meta(description="The name of a type.")] = UNSET
    status: Annotated[WatchStatusWord | UnsetType, Meta(description="Whether they deliver.")] = UNSET
    name: Annotated[_Text | UnsetType, Meta(description="A name, whole.")] = UNSET
    q: Annotated[_Text | UnsetType, Meta(description="A part of a name or an address.")] = UNSET
    owner: Annotated[_Text | UnsetType, Meta(description="Whose; only for keys without owner.")] = UNSET
    limit: Limit = 50
    cursor: Annotated[WatchIdText | UnsetType, Meta(description="The nextCursor of the page before.")] = UNSET


class TrialGiven(Input, frozen=True):
    """What a test sends: by default the type's sample, updated."""

    event: Annotated[Kind | None, Meta(description="What is to have happened; updated by default.")] = None
    resource: Annotated[dict[str, Any] | None, Meta(description="Instead of the sample; by the type's schema.")] = None


class PreviewGiven(Input, frozen=True):
    """What a preview renders: a template, with a resource type's sample or a document of the caller's own.

    Either ``resourceType``, with which all but ``document`` may go, or ``document``.
    """

    schema: Annotated[
        dict[str, Any] | str | None,
        Meta(
            description="The template: a JSON object, or text, with ${jsonpath} placeholders; null gives the document."
        ),
    ] = None
    resource_type: Annotated[str | None, Meta(description="The name of a type, such as appointment.")] = None
    document: Annotated[dict[str, Any] | None, Meta(description="Rendered as it is, without a type.")] = None
    scope: Annotated[dict[str, ScopeValue] | None, Meta(description="Whose resource it is to be.")] = None
    event: Annotated[Kind | None, Meta(description="What is to have happened; updated by default.")] = None
    resource: Annotated[dict[str, Any] | None, Meta(description="Instead of the sample; by the type's schema.")] = None
    level_details: Literal["full", "extraFull"] | None = None
    extra_full: Annotated[dict[str, Any] | None, Meta(description="Shown where levelDetails is extraFull.")] = None
    add_previous_data: Literal[True, False, "true", "false"] | None = None
    previous_data: Annotated[
        dict[str, Any] | None, Meta(description="The resource before the change; the sample where there is none.")
    ] = None
    time_zone: Annotated[str | None, Meta(max_length=64, description="The IANA name of the zone of date.")] = None


class PreviewAnswer(Wire, frozen=True):
    """The body that would be sent, as a JSON value."""

    body: msgspec.Raw
