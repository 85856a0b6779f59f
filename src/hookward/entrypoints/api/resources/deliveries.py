"""``/v1/deliveries``: the delivery log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.history.model import LoggedAttempt, LoggedDelivery, LogQuery
from hookward.application.records import read_watch_definition
from hookward.domain.errors import NotFound
from hookward.domain.ids import DeliveryId, EventId, IdPrefix, from_text, to_text, unix_ms_of
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.listing import LOG_PARAMETERS, Filters, cursors, id_of
from hookward.entrypoints.api.http.responses import as_text, format_timestamp, json_response
from hookward.entrypoints.api.http.schemas import (
    AttemptAnswer,
    AttemptError,
    DeliveryAnswer,
    DeliveryItem,
    EventBrief,
    RequestAnswer,
    ResponseAnswer,
    WatchBrief,
)
from hookward.entrypoints.api.resources.delivery_schemas import DeliveryPage, Searched


async def list_deliveries(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Deliveries, newest first."""
    filters = Filters(request, LOG_PARAMETERS)
    event = filters.read("eventId", id_of(IdPrefix.EVENT))
    query = LogQuery(
        account=caller.account,
        owner=caller.owner,
        event=None if event is None else EventId(event),
        **filters.of_delivery(),
        **filters.common(),
    )
    filters.check()
    page = await parts.history.deliveries.deliveries(query, now_ms=parts.clock.now_us() // 1000)
    return json_response(
        DeliveryPage(
            data=[DeliveryItem(**delivery_item(row)) for row in page.rows],
            searched=searched(page.searched_ms),
            **cursors(page.older, page.newer),
        )
    )


async def get_delivery(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """One delivery with every attempt."""
    id_ = from_text(IdPrefix.DELIVERY, request.match_info["deliveryId"])
    found = (
        None
        if id_ is None
        else await parts.history.deliveries.delivery(caller.account, DeliveryId(id_), owner=caller.owner)
    )
    if found is None:
        raise NotFound("there is no such delivery")
    delivery, attempts = found
    return json_response(
        DeliveryAnswer(**delivery_item(delivery), attempts=[attempt_answer(each) for each in attempts])
    )


def searched(window_ms: tuple[int, int] | None) -> Searched | msgspec.UnsetType:
    """The window of a search for a text, as a page tells it."""
    if window_ms is None:
        return msgspec.UNSET
    since, until = (str(format_timestamp(datetime.fromtimestamp(ms / 1000, UTC))) for ms in window_ms)
    return Searched(since=since, until=until)


def delivery_item(row: LoggedDelivery) -> dict[str, Any]:
    definition = None if row.watch_definition is None else read_watch_definition(row.watch_definition)
    return {
        "id": to_text(IdPrefix.DELIVERY, row.id),
        "status": row.status.word,
        "status_reason": row.reason,
        "event": EventBrief(
            id=to_text(IdPrefix.EVENT, row.event),
            resource_type=row.resource_type,
            event=row.kind.word,
            resource_id=row.resource_id,
        ),
        "watch": WatchBrief(
            id=to_text(IdPrefix.WATCH, row.watch),
            name=definition.name if definition else None,
            address=definition.address if definition else None,
        ),
        "attempt_count": row.attempts,
        "created": str(format_timestamp(datetime.fromtimestamp(unix_ms_of(row.id) / 1000, UTC))),
        "next_attempt": format_timestamp(row.next_attempt),
        "finished": format_timestamp(row.finished),
        "last_status_code": row.last_code,
        "last_error": row.last_error,
        "replay_of": msgspec.UNSET if row.replay_of is None else to_text(IdPrefix.DELIVERY, row.replay_of),
    }


def attempt_answer(row: LoggedAttempt) -> AttemptAnswer:
    """An attempt as ops read it."""
    request = msgspec.json.decode(row.request)
    response = None
    if row.code is not None and row.response is not None:
        response = ResponseAnswer(
            status_code=row.code,
            headers=msgspec.json.decode(row.response),
            body=as_text(row.response_body),
            truncated=row.truncated,
        )
    return AttemptAnswer(
        number=row.number,
        sent=str(format_timestamp(row.sent)),
        duration_ms=row.duration_us / 1000,
        request=RequestAnswer(
            method=request["method"],
            address=request["address"],
            headers=request["headers"],
            body=as_text(row.request_body),
            body_omitted=row.body_omitted or msgspec.UNSET,
        ),
        response=response,
        error=None if row.error is None else AttemptError(type=row.error, message=row.message or ""),
        remote_address=row.remote,
    )
