"""``/v1/deliveries``: the delivery log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.log import LoggedAttempt, LoggedDelivery, LogQuery
from hookward.domain.delivery import DeliveryStatus
from hookward.domain.errors import NotFound
from hookward.domain.ids import DeliveryId, EventId, Prefix, WatchId, from_text, to_text, unix_ms_of
from hookward.domain.watch import WatchDefinition
from hookward.entrypoints.api.answers import answer, as_text, moment
from hookward.entrypoints.api.requests import bad_parameter, check_parameters, limit_of
from hookward.entrypoints.api.service import Caller, Service
from hookward.entrypoints.api.wire import (
    AttemptAnswer,
    AttemptError,
    DeliveryAnswer,
    DeliveryItem,
    DeliveryList,
    EventBrief,
    RequestAnswer,
    ResponseAnswer,
    WatchBrief,
)

_PARAMETERS = ("watchId", "eventId", "status", "limit", "cursor")
_WORDS = tuple(status.word for status in DeliveryStatus)
_definition = msgspec.json.Decoder(WatchDefinition)


async def list_deliveries(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Deliveries, newest first."""
    check_parameters(request, _PARAMETERS)
    limit = limit_of(request)
    word = request.query.get("status")
    if word is not None and word not in _WORDS:
        raise bad_parameter("status", f"must be one of {', '.join(_WORDS)}")
    watch = _id(request, "watchId", Prefix.WATCH)
    event = _id(request, "eventId", Prefix.EVENT)
    before = _id(request, "cursor", Prefix.DELIVERY)
    rows = await service.log.deliveries(
        LogQuery(
            account=caller.account,
            owner=caller.owner,
            limit=limit + 1,
            watch=None if watch is None else WatchId(watch),
            event=None if event is None else EventId(event),
            status=None if word is None else DeliveryStatus[word.upper()],
            before=None if before is None else DeliveryId(before),
        )
    )
    page = rows[:limit]
    cursor = to_text(Prefix.DELIVERY, page[-1].id) if len(rows) > limit else None
    return answer(DeliveryList(data=[DeliveryItem(**_item(row)) for row in page], next_cursor=cursor))


async def get_delivery(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """One delivery with every attempt."""
    id_ = from_text(Prefix.DELIVERY, request.match_info["deliveryId"])
    found = None if id_ is None else await service.log.delivery(caller.account, DeliveryId(id_), owner=caller.owner)
    if found is None:
        raise NotFound("there is no such delivery")
    delivery, attempts = found
    return answer(DeliveryAnswer(**_item(delivery), attempts=[attempt_answer(each) for each in attempts]))


def _id(request: web.Request, name: str, prefix: Prefix) -> bytes | None:
    text = request.query.get(name)
    if text is None:
        return None
    id_ = from_text(prefix, text)
    if id_ is None:
        what = "a nextCursor of this list" if name == "cursor" else f"an id that begins with {prefix}_"
        raise bad_parameter(name, f"must be {what}")
    return id_


def _item(row: LoggedDelivery) -> dict[str, Any]:
    definition = None if row.watch_definition is None else _definition.decode(row.watch_definition)
    return {
        "id": to_text(Prefix.DELIVERY, row.id),
        "status": row.status.word,
        "status_reason": row.reason,
        "event": EventBrief(
            id=to_text(Prefix.EVENT, row.event),
            resource_type=row.resource_type,
            event=row.kind.word,
            resource_id=row.resource_id,
        ),
        "watch": WatchBrief(
            id=to_text(Prefix.WATCH, row.watch),
            name=definition.name if definition else None,
            address=definition.address if definition else None,
        ),
        "attempt_count": row.attempts,
        "created": str(moment(datetime.fromtimestamp(unix_ms_of(row.id) / 1000, UTC))),
        "next_attempt": moment(row.next_attempt),
        "finished": moment(row.finished),
        "last_status_code": row.last_code,
        "last_error": row.last_error,
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
        sent=str(moment(row.sent)),
        duration_ms=row.duration_us / 1000,
        request=RequestAnswer(
            method=request["method"],
            address=request["address"],
            headers=request["headers"],
            body=as_text(row.request_body),
        ),
        response=response,
        error=None if row.error is None else AttemptError(type=row.error, message=row.message or ""),
        remote_address=row.remote,
    )
