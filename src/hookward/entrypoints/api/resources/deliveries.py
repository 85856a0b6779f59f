"""``/v1/deliveries``: the delivery log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.application.history.model import LoggedAttempt, LoggedDelivery, LogQuery
from hookward.application.records import read_watch_definition
from hookward.domain.access.callers import Scope
from hookward.domain.errors import NotFound
from hookward.domain.ids import DeliveryId, EventId, IdPrefix, from_text, to_text, unix_ms_of
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.listing import id_parser
from hookward.entrypoints.api.http.responses import body_text, format_timestamp, json_response
from hookward.entrypoints.api.http.schemas import (
    DeliveryStatusWord,
    ErrorWord,
    EventIdText,
    EventWord,
    Input,
    Limit,
    WatchIdText,
    Wire,
)
from hookward.entrypoints.api.resources.history_params import HistoryParams, cursors
from hookward.entrypoints.api.route import Route

_Text = Annotated[str, Meta(min_length=1, max_length=512)]


_Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class DeliveryListParams(Input, frozen=True):
    """Query parameters of the list of deliveries."""

    resource_type: Annotated[_Text | UnsetType, Meta(description="The name of a type.")] = UNSET
    resource_id: Annotated[_Text | UnsetType, Meta(description="The id of a resource, whole.")] = UNSET
    event: Annotated[EventWord | UnsetType, Meta(description="What happened.")] = UNSET
    since: Annotated[
        _Moment | UnsetType, Meta(description="From this moment on: RFC 3339 with offset, a + sent as %2B.")
    ] = UNSET
    until: Annotated[_Moment | UnsetType, Meta(description="Before this moment, in the same form.")] = UNSET
    q: Annotated[
        _Text | UnsetType,
        Meta(description="The beginning of an id or of a watch's host, or a text within a bounded stretch of time."),
    ] = UNSET
    limit: Limit = 50
    cursor: Annotated[
        str | UnsetType,
        Meta(pattern="^[A-Za-z0-9_-]{23}$", description="A nextCursor or prevCursor that this list returned."),
    ] = UNSET
    watch_id: Annotated[WatchIdText | UnsetType, Meta(description="The watch they are for.")] = UNSET
    event_id: Annotated[EventIdText | UnsetType, Meta(description="The event they carry.")] = UNSET
    status: Annotated[DeliveryStatusWord | UnsetType, Meta(description="Their status.")] = UNSET
    status_code: Annotated[
        int | UnsetType, Meta(ge=100, le=999, description="The status code of the last response.")
    ] = UNSET
    error_type: Annotated[ErrorWord | UnsetType, Meta(description="Why the last attempt had no usable response.")] = (
        UNSET
    )


class SearchWindowOut(Wire, frozen=True):
    """The stretch of time in which a text was looked for."""

    since: str
    until: str


class LogListOut(Wire, frozen=True, kw_only=True):
    """The cursors of a page of deliveries or events, and the window of a search."""

    next_cursor: str | None
    prev_cursor: str | None
    searched: SearchWindowOut | msgspec.UnsetType = msgspec.UNSET


class EventSummaryOut(Wire, frozen=True):
    """The event that a delivery carries."""

    id: str
    resource_type: str
    event: EventWord
    resource_id: str


class WatchSummaryOut(Wire, frozen=True):
    """The watch that a delivery is for; ``null`` where it is gone."""

    id: str
    name: str | None
    address: str | None


class DeliveryListItemOut(Wire, frozen=True):
    """A delivery in a list."""

    id: str
    status: DeliveryStatusWord
    status_reason: str | None
    event: EventSummaryOut
    watch: WatchSummaryOut
    attempt_count: int
    created: str
    next_attempt: str | None
    finished: str | None
    last_status_code: int | None
    last_error: str | None
    replay_of: str | msgspec.UnsetType = msgspec.UNSET


class DeliveryListOut(LogListOut, frozen=True, kw_only=True):
    """Deliveries, newest first. A page may hold fewer than asked for: only ``nextCursor`` says whether more come."""

    data: list[DeliveryListItemOut]


class AttemptRequestOut(Wire, frozen=True):
    """A request as it was sent; secrets are masked.

    ``bodyOmitted`` says that there was a body for which this response has no room: it shows the bodies of the newest
    attempts, up to 4 MiB of them.
    """

    method: str
    address: str
    headers: dict[str, str]
    body: str | None
    body_omitted: bool | msgspec.UnsetType = msgspec.UNSET


class AttemptResponseOut(Wire, frozen=True):
    """The response of the endpoint, up to a size limit: ``truncated`` says whether there was more."""

    status_code: int
    headers: dict[str, str]
    body: str | None
    truncated: bool


class AttemptErrorOut(Wire, frozen=True):
    """Why an attempt failed: the kind and a sentence."""

    type: ErrorWord
    message: str


class AttemptOut(Wire, frozen=True):
    """One HTTP request with its response."""

    number: int
    sent: str
    duration_ms: float
    request: AttemptRequestOut
    response: AttemptResponseOut | None
    error: AttemptErrorOut | None
    remote_address: str | None


class DeliveryOut(DeliveryListItemOut, frozen=True, kw_only=True):
    """A delivery with every attempt."""

    attempts: list[AttemptOut]


async def list_deliveries(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """List deliveries, newest first."""
    params = HistoryParams(request)
    event = params.read("eventId", id_parser(IdPrefix.EVENT))
    query = LogQuery(
        account=caller.account,
        owner=caller.owner,
        event=None if event is None else EventId(event),
        **params.of_delivery(),
        **params.common(),
    )
    params.check()
    page = await parts.history.deliveries.deliveries(query, now_ms=parts.clock.now_us() // 1000)
    return json_response(
        DeliveryListOut(
            data=[present_delivery(each) for each in page.rows],
            searched=present_search_window(page.searched_ms),
            **cursors(page.older, page.newer),
        )
    )


async def get_delivery(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Read one delivery with all its attempts."""
    id_ = from_text(IdPrefix.DELIVERY, request.match_info["deliveryId"])
    log = parts.history.deliveries
    found = None if id_ is None else await log.delivery(caller.account, DeliveryId(id_), owner=caller.owner)
    if found is None:
        raise NotFound("there is no such delivery")
    delivery, attempts = found
    shown = msgspec.structs.asdict(present_delivery(delivery))
    return json_response(DeliveryOut(**shown, attempts=[present_attempt(each) for each in attempts]))


def present_search_window(window_ms: tuple[int, int] | None) -> SearchWindowOut | msgspec.UnsetType:
    """Return the stretch of time (milliseconds since 1970) in which a text was looked for, as a page shows it."""
    if window_ms is None:
        return msgspec.UNSET
    since, until = (str(format_timestamp(datetime.fromtimestamp(ms / 1000, UTC))) for ms in window_ms)
    return SearchWindowOut(since=since, until=until)


def present_delivery(record: LoggedDelivery) -> DeliveryListItemOut:
    """Return a delivery as it is listed."""
    definition = None if record.watch_definition is None else read_watch_definition(record.watch_definition)
    return DeliveryListItemOut(
        id=to_text(IdPrefix.DELIVERY, record.id),
        status=record.status.word,
        status_reason=record.reason,
        event=EventSummaryOut(
            id=to_text(IdPrefix.EVENT, record.event),
            resource_type=record.resource_type,
            event=record.kind.word,
            resource_id=record.resource_id,
        ),
        watch=WatchSummaryOut(
            id=to_text(IdPrefix.WATCH, record.watch),
            name=definition.name if definition else None,
            address=definition.address if definition else None,
        ),
        attempt_count=record.attempts,
        created=str(format_timestamp(datetime.fromtimestamp(unix_ms_of(record.id) / 1000, UTC))),
        next_attempt=format_timestamp(record.next_attempt),
        finished=format_timestamp(record.finished),
        last_status_code=record.last_code,
        last_error=record.last_error,
        replay_of=msgspec.UNSET if record.replay_of is None else to_text(IdPrefix.DELIVERY, record.replay_of),
    )


def present_attempt(record: LoggedAttempt) -> AttemptOut:
    """Return an attempt with its request and its response, as operations staff reads it."""
    request = msgspec.json.decode(record.request)
    response = None
    if record.code is not None and record.response is not None:
        response = AttemptResponseOut(
            status_code=record.code,
            headers=msgspec.json.decode(record.response),
            body=body_text(record.response_body),
            truncated=record.truncated,
        )
    return AttemptOut(
        number=record.number,
        sent=str(format_timestamp(record.sent)),
        duration_ms=record.duration_us / 1000,
        request=AttemptRequestOut(
            method=request["method"],
            address=request["address"],
            headers=request["headers"],
            body=body_text(record.request_body),
            body_omitted=record.body_omitted or msgspec.UNSET,
        ),
        response=response,
        error=None if record.error is None else AttemptErrorOut(type=record.error, message=record.message or ""),
        remote_address=record.remote,
    )


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/v1/deliveries",
        scope=Scope.DELIVERIES,
        handler=list_deliveries,
        status=200,
        returns=DeliveryListOut,
        summary="List deliveries",
        query=DeliveryListParams,
    ),
    Route(
        method="GET",
        path="/v1/deliveries/{deliveryId}",
        scope=Scope.DELIVERIES,
        handler=get_delivery,
        status=200,
        returns=DeliveryOut,
        summary="Read a delivery with its attempts",
    ),
)
