"""The shapes of what comes in: bodies and query parameters (camelCase JSON).

They describe: requests are checked by hand, so that every problem is named at once. Tests hold them to what the
readers take.

What is sent to change, list and try watches; answers are in ``wire``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookward.domain.redaction import redacted_repr
from hookward.entrypoints.api.http.schemas import WatchStatusWord, Wire

WatchIdText = Annotated[str, Meta(pattern="^wat_[0-9a-f]{32}$")]
EventIdText = Annotated[str, Meta(pattern="^evt_[0-9a-f]{32}$")]
DeliveryIdText = Annotated[str, Meta(pattern="^dlv_[0-9a-f]{32}$")]
KeyIdText = Annotated[str, Meta(pattern="^key_[0-9a-f]{32}$")]
Duration = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$")]
ScopeValue = Annotated[str, Meta(min_length=1, max_length=255)] | int
Kind = Literal["created", "updated", "deleted", "merged"]
Ignored = Annotated[
    Any, Meta(description="Read only: ignored when it is sent back.", extra_json_schema={"readOnly": True})
]
Limit = Annotated[int, Meta(ge=1, le=200, description="How many to answer at most.")]


class Input(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of all that comes in."""

    __repr__ = redacted_repr


class PublishEvent(Input, frozen=True, kw_only=True):
    """A change event: what happened to one resource, and the resource after it."""

    resource_type: Annotated[str, Meta(description="The name of the type, such as appointment.")]
    scope: Annotated[
        dict[str, ScopeValue] | None,
        Meta(description="The parameters of the type's paths that say whose resource it is; every one is needed."),
    ] = None
    event: Annotated[Kind, Meta(description="What happened.")]
    resource: Annotated[dict[str, Any], Meta(description="The resource after the change, by the schema of its type.")]
    previous_data: Annotated[dict[str, Any] | None, Meta(description="The resource before the change.")] = None
    extra_full: Annotated[
        dict[str, Any] | None,
        Meta(description="A fuller resource, for watches whose levelDetails is extraFull; by the same schema."),
    ] = None
    resource_id: Annotated[
        str | int | None,
        Meta(description="1 to 1024 characters. The type's identity by default, several values joined by a slash."),
    ] = None
    occurred_at: Annotated[
        str | None,
        Meta(description="When it happened: RFC 3339 with offset.", extra_json_schema={"format": "date-time"}),
    ] = None
    time_zone: Annotated[
        str | None, Meta(max_length=64, description="The IANA name of the zone of the document's date.")
    ] = None
    id: Annotated[
        str | None,
        Meta(
            pattern="^[!-~]{1,255}$",
            description="Idempotency key, as the header Idempotency-Key: again it answers the first result for 24 h.",
        ),
    ] = None


class PublishBatch(Input, frozen=True, kw_only=True):
    """Events to publish together; each is accepted or refused on its own. At most 16 MiB."""

    events: Annotated[list[PublishEvent], Meta(min_length=1, max_length=1000)]


class BasicAuthGiven(Input, frozen=True, kw_only=True):
    """Left out or null, the password of before is kept."""

    username: Annotated[str, Meta(max_length=1024, description="Without a colon.")]
    password: Annotated[
        str | None, Meta(max_length=1024, description="Write only.", extra_json_schema={"writeOnly": True})
    ] = None


class BasicAuth(BasicAuthGiven, frozen=True, kw_only=True):
    """Sent as UTF-8 (RFC 7617)."""

    password: Annotated[str, Meta(max_length=1024, description="Write only.", extra_json_schema={"writeOnly": True})]


class SignatureInput(Input, frozen=True, kw_only=True):
    """Whether and with which crypto keys deliveries are signed."""

    enabled: Annotated[
        bool | None, Meta(description="Enabled without keys: one is made, and answered once as secret.")
    ] = None
    crypto_key_ids: Annotated[list[KeyIdText] | None, Meta(max_length=8)] = None
    secret: Ignored = None


class OAuth2AuthGiven(Input, frozen=True, kw_only=True):
    """What is to change of how access tokens are got; secrets that are left out are kept."""

    grant_type: Annotated[
        Literal["refresh_token", "client_credentials"] | None, Meta(description="refresh_token by default.")
    ] = None
    client_id: Annotated[str | None, Meta(min_length=1, max_length=1024)] = None
    client_secret: Annotated[
        str | None,
        Meta(
            description="Write only. With private_key_jwt a private key: PEM, or the text of a JWK.",
            max_length=16384, min_length=1, extra_json_schema={"writeOnly": True},
        ),
    ] = None  # fmt: skip
    refresh_token: Annotated[
        str | None,
        Meta(
            description="Write only. Only with refresh_token.",
            max_length=16384, min_length=1, extra_json_schema={"writeOnly": True},
        ),
    ] = None  # fmt: skip
    auth_url: Annotated[
        str | None,
        Meta(max_length=2048, description="The page at which somebody authorizes; only with refresh_token."),
    ] = None
    access_token_url: Annotated[str | None, Meta(max_length=2048)] = None
    redirect_uri: Annotated[
        str | None,
        Meta(max_length=2048, description="Where browsers come back: by default /oauth2/callback of the service."),
    ] = None
    scope: Annotated[str | None, Meta(max_length=4096, description="Words, each separated by one blank.")] = None
    client_auth_method: Annotated[
        Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] | None,
        Meta(description="client_secret_basic by default."),
    ] = None
    extra_parameters: Annotated[
        Mapping[str, str | None] | None,
        Meta(max_length=32, description="Sent with every token request and authorization; read back. Null removes."),
    ] = None


class OAuth2Auth(OAuth2AuthGiven, frozen=True, kw_only=True):
    """An access token for every request, got and renewed by the service (RFC 6749)."""

    client_id: Annotated[str, Meta(min_length=1, max_length=1024)]
    access_token_url: Annotated[str, Meta(max_length=2048)]
    extra_parameters: Annotated[
        Mapping[str, str] | None,
        Meta(max_length=32, description="Sent with every token request and authorization; read back."),
    ] = None


class RetryInput(Input, frozen=True, kw_only=True):
    """When failed attempts are repeated."""

    schedule: Annotated[list[Duration], Meta(description="Waits between attempts; empty: one attempt.")]


Address = Annotated[str, Meta(max_length=4096, description="An absolute http(s) URL without user info and fragment.")]


class WatchProperties(Input, frozen=True, kw_only=True):
    """All that may be given of a watch; whether it is made or changed says what has to be."""

    address: Address | msgspec.UnsetType = msgspec.UNSET
    name: Annotated[str | None, Meta(max_length=255, description="Free text.")] = None
    events: Annotated[list[Kind] | None, Meta(min_length=1, max_length=4, description="All by default.")] = None
    method: Annotated[
        Literal["POST", "PUT", "PATCH", "DELETE", "GET"] | None,
        Meta(description="POST by default; DELETE and GET send no body."),
    ] = None
    status: Annotated[
        Literal["enabled", "paused", "disabled"] | None,
        Meta(description="While paused, deliveries wait; while disabled, events make none."),
    ] = None
    basic_auth: BasicAuthGiven | None = None
    http_request_header: Annotated[
        Mapping[str, str | None] | None,
        Meta(max_length=50, description="Headers of every request (RFC 9110); null keeps the value of before."),
    ] = None
    schema: Annotated[
        dict[str, Any] | str | None,
        Meta(description="The template of the body: a JSON object, or text, with ${jsonpath} placeholders."),
    ] = None
    level_details: Literal["full", "extraFull"] | None = None
    add_previous_data: Annotated[
        Literal[True, False, "true", "false"] | None, Meta(description="Adds previousData where it is known.")
    ] = None
    filter: Annotated[str | None, Meta(description="A JSONPath: deliver when it selects something.")] = None
    changed: Annotated[
        list[str] | None, Meta(description="Property paths: deliver an update only when one of them differs.")
    ] = None
    ordered: Annotated[bool | None, Meta(description="One delivery of a resource at a time, in order.")] = None
    store_bodies: Annotated[
        Literal["all", "failed", "none"] | None, Meta(description="Which bodies the delivery log keeps.")
    ] = None
    time_zone: Annotated[str | None, Meta(max_length=64, description="The IANA name of the zone of date.")] = None
    oauth2_auth: OAuth2AuthGiven | None = None
    signature: SignatureInput | None = None
    retry: RetryInput | None = None
    timeout: Annotated[Duration | None, Meta(description="How long an attempt may take.", examples=["10s"])] = None
    rate_limit: Annotated[str | None, Meta(description="The most requests in a while.", examples=["50/s"])] = None
    concurrency: Annotated[int | None, Meta(ge=1, description="The most requests at a time.")] = None
    id: Ignored = None
    status_reason: Ignored = None
    owner: Ignored = None
    created: Ignored = None
    updated: Ignored = None


class WatchInput(WatchProperties, frozen=True, kw_only=True):
    """Where and how to deliver the changes of some resources. One of basicAuth and oauth2Auth."""

    address: Address
    basic_auth: BasicAuth | None = None
    oauth2_auth: OAuth2Auth | None = None
    http_request_header: Annotated[
        Mapping[str, str] | None,
        Meta(max_length=50, description="Headers of every request (RFC 9110). Values are write only."),
    ] = None


class NewWatch(WatchInput, frozen=True, kw_only=True):
    """A watch, and the resources that it is for."""

    resource_type: Annotated[str, Meta(description="The name of the type, such as appointment.")]
    scope: Annotated[
        dict[str, ScopeValue] | None,
        Meta(description="Whose resources; a parameter that is left out matches any value."),
    ] = None


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
