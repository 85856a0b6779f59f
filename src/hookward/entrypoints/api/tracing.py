"""``GET /v1/events``: what was accepted, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.log import EventPage as Found
from hookward.application.log import EventQuery, LoggedEvent, LogQuery
from hookward.domain.errors import NotFound
from hookward.domain.ids import EventId, Prefix, from_text, to_text, unix_ms_of
from hookward.entrypoints.api.answers import answer, moment
from hookward.entrypoints.api.filters import LOG_PARAMETERS, Filters, cursors, event_name
from hookward.entrypoints.api.reviewing import delivery_item, searched
from hookward.entrypoints.api.service import Caller, Service
from hookward.entrypoints.api.wire import DeliveryItem, WatchBrief
from hookward.entrypoints.api.wire_log import EventAnswer, EventItem, EventPage

SHOWN_DELIVERIES = 100
_scope = msgspec.json.Decoder(dict[str, str])


async def list_events(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Events, newest first."""
    filters = Filters(request, LOG_PARAMETERS)
    named = filters.read("eventId", event_name)
    asked = {**filters.of_delivery(), **filters.common()}
    filters.check()
    event = None if named is None else await _meant(named, caller, service)
    page = Found(rows=())
    if named is None or event is not None:
        query = EventQuery(account=caller.account, owner=caller.owner, event=event, **asked)
        page = await service.events.events(query, now_ms=service.clock.now_us() // 1000)
    return answer(
        EventPage(
            data=[EventItem(**_item(row)) for row in page.rows],
            searched=searched(page.searched_ms),
            **cursors(page.older, page.newer),
        )
    )


async def get_event(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """One event by its own id, or by the id that its publisher gave (for as long as that is remembered: 24 hours)."""
    id_ = await _meant(request.match_info["eventId"], caller, service)
    event = None if id_ is None else await service.events.event(caller.account, id_, owner=caller.owner)
    if event is None:
        raise NotFound("there is no such event")
    page = await service.log.deliveries(
        LogQuery(account=caller.account, owner=caller.owner, event=event.id, limit=SHOWN_DELIVERIES),
        now_ms=service.clock.now_us() // 1000,
    )
    deliveries = [DeliveryItem(**delivery_item(row)) for row in page.rows]
    watches: dict[str, WatchBrief] = {each.watch.id: each.watch for each in deliveries}
    return answer(
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
    return f"/v1/deliveries?eventId={to_text(Prefix.EVENT, event)}&cursor={cursors(older, None)['next_cursor']}"


async def _meant(text: str, caller: Caller, service: Service) -> EventId | None:
    """The event that is called so: by its own id, or by its publisher; the own id wins where both are there."""
    id_ = from_text(Prefix.EVENT, text)
    own = None if id_ is None else EventId(id_)
    known = await service.events.known(caller.account, text.encode("utf-8", "replace"))
    if own is None or known is None:
        return own if known is None else known
    return known if await service.events.event(caller.account, own, owner=caller.owner) is None else own


def _item(event: LoggedEvent) -> dict[str, Any]:
    count = sum(event.deliveries.values())
    state = "pending" if event.waits else "matched" if count else "unmatched"
    return {
        "id": to_text(Prefix.EVENT, event.id),
        "resource_type": event.resource_type,
        "event": event.kind.word,
        "resource_id": event.resource_id,
        "scope": _scope.decode(event.scope),
        "state": state,
        "created": str(moment(datetime.fromtimestamp(unix_ms_of(event.id) / 1000, UTC))),
        "occurred_at": moment(event.occurred),
        "time_zone": event.zone,
        "erased": event.erased,
        "delivery_count": count,
        "deliveries_by_status": {status.word: number for status, number in sorted(event.deliveries.items())},
    }


def _raw(json: bytes | None) -> msgspec.Raw | None:
    """JSON as it is kept: every number as it was sent."""
    return msgspec.Raw(json) if json else None
