"""The shapes of the log: lists and their filters, events, replays, erasures."""

from __future__ import annotations

from typing import Any

import msgspec

from hookward.entrypoints.api.wire import DeliveryItem, EventBrief, WatchBrief, Wire


class EventFilters(Wire, frozen=True, omit_defaults=True):
    """Which events to list; ``since`` and ``until`` (excluded) are RFC 3339, ``q`` an id's beginning or a text."""

    resource_type: str | None = None
    resource_id: str | None = None
    event: str | None = None
    since: str | None = None
    until: str | None = None
    q: str | None = None
    limit: int = 50
    cursor: str | None = None


class DeliveryFilters(EventFilters, frozen=True, omit_defaults=True):
    """Which deliveries to list; ``q`` may be the beginning of a watch's host too."""

    watch_id: str | None = None
    event_id: str | None = None
    status: str | None = None
    status_code: int | None = None
    error_type: str | None = None


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
    """An event in a list."""

    scope: dict[str, str]
    state: str
    created: str
    occurred_at: str | None
    time_zone: str | None
    erased: bool
    delivery_count: int
    deliveries_by_status: dict[str, int]


class EventPage(Page, frozen=True, kw_only=True):
    """Events, newest first."""

    data: list[EventItem]


class EventAnswer(EventItem, frozen=True, kw_only=True):
    """An event whole, with the watches that it matched and its newest deliveries, a hundred at most."""

    resource: Any
    previous_data: Any
    extra_full: Any
    watches: list[WatchBrief]
    deliveries: list[DeliveryItem]


class ReplayRequest(Wire, frozen=True):
    """How to replay: ``newId`` gives the replay a delivery of its own."""

    new_id: bool = False


class ReplayAnswer(Wire, frozen=True):
    """The delivery that is sent again; present means durable."""

    id: str


class ErasureRequest(Wire, frozen=True):
    """The resource of which nothing is to be kept."""

    resource_type: str
    resource_id: str


class ErasureAnswer(Wire, frozen=True):
    """How far an erasure has come."""

    id: str
    status: str
    events: int
    deliveries: int
    created: str
    finished: str | None
