"""``/v1/events``: take change events in.

``GET /v1/events``: what was accepted, and what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.events.intake import MAX_EVENT_BYTES, RawItems
from hookward.application.history.model import EventPage as Found
from hookward.application.history.model import EventQuery, LoggedEvent, LogQuery
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
from hookward.entrypoints.api.http.listing import LOG_PARAMETERS, Filters, cursors, event_name
from hookward.entrypoints.api.http.requests import MAX_BATCH_BYTES, REQUEST_ID, read_body
from hookward.entrypoints.api.http.responses import format_timestamp, json_response, problem_of
from hookward.entrypoints.api.http.schemas import AcceptedEvent, BatchResults, DeliveryItem, RefusedEvent, WatchBrief
from hookward.entrypoints.api.resources.deliveries import delivery_item, searched
from hookward.entrypoints.api.resources.delivery_schemas import EventAnswer, EventItem, EventPage

MAX_BATCH_EVENTS = 1000


async def publish_event(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Publish one event; respond 202 once it is durable."""
    id_ = await parts.events.publish(
        caller.account, partial(read_body, request, MAX_EVENT_BYTES), key=request.headers.get(IDEMPOTENCY_KEY)
    )
    return json_response(AcceptedEvent(id=to_text(IdPrefix.EVENT, id_)), 202)


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
    return json_response(BatchResults(results=[_result(each, request[REQUEST_ID]) for each in outcomes]), 202)


def _result(outcome: EventId | HookwardError, request_id: str) -> AcceptedEvent | RefusedEvent:
    if isinstance(outcome, HookwardError):
        return RefusedEvent(error=problem_of(outcome, request_id))
    return AcceptedEvent(id=to_text(IdPrefix.EVENT, outcome))


SHOWN_DELIVERIES = 100
_scope = msgspec.json.Decoder(dict[str, str])


async def list_events(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Events, newest first."""
    filters = Filters(request, LOG_PARAMETERS)
    named = filters.read("eventId", event_name)
    asked = {**filters.of_delivery(), **filters.common()}
    filters.check()
    event = None if named is None else await _meant(named, caller, parts)
    page = Found(rows=())
    if named is None or event is not None:
        query = EventQuery(account=caller.account, owner=caller.owner, event=event, **asked)
        page = await parts.history.events.events(query, now_ms=parts.clock.now_us() // 1000)
    return json_response(
        EventPage(
            data=[EventItem(**_item(row)) for row in page.rows],
            searched=searched(page.searched_ms),
            **cursors(page.older, page.newer),
        )
    )


async def get_event(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """One event by its own id, or by the id that its publisher gave (for as long as that is remembered: 24 hours)."""
    id_ = await _meant(request.match_info["eventId"], caller, parts)
    event = None if id_ is None else await parts.history.events.event(caller.account, id_, owner=caller.owner)
    if event is None:
        raise NotFound("there is no such event")
    page = await parts.history.deliveries.deliveries(
        LogQuery(account=caller.account, owner=caller.owner, event=event.id, limit=SHOWN_DELIVERIES),
        now_ms=parts.clock.now_us() // 1000,
    )
    deliveries = [DeliveryItem(**delivery_item(row)) for row in page.rows]
    watches: dict[str, WatchBrief] = {each.watch.id: each.watch for each in deliveries}
    return json_response(
        EventAnswer(
            **_item(event),
            resource=_raw(event.body),
            previous_data=_raw(event.previous),
            extra_full=_raw(event.extra),
            watches=list(watches.values()),
            deliveries=deliveries,
            more_deliveries=_more(event.id, page.older),
        )
    )


def _more(event: EventId, older: bytes | None) -> str | None:
    """Where the deliveries go on that are not shown with their event."""
    if older is None:
        return None
    return f"/v1/deliveries?eventId={to_text(IdPrefix.EVENT, event)}&cursor={cursors(older, None)['next_cursor']}"


async def _meant(text: str, caller: Caller, parts: ApiParts) -> EventId | None:
    """The event that is called so: by its own id, or by its publisher; the own id wins where both are there."""
    id_ = from_text(IdPrefix.EVENT, text)
    own = None if id_ is None else EventId(id_)
    known = await parts.history.events.known(caller.account, text.encode("utf-8", "replace"))
    if own is None or known is None:
        return own if known is None else known
    return known if await parts.history.events.event(caller.account, own, owner=caller.owner) is None else own


def _item(event: LoggedEvent) -> dict[str, Any]:
    count = sum(event.deliveries.values())
    state = "pending" if event.waits else "matched" if count else "unmatched"
    return {
        "id": to_text(IdPrefix.EVENT, event.id),
        "resource_type": event.resource_type,
        "event": event.kind.word,
        "resource_id": event.resource_id,
        "scope": _scope.decode(event.scope),
        "state": state,
        "created": str(format_timestamp(datetime.fromtimestamp(unix_ms_of(event.id) / 1000, UTC))),
        "occurred_at": format_timestamp(event.occurred),
        "time_zone": event.zone,
        "erased": event.erased,
        "delivery_count": count,
        "deliveries_by_status": {status.word: number for status, number in sorted(event.deliveries.items())},
    }


def _raw(json: bytes | None) -> msgspec.Raw | None:
    """JSON as it is kept: every number as it was sent."""
    return msgspec.Raw(json) if json else None
