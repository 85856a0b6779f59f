"""``/v1/events``: take change events in.

``GET /v1/events``: what was accepted, and what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.events.publisher import NewEvent
from hookward.application.history.model import EventPage as Found
from hookward.application.history.model import EventQuery, LoggedEvent, LogQuery
from hookward.application.ids import make_id
from hookward.application.resource_types.cache import MAX_TYPE_CHANGES, TYPE_KEEPS_CHANGING
from hookward.domain.errors import (
    HookwardError,
    Invalid,
    Malformed,
    NotFound,
    Problem,
    RequestRejected,
    StoreUnavailable,
    TooLarge,
    TypeChanged,
)
from hookward.domain.events.mirrored import IDEMPOTENCY_KEY
from hookward.domain.events.model import ChangeEvent, split_events
from hookward.domain.events.rules import ValidEvent, validate_event
from hookward.domain.ids import AccountId, EventId, IdPrefix, from_text, to_text, unix_ms_of
from hookward.domain.json import decode_exact, encode_exact
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.listing import LOG_PARAMETERS, Filters, cursors, event_name
from hookward.entrypoints.api.http.requests import MAX_BATCH_BYTES, MAX_EVENT_BYTES, REQUEST_ID, read_body
from hookward.entrypoints.api.http.responses import format_timestamp, json_response, problem_of
from hookward.entrypoints.api.http.schemas import AcceptedEvent, BatchResults, DeliveryItem, RefusedEvent, WatchBrief
from hookward.entrypoints.api.resources.deliveries import delivery_item, searched
from hookward.entrypoints.api.resources.delivery_schemas import EventAnswer, EventItem, EventPage

MAX_BATCH_EVENTS = 1000


_sorted = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


async def publish_event(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """One event: 202 once it is durable."""
    parts.events.backlogs.check(caller.account)
    value = decode_exact(await read_body(request, MAX_EVENT_BYTES))
    header = request.headers.get(IDEMPOTENCY_KEY)
    if header is not None and isinstance(value, dict):
        if value.get("id") not in (None, header):
            message = "id and Idempotency-Key differ; send one of them"
            raise Invalid(message, (Problem(message=message, pointer="/id"),))
        if value.get("id") is None:
            return await _publish_under(header, value, caller, parts)
    id_ = await publish_value(value, caller.account, parts)
    return json_response(AcceptedEvent(id=to_text(IdPrefix.EVENT, id_)), 202)


async def _publish_under(key: str, value: dict[str, Any], caller: Caller, parts: ApiParts) -> web.Response:
    """Publish under a key that came as a header: that is where what is wrong with it is told."""
    try:
        id_ = await publish_value({**value, "id": key}, caller.account, parts)
    except Invalid as refused:
        raise Invalid(refused.detail, tuple(_of_header(each) for each in refused.problems)) from None
    return json_response(AcceptedEvent(id=to_text(IdPrefix.EVENT, id_)), 202)


def _of_header(found: Problem) -> Problem:
    if found.pointer != "/id":
        return found
    message = found.message
    if message.startswith("id "):
        message = IDEMPOTENCY_KEY + message.removeprefix("id")
    return Problem(message=message, parameter=IDEMPOTENCY_KEY)


async def publish_value(value: Any, account: AccountId, parts: ApiParts) -> EventId:
    """Check and publish a decoded event, again when its type changes meanwhile: the newest version judges it (G5)."""
    for _ in range(MAX_TYPE_CHANGES):
        event = await judged_event(value, account, parts, set())
        try:
            return await parts.events.publisher.publish(event)
        except TypeChanged:
            parts.resource_types.cache.forget(account, event.change.resource_type, event.change.type_version)
    raise StoreUnavailable(TYPE_KEEPS_CHANGING)


async def judged_event(value: Any, account: AccountId, parts: ApiParts, asked: set[str]) -> NewEvent:
    """Check a decoded event; a type of the account's own is looked up before it, or want of it, refuses one.

    ``asked`` are the types that were looked up since the request came.
    """
    name = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(name, str) or not parts.resource_types.cache.is_own(name):
        return new_event(value, account, parts)
    if name not in asked and await parts.resource_types.cache.learn(account, name):
        asked.add(name)
    try:
        return new_event(value, account, parts)
    except Invalid:
        if name in asked:
            raise
    asked.add(name)
    await parts.resource_types.cache.find(account, name)
    return new_event(value, account, parts)


async def publish_batch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Up to a thousand events, each accepted or refused on its own."""
    parts.events.backlogs.check(caller.account)
    if "Idempotency-Key" in request.headers:
        raise Invalid("Idempotency-Key stands for one event; give each event of a batch an id of its own")
    raws = await read_items(request, "events", MAX_BATCH_EVENTS)
    return _answered(await _publish_each(raws, caller.account, parts), request)


async def read_items(request: web.Request, member: str, limit: int) -> Sequence[bytes | msgspec.Raw]:
    """The undecoded items of ``{member: […]}``, 1 to ``limit`` of them."""
    body = await read_body(request, MAX_BATCH_BYTES)
    try:
        raws: Sequence[bytes | msgspec.Raw] = _lists(member).decode(body).items
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


async def answer_items(
    taken: Sequence[NewEvent | HookwardError], request: web.Request, parts: ApiParts
) -> web.Response:
    """Publish what was taken, each on its own; one result an item, in order."""
    stored = iter(await parts.events.publisher.publish_all([each for each in taken if isinstance(each, NewEvent)]))
    return _answered([next(stored) if isinstance(each, NewEvent) else each for each in taken], request)


def _answered(outcomes: Sequence[EventId | HookwardError], request: web.Request) -> web.Response:
    tried = [each for each in outcomes if not isinstance(each, RequestRejected)]
    if tried and all(isinstance(each, StoreUnavailable) for each in tried):
        raise StoreUnavailable("PostgreSQL")
    return json_response(BatchResults(results=[_result(each, request[REQUEST_ID]) for each in outcomes]), 202)


async def _publish_each(
    raws: Sequence[bytes | msgspec.Raw], account: AccountId, parts: ApiParts
) -> list[EventId | HookwardError]:
    """Check and publish each on its own; once more those whose types changed meanwhile."""
    outcomes: list[EventId | HookwardError] = [TypeChanged()] * len(raws)
    for _ in range(MAX_TYPE_CHANGES):
        asked: set[str] = set()
        left = [index for index, each in enumerate(outcomes) if isinstance(each, TypeChanged)]
        taken: dict[int, NewEvent | HookwardError] = {}
        for index in left:
            await asyncio.sleep(0)  # judging a thousand may take seconds: others have their turn after each (G6)
            taken[index] = await _read_one(bytes(raws[index]), account, parts, asked)
        events = {index: each for index, each in taken.items() if isinstance(each, NewEvent)}
        stored = dict(zip(events, await parts.events.publisher.publish_all(list(events.values())), strict=True))
        for index, each in taken.items():
            outcome = outcomes[index] = stored[index] if isinstance(each, NewEvent) else each
            if isinstance(outcome, TypeChanged):
                change = events[index].change
                parts.resource_types.cache.forget(account, change.resource_type, change.type_version)
    return [StoreUnavailable(TYPE_KEEPS_CHANGING) if isinstance(each, TypeChanged) else each for each in outcomes]


async def _read_one(raw: bytes, account: AccountId, parts: ApiParts, asked: set[str]) -> NewEvent | HookwardError:
    try:
        if len(raw) > MAX_EVENT_BYTES:
            raise TooLarge(f"the event is over {MAX_EVENT_BYTES} bytes")
        return await judged_event(decode_exact(raw), account, parts, asked)
    except HookwardError as error:
        return error


def _result(outcome: EventId | HookwardError, request_id: str) -> AcceptedEvent | RefusedEvent:
    if isinstance(outcome, HookwardError):
        return RefusedEvent(error=problem_of(outcome, request_id))
    return AcceptedEvent(id=to_text(IdPrefix.EVENT, outcome))


def new_event(value: Any, account: AccountId, parts: ApiParts) -> NewEvent:
    """Check a decoded event and give it an id; raises Invalid with every problem.

    A type of the account's own has to be learned before.
    """
    return event_of(value, validate_event(value, parts.resource_types.cache.view(account)), account, parts)


def event_of(value: Any, read: ValidEvent, account: AccountId, parts: ApiParts) -> NewEvent:
    """An event that was read, with an id; ``value`` is what its idempotency key stands for."""
    change = ChangeEvent(
        id=EventId(make_id(parts.clock, parts.random)),
        account=account,
        resource_type=read.type.name,
        type_version=read.type.version,
        kind=read.kind,
        scope=read.scope,
        resource_id=read.resource_id,
        body=encode_exact(read.resource),
        previous=None if read.previous is None else encode_exact(read.previous),
        extra=None if read.extra is None else encode_exact(read.extra),
        zone=read.zone,
    )
    own = parts.resource_types.cache.is_own(read.type.name)
    if read.key is None:
        return NewEvent(change=change, occurred=read.occurred, own_type=own)
    digest = sha256(_sorted(value)).digest()
    return NewEvent(change=change, occurred=read.occurred, key=read.key.encode(), digest=digest, own_type=own)


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
