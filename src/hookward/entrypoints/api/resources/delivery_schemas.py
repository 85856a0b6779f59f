"""The shapes of the log: lists and their filters, events, replays, erasures."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookward.entrypoints.api.http.schemas import (
    DeliveryItem,
    DeliveryStatusWord,
    ErrorWord,
    EventBrief,
    EventIdText,
    EventWord,
    Input,
    Limit,
    WatchBrief,
    WatchIdText,
    Wire,
)

_Text = Annotated[str, Meta(min_length=1, max_length=512)]
_Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
_Resource = Annotated[Any, Meta(extra_json_schema={"type": ["object", "null"]})]


class DeliveryFilters(Input, frozen=True):
    """Query parameters of the list of deliveries."""

    resource_type: Annotated[_Text | UnsetType, Meta(description="The name of a type.")] = UNSET
    resource_id: Annotated[_Text | UnsetType, Meta(description="The id of a resource, whole.")] = UNSET
    event: Annotated[EventWord | UnsetType, Meta(description="What happened.")] = UNSET
    since: Annotated[
        _Moment | UnsetType, Meta(description="From this moment on: RFC 3339 with offset, a + sent as %2B.")
    ] = UNSET
    until: Annotated[_Moment | UnsetType, Meta(description="Before this moment, likewise.")] = UNSET
    q: Annotated[
        _Text | UnsetType,
        Meta(description="The beginning of an id or of a watch's host, or a text within a bounded stretch of time."),
    ] = UNSET
    limit: Limit = 50
    cursor: Annotated[
        str | UnsetType,
        Meta(pattern="^[A-Za-z0-9_-]{23}$", description="A nextCursor or prevCursor that this list answered."),
    ] = UNSET
    watch_id: Annotated[WatchIdText | UnsetType, Meta(description="The watch they are for.")] = UNSET
    event_id: Annotated[EventIdText | UnsetType, Meta(description="The event they carry.")] = UNSET
    status: Annotated[DeliveryStatusWord | UnsetType, Meta(description="Where they stand.")] = UNSET
    status_code: Annotated[int | UnsetType, Meta(ge=100, le=999, description="The last answer's status code.")] = UNSET
    error_type: Annotated[ErrorWord | UnsetType, Meta(description="Why the last attempt had no usable answer.")] = UNSET


class EventFilters(DeliveryFilters, frozen=True):
    """Query parameters of the list of events.

    ``watchId``, ``status``, ``statusCode`` and ``errorType`` together say what one delivery of the event is like.
    """

    event_id: Annotated[
        str | UnsetType,
        Meta(
            pattern="^[!-~]{1,255}$",
            description="The event's own id, or the one that its publisher gave, which is remembered for 24 hours.",
        ),
    ] = UNSET
    watch_id: Annotated[WatchIdText | UnsetType, Meta(description="A watch that it has a delivery to.")] = UNSET
    status: Annotated[DeliveryStatusWord | UnsetType, Meta(description="Where one of its deliveries stands.")] = UNSET
    status_code: Annotated[
        int | UnsetType, Meta(ge=100, le=999, description="The last answer's status code of one of its deliveries.")
    ] = UNSET
    error_type: Annotated[
        ErrorWord | UnsetType, Meta(description="Why the last attempt of one of its deliveries had no usable answer.")
    ] = UNSET


class Searched(Wire, frozen=True):
    """The stretch of time in which a text was looked for."""

    since: str
    until: str


class Page(Wire, frozen=True, kw_only=True):
    """What every list of the log says beside its data."""

    next_cursor: str | None
    prev_cursor: str | None
    searched: Searched | msgspec.UnsetType = msgspec.UNSET


class DeliveryPage(Page, frozen=True, kw_only=True):
    """Deliveries, newest first. A page may hold fewer than asked for: only ``nextCursor`` says whether more come."""

    data: list[DeliveryItem]


class EventItem(EventBrief, frozen=True):
    """An event in a list. ``state``: not looked at yet, matched some watch, or none."""

    scope: dict[str, str]
    state: Annotated[str, Meta(extra_json_schema={"enum": ["pending", "matched", "unmatched"]})]
    created: str
    occurred_at: str | None
    time_zone: str | None
    erased: bool
    delivery_count: int
    deliveries_by_status: dict[str, int]


class EventPage(Page, frozen=True, kw_only=True):
    """Events, newest first. A page may hold fewer than asked for: only ``nextCursor`` says whether more come."""

    data: list[EventItem]


class EventAnswer(EventItem, frozen=True, kw_only=True):
    """An event whole, with its newest deliveries, a hundred at most, and the watches that those are for.

    ``moreDeliveries`` is the path and query at which the rest is listed, ``null`` where these are all. An event is
    found by its own id as long as it is kept, and by the id that its publisher gave for 24 hours.
    """

    resource: _Resource
    previous_data: _Resource
    extra_full: _Resource
    watches: list[WatchBrief]
    deliveries: list[DeliveryItem]
    more_deliveries: str | None


class ReplayRequest(Input, frozen=True):
    """How to replay."""

    new_id: Annotated[
        bool, Meta(description="Gives the replay a delivery of its own; else it keeps its webhook-id.")
    ] = False


class ReplayAnswer(Wire, frozen=True):
    """The delivery that is sent again; present means durable."""

    id: str


class ErasureRequest(Input, frozen=True):
    """The resource of which nothing is to be kept."""

    resource_type: Annotated[str, Meta(min_length=1, max_length=255, description="The name of its type.")]
    resource_id: Annotated[str, Meta(min_length=1, max_length=1024, description="Its id, as events carry it.")]


class ErasureAnswer(Wire, frozen=True):
    """How far an erasure has come: how many events and deliveries were blanked so far."""

    id: str
    status: Annotated[str, Meta(extra_json_schema={"enum": ["running", "done"]})]
    events: int
    deliveries: int
    created: str
    finished: str | None
