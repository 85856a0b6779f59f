"""The table of watch properties: each entry is all there is to say about one property.

Derived from it: which properties a request may hold, how the simple ones are read into a ``WatchDefinition``, the
schemas of requests and responses, the OpenAPI descriptions and ``docs/reference/watch-properties.md`` (ADR 17).

To add a property, add a field to ``WatchDefinition`` and an entry here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hookward.domain.delivery.model import StoreBodies
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.watches.attempt_rules import read_concurrency, read_retry, read_timeout
from hookward.domain.watches.blocks import (
    BasicAuthIn,
    BasicAuthUpdate,
    Duration,
    OAuth2AuthIn,
    OAuth2AuthOut,
    OAuth2AuthPatch,
    RetryIn,
    SignatureIn,
    enum_of,
)
from hookward.domain.watches.document_rules import read_address, read_details, read_filter, read_schema, read_zone
from hookward.domain.watches.limits import MAX_ADDRESS, MAX_HEADERS, MAX_NAME, MAX_ZONE
from hookward.domain.watches.model import LevelDetails, WatchDefinition, WatchMethod, WatchStatus
from hookward.domain.watches.reader import WatchReader

Read = Callable[[WatchReader], Any]
Show = Callable[[WatchDefinition], Any]
_CAPITAL = re.compile("[A-Z]")
_KINDS = [kind.word for kind in ChangeKind]
_Kind = Annotated[str, enum_of(_KINDS)]
_Status = Annotated[str, enum_of(status.word for status in WatchStatus)]
_Method = Annotated[str, enum_of(WatchMethod.ALL)]
_Level = Annotated[str, enum_of(LevelDetails)]
_Stored = Annotated[str, enum_of(StoreBodies)]


@cache
def _in_python(name: str) -> str:
    return _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property of a watch.

    ``doc`` says what it means, ``default`` what applies without it (Markdown). ``given`` is its type in requests,
    without null; a property without it is read-only. ``given_to_put`` and ``given_to_patch`` are its types in PUT and
    PATCH where these take more. ``read`` returns the value of the definition's attribute of the same name; a writable
    property without it is read by ``read_watch``, because others depend on it or because the definition does not hold
    it. ``shown`` is its type in responses, ``show`` returns its value; without ``show`` it belongs to the record.
    ``example`` is its value in the example of a watch. ``accepted`` is set while a property is not supported: the only
    values that may be given, besides null.
    """

    name: str
    doc: str
    default: str = ""
    given: Any = None
    given_to_put: Any = None
    given_to_patch: Any = None
    read: Read | None = None
    shown: Any = None
    show: Show | None = None
    example: Any = None
    accepted: tuple[Any, ...] | None = None
    required: bool = False

    @property
    def attribute(self) -> str:
        """The name in Python: ``store_bodies`` for ``storeBodies``."""
        return _in_python(self.name)

    @property
    def writable(self) -> bool:
        """Whether requests may set it."""
        return self.given is not None


def _attribute(name: str) -> Show:
    return lambda definition: getattr(definition, name)


def _text(name: str, limit: int) -> Callable[[WatchReader], str | None]:
    def read(reader: WatchReader) -> str | None:
        return reader.text(name, limit=limit)

    return read


def _read_events(reader: WatchReader) -> tuple[str, ...]:
    value = reader.given.get("events")
    if value is None:
        return ()
    if not isinstance(value, list) or not 1 <= len(value) <= len(_KINDS):
        reader.problem(
            f"events must be a list of 1 to {len(_KINDS)} of {', '.join(_KINDS)}; leave it out for all", "events"
        )
        return ()
    for index, each in enumerate(value):
        if each not in _KINDS:
            reader.problem(f"must be one of {', '.join(_KINDS)}", "events", index)
        elif each in value[:index]:
            reader.problem(f"{each} is named twice", "events", index)
    return tuple(each for each in value if each in _KINDS)


def _read_method(reader: WatchReader) -> str:
    return reader.choice("method", WatchMethod.ALL)


def _read_store_bodies(reader: WatchReader) -> StoreBodies:
    return StoreBodies(reader.choice("storeBodies", tuple(StoreBodies)))


def _show_oauth(definition: WatchDefinition) -> OAuth2AuthOut | None:
    oauth = definition.oauth
    if oauth is None:
        return None
    return OAuth2AuthOut(
        grant_type=oauth.grant_type,
        client_id=oauth.client_id,
        auth_url=oauth.auth_url,
        access_token_url=oauth.access_token_url,
        redirect_uri=oauth.redirect_uri,
        scope=oauth.scope,
        client_auth_method=oauth.client_auth_method,
        extra_parameters=oauth.extra_parameters,
    )


PROPERTIES: tuple[Property, ...] = (
    Property(
        name="id",
        doc="The id of the watch: wat_ and 32 hexadecimal digits.",
        shown=str,
        example="wat_01935c1f5d207a118c42be6f00d1e2a7",
    ),
    Property(
        name="resourceType",
        doc="The name of the resource type. It cannot change.",
        shown=str,
        example="appointment",
    ),
    Property(
        name="scope",
        doc="Whose resources: values of the type's scope parameters. A parameter that is left out matches any value. "
        "The scope cannot change.",
        shown=dict[str, str],
        show=_attribute("scope"),
        example={"companyId": "42"},
    ),
    Property(
        name="address",
        doc="Where to send deliveries: an absolute http or https URL without user info and fragment. Path and query "
        "may hold ${jsonpath} placeholders; their values are percent-encoded.",
        given=Annotated[str, Meta(max_length=MAX_ADDRESS)],
        read=read_address,
        shown=str,
        show=_attribute("address"),
        example="https://example.com/hooks/appointments",
        required=True,
    ),
    Property(
        name="name",
        doc="Free text that names the watch in lists.",
        given=Annotated[str, Meta(max_length=MAX_NAME)],
        read=_text("name", MAX_NAME),
        shown=str | None,
        show=_attribute("name"),
        example="calendar sync",
    ),
    Property(
        name="events",
        doc="Which kinds of change to deliver.",
        default="all",
        given=Annotated[list[_Kind], Meta(min_length=1, max_length=len(_KINDS))],
        read=_read_events,
        shown=list[_Kind],
        show=lambda definition: list(definition.events) or _KINDS,
        example=["created", "updated"],
    ),
    Property(
        name="method",
        doc="The HTTP method. DELETE and GET send no body.",
        default="`POST`",
        given=_Method,
        read=_read_method,
        shown=_Method,
        show=_attribute("method"),
        example="POST",
    ),
    Property(
        name="status",
        doc="While paused, deliveries wait. While disabled, events create no deliveries.",
        default="`enabled`",
        given=_Status,
        shown=_Status,
        example="enabled",
    ),
    Property(
        name="statusReason",
        doc="Why the service paused or disabled the watch.",
        shown=str | None,
    ),
    Property(
        name="basicAuth",
        doc="HTTP Basic authentication (RFC 7617). A watch has basicAuth or oauth2Auth, not both. The password is "
        "write-only.",
        given=BasicAuthIn,
        given_to_put=BasicAuthUpdate,
        given_to_patch=BasicAuthUpdate,
        shown=dict[str, str | None] | None,
        show=lambda definition: None if definition.username is None else {"username": definition.username},
    ),
    Property(
        name="httpRequestHeader",
        doc="Headers of every request (RFC 9110). Values are write-only and read as null. In a PUT, null keeps the "
        "stored value; in a PATCH, null removes the header.",
        given=Annotated[Mapping[str, str], Meta(max_length=MAX_HEADERS)],
        given_to_put=Annotated[Mapping[str, str | None], Meta(max_length=MAX_HEADERS)],
        given_to_patch=Mapping[str, str | None],
        shown=dict[str, None],
        show=lambda definition: dict.fromkeys(definition.header_names),
        example={"X-Team": None},
    ),
    Property(
        name="schema",
        doc="The template of the body: a JSON object, or JSON as text, with ${jsonpath} placeholders. Without it the "
        "body is the document.",
        given=dict[str, Any] | str,
        read=read_schema,
        shown=Any,
        show=lambda definition: None if definition.schema is msgspec.UNSET else definition.schema,
    ),
    Property(
        name="signature",
        doc="Whether deliveries are signed, and with which crypto keys. If it is enabled without cryptoKeyIds, a key "
        "is created for this watch, and the response shows its secret once.",
        default="not signed",
        given=SignatureIn,
        shown=dict[str, Any],
        show=lambda definition: {"enabled": definition.signed, "cryptoKeyIds": list(definition.key_ids)},
        example={"enabled": False, "cryptoKeyIds": []},
    ),
    Property(
        name="filter",
        doc="A JSONPath over the document. An event is delivered only if the path selects something.",
        given=str,
        read=read_filter,
        shown=str | None,
        show=_attribute("filter"),
    ),
    Property(
        name="levelDetails",
        doc="Which resource documents hold: extraFull takes the fuller one where the publisher sent it.",
        default="`full`",
        given=_Level,
        read=read_details,
        shown=_Level,
        show=_attribute("level_details"),
        example="full",
    ),
    Property(
        name="addPreviousData",
        doc="Adds the previous state of the resource to the document, where it is known.",
        default="`false`",
        given=Literal[True, False, "true", "false"],
        shown=bool,
        show=_attribute("add_previous_data"),
        example=False,
    ),
    Property(
        name="timeZone",
        doc="The IANA time zone of the document's date where the event names none.",
        default="the account's",
        given=Annotated[str, Meta(max_length=MAX_ZONE)],
        read=read_zone,
        shown=str | None,
        show=_attribute("time_zone"),
        example="Europe/Paris",
    ),
    Property(
        name="retry",
        doc="When failed attempts are repeated: the waits between attempts, within delivery.max_retries and "
        "delivery.max_wait.",
        default="`delivery.schedule`",
        given=RetryIn,
        read=read_retry,
        shown=dict[str, list[str]] | None,
        show=lambda definition: None if definition.retry is None else {"schedule": list(definition.retry)},
        example={"schedule": ["5s", "5m", "2h"]},
    ),
    Property(
        name="timeout",
        doc="How long an attempt may take, up to delivery.max_timeout.",
        default="`delivery.timeout`",
        given=Annotated[Duration, Meta(examples=["10s"])],
        read=read_timeout,
        shown=str | None,
        show=_attribute("timeout"),
        example="10s",
    ),
    Property(
        name="concurrency",
        doc="How many requests may be in flight at a time, up to delivery.max_concurrency.",
        default="`delivery.concurrency`",
        given=Annotated[int, Meta(ge=1)],
        read=read_concurrency,
        shown=int | None,
        show=_attribute("concurrency"),
        example=8,
    ),
    Property(
        name="storeBodies",
        doc="Which request and response bodies the delivery log keeps: of all attempts, of failed ones, or none.",
        default="`all`",
        given=_Stored,
        read=_read_store_bodies,
        shown=_Stored,
        show=_attribute("store_bodies"),
        example="all",
    ),
    Property(
        name="oauth2Auth",
        doc="How to request access tokens (RFC 6749); every delivery carries one. Instead of basicAuth.",
        given=OAuth2AuthIn,
        given_to_patch=OAuth2AuthPatch,
        shown=OAuth2AuthOut | None,
        show=_show_oauth,
    ),
    Property(
        name="changed",
        doc="Property paths: an update is delivered only if one of them differs.",
        given=list[str],
        accepted=([],),
    ),
    Property(
        name="ordered",
        doc="One delivery of a resource at a time, in order.",
        default="`false`",
        given=bool,
        accepted=(False,),
        shown=bool,
        show=lambda _definition: False,
        example=False,
    ),
    Property(
        name="rateLimit",
        doc="The most requests in a period.",
        given=Annotated[str, Meta(examples=["50/s"])],
        accepted=(),
    ),
    Property(
        name="owner",
        doc="The owner of the API key that created the watch.",
        shown=str | None,
    ),
    Property(
        name="created",
        doc="When the watch was created.",
        shown=str | None,
        example="2026-11-20T09:14:02.512Z",
    ),
    Property(
        name="updated",
        doc="When the watch was last changed.",
        shown=str | None,
        example="2026-11-20T09:14:02.512Z",
    ),
)
WRITABLE = tuple(each.name for each in PROPERTIES if each.writable)
READ_ONLY = frozenset(each.name for each in PROPERTIES if not each.writable)
NOT_YET: Mapping[str, tuple[Any, ...]] = {each.name: each.accepted for each in PROPERTIES if each.accepted is not None}
"""Properties that are not supported yet, with the only values that they may have besides null."""


def read_attributes(reader: WatchReader) -> dict[str, Any]:
    """Return the attributes of a ``WatchDefinition`` that the table reads, in the order of the table."""
    return {each.attribute: each.read(reader) for each in PROPERTIES if each.read is not None}


def shown_properties(definition: WatchDefinition) -> dict[str, Any]:
    """Return what responses show of a definition, by attribute; secrets read as null."""
    return {each.attribute: each.show(definition) for each in PROPERTIES if each.show is not None}
