"""``/v1/events``: publish change events, and read what was accepted and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.application.events.intake import MAX_EVENT_BYTES, RawItems
from hookward.application.history.model import EventLog, EventPage, EventQuery, LoggedEvent, LogQuery
from hookward.domain.access.callers import Scope
from hookward.domain.errors import (
    HookwardError,
    Invalid,
    Malformed,
    NotFound,
    Problem,
    RequestRejected,
    StoreUnavailable,
)
from hookward.domain.events.idempotency import IDEMPOTENCY_KEY
from hookward.domain.events.model import split_events
from hookward.domain.ids import EventId, IdPrefix, from_text, to_text, unix_ms_of
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.requests import MAX_BATCH_BYTES, REQUEST_ID, read_body
from hookward.entrypoints.api.http.responses import format_timestamp, json_response, problem_of
from hookward.entrypoints.api.http.schemas import (
    DeliveryStatusWord,
    ErrorWord,
    Input,
    Kind,
    ProblemDocument,
    ScopeValue,
    WatchIdText,
    Wire,
)
from hookward.entrypoints.api.resources.deliveries import (
    DeliveryListItemOut,
    DeliveryListParams,
    EventSummaryOut,
    LogListOut,
    WatchSummaryOut,
    present_delivery,
    present_search_window,
)
from hookward.entrypoints.api.resources.history_params import HistoryParams, cursors, parse_event_id
from hookward.entrypoints.api.route import Route

MAX_BATCH_EVENTS = 1000
SHOWN_DELIVERIES = 100
_Resource = Annotated[Any, Meta(extra_json_schema={"type": ["object", "null"]})]
_scope = msgspec.json.Decoder(dict[str, str])


class EventCreate(Input, frozen=True, kw_only=True):
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
            description="Idempotency key, as the header Idempotency-Key: a repeat returns the first result for 24 h.",
        ),
    ] = None


class EventBatchCreate(Input, frozen=True, kw_only=True):
    """Events to publish together; each is accepted or refused on its own. At most 16 MiB."""

    events: Annotated[list[EventCreate], Meta(min_length=1, max_length=1000)]


class EventAcceptedOut(Wire, frozen=True):
    """The id of an event that is durable."""

    id: str


class EventRefusedOut(Wire, frozen=True):
    """Why one event of a batch was refused."""

    error: ProblemDocument


class EventBatchOut(Wire, frozen=True):
    """One result an event, in order."""

    results: list[EventAcceptedOut | EventRefusedOut]


class EventListParams(DeliveryListParams, frozen=True):
    """Query parameters of the list of events.

    ``watchId``, ``status``, ``statusCode`` and ``errorType`` apply together to one delivery of the event.
    """

    event_id: Annotated[
        str | UnsetType,
        Meta(
            pattern="^[!-~]{1,255}$",
            description="The event's own id, or the one that its publisher gave, which is remembered for 24 hours.",
        ),
    ] = UNSET
    watch_id: Annotated[WatchIdText | UnsetType, Meta(description="A watch that it has a delivery to.")] = UNSET
    status: Annotated[DeliveryStatusWord | UnsetType, Meta(description="The status of one of its deliveries.")] = UNSET
    status_code: Annotated[
        int | UnsetType,
        Meta(ge=100, le=999, description="The status code of the last response to one of its deliveries."),
    ] = UNSET
    error_type: Annotated[
        ErrorWord | UnsetType, Meta(description="Why the last attempt of one of its deliveries had no usable response.")
    ] = UNSET


class EventListItemOut(EventSummaryOut, frozen=True):
    """An event in a list. ``state``: not matched with watches yet, matched at least one, or none."""

    scope: dict[str, str]
    state: Annotated[str, Meta(extra_json_schema={"enum": ["pending", "matched", "unmatched"]})]
    created: str
    occurred_at: str | None
    time_zone: str | None
    erased: bool
    delivery_count: int
    deliveries_by_status: dict[str, int]


class EventListOut(LogListOut, frozen=True, kw_only=True):
    """Events, newest first. A page may hold fewer than asked for: only ``nextCursor`` says whether more come."""

    data: list[EventListItemOut]


class EventOut(EventListItemOut, frozen=True, kw_only=True):
    """An event with its newest deliveries, a hundred at most, and the watches of those.

    ``moreDeliveries`` is the path and query that list the others, or ``null``. An event is
    found by its own id as long as it is kept, and by the id that its publisher gave for 24 hours.
    """

    resource: _Resource
    previous_data: _Resource
    extra_full: _Resource
    watches: list[WatchSummaryOut]
    deliveries: list[DeliveryListItemOut]
    more_deliveries: str | None


async def publish_event(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Publish one event; respond 202 once it is durable."""
    id_ = await parts.events.publish(
        caller.account, partial(read_body, request, MAX_EVENT_BYTES), key=request.headers.get(IDEMPOTENCY_KEY)
    )
    return json_response(EventAcceptedOut(id=to_text(IdPrefix.EVENT, id_)), 202)


async def publish_batch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Publish up to a thousand events, each accepted or refused on its own."""
    outcomes = await parts.events.publish_many(caller.account, partial(_read_batch, request))
    return batch_response(request, outcomes)


async def _read_batch(request: web.Request) -> RawItems:
    if IDEMPOTENCY_KEY in request.headers:
        raise Invalid("Idempotency-Key stands for one event; give each event of a batch an id of its own")
    return await read_items(request, "events", MAX_BATCH_EVENTS)


async def read_items(request: web.Request, member: str, limit: int) -> RawItems:
    """Return the undecoded items of the body ``{member: […]}``, 1 to ``limit`` of them.

    Raises Invalid when the body has another shape, Malformed when it is not JSON.
    """
    body = await read_body(request, MAX_BATCH_BYTES)
    try:
        raws: RawItems = _lists(member).decode(body).items
    except msgspec.ValidationError:
        message = f'the body must be {{"{member}": […]}}'
        raise Invalid(message, (Problem(message=message, pointer=f"/{member}"),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        split = await asyncio.to_thread(split_events, body, member)  # it may be one item's fault alone
        if split is None:
            raise Malformed(f"the body is not JSON: {error}") from None
        raws = split
    if not 1 <= len(raws) <= limit:
        message = f"a batch holds 1 to {limit} {member}, this one {len(raws)}"
        raise Invalid(message, (Problem(message=message, pointer=f"/{member}"),))
    return raws


@cache
def _lists(member: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(msgspec.defstruct("_List", [("items", list[msgspec.Raw])], rename={"items": member}))


def batch_response(request: web.Request, outcomes: Sequence[EventId | HookwardError]) -> web.Response:
    """Return a response with one result an item, in order.

    Raises StoreUnavailable when that is the reason why none of the valid items could be stored.
    """
    tried = [each for each in outcomes if not isinstance(each, RequestRejected)]
    if tried and all(isinstance(each, StoreUnavailable) for each in tried):
        raise StoreUnavailable("PostgreSQL")
    return json_response(EventBatchOut(results=[_result(each, request[REQUEST_ID]) for each in outcomes]), 202)


def _result(outcome: EventId | HookwardError, request_id: str) -> EventAcceptedOut | EventRefusedOut:
    if isinstance(outcome, HookwardError):
        return EventRefusedOut(error=problem_of(outcome, request_id))
    return EventAcceptedOut(id=to_text(IdPrefix.EVENT, outcome))


async def list_events(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """List events, newest first."""
    params = HistoryParams(request)
    named = params.read("eventId", parse_event_id)
    filters = {**params.of_delivery(), **params.common()}
    params.check()
    event = None if named is None else await _resolve_event_id(named, caller, parts.history.events)
    page = EventPage(rows=())
    if named is None or event is not None:
        query = EventQuery(account=caller.account, owner=caller.owner, event=event, **filters)
        page = await parts.history.events.events(query, now_ms=parts.clock.now_us() // 1000)
    return json_response(
        EventListOut(
            data=[_present(each) for each in page.rows],
            searched=present_search_window(page.searched_ms),
            **cursors(page.older, page.newer),
        )
    )


async def get_event(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Read one event by its own id, or by the id that its publisher gave (which is remembered for 24 hours)."""
    log = parts.history.events
    id_ = await _resolve_event_id(request.match_info["eventId"], caller, log)
    event = None if id_ is None else await log.event(caller.account, id_, owner=caller.owner)
    if event is None:
        raise NotFound("there is no such event")
    page = await parts.history.deliveries.deliveries(
        LogQuery(account=caller.account, owner=caller.owner, event=event.id, limit=SHOWN_DELIVERIES),
        now_ms=parts.clock.now_us() // 1000,
    )
    deliveries = [present_delivery(each) for each in page.rows]
    watches: dict[str, WatchSummaryOut] = {each.watch.id: each.watch for each in deliveries}
    return json_response(
        EventOut(
            **msgspec.structs.asdict(_present(event)),
            resource=_raw(event.body),
            previous_data=_raw(event.previous),
            extra_full=_raw(event.extra),
            watches=list(watches.values()),
            deliveries=deliveries,
            more_deliveries=_more(event.id, page.older),
        )
    )


def _more(event: EventId, older: bytes | None) -> str | None:
    """Return the path and query at which the deliveries go on that are not shown with their event."""
    if older is None:
        return None
    return f"/v1/deliveries?eventId={to_text(IdPrefix.EVENT, event)}&cursor={cursors(older, None)['next_cursor']}"


async def _resolve_event_id(text: str, caller: Caller, log: EventLog) -> EventId | None:
    """Return the event with this id, its own or its publisher's; where both exist, the own id wins."""
    id_ = from_text(IdPrefix.EVENT, text)
    own = None if id_ is None else EventId(id_)
    known = await log.known(caller.account, text.encode("utf-8", "replace"))
    if own is None or known is None:
        return own if known is None else known
    return known if await log.event(caller.account, own, owner=caller.owner) is None else own


def _present(event: LoggedEvent) -> EventListItemOut:
    count = sum(event.deliveries.values())
    state = "pending" if event.waits else "matched" if count else "unmatched"
    return EventListItemOut(
        id=to_text(IdPrefix.EVENT, event.id),
        resource_type=event.resource_type,
        event=event.kind.word,
        resource_id=event.resource_id,
        scope=_scope.decode(event.scope),
        state=state,
        created=str(format_timestamp(datetime.fromtimestamp(unix_ms_of(event.id) / 1000, UTC))),
        occurred_at=format_timestamp(event.occurred),
        time_zone=event.zone,
        erased=event.erased,
        delivery_count=count,
        deliveries_by_status={status.word: number for status, number in sorted(event.deliveries.items())},
    )


def _raw(json: bytes | None) -> msgspec.Raw | None:
    """Return JSON as it is stored: every number as it was sent."""
    return msgspec.Raw(json) if json else None


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/events",
        scope=Scope.PUBLISH,
        handler=publish_event,
        status=202,
        returns=EventAcceptedOut,
        summary="Publish a change event",
        takes=EventCreate,
        refuses=(429,),
        reads=("Idempotency-Key",),
    ),
    Route(
        method="POST",
        path="/v1/events/batch",
        scope=Scope.PUBLISH,
        handler=publish_batch,
        status=202,
        returns=EventBatchOut,
        summary="Publish up to 1000 change events",
        takes=EventBatchCreate,
        refuses=(429,),
    ),
    Route(
        method="GET",
        path="/v1/events",
        scope=Scope.DELIVERIES,
        handler=list_events,
        status=200,
        returns=EventListOut,
        summary="List events",
        query=EventListParams,
    ),
    Route(
        method="GET",
        path="/v1/events/{eventId}",
        scope=Scope.DELIVERIES,
        handler=get_event,
        status=200,
        returns=EventOut,
        summary="Read an event and what came of it",
    ),
)
