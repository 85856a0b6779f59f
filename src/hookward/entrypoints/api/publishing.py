"""``/v1/events``: take change events in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.publish import NewEvent
from hookward.domain.batch import split_events
from hookward.domain.change import ChangeEvent
from hookward.domain.errors import (
    HookwardError,
    Invalid,
    Malformed,
    Problem,
    Refused,
    StoreUnavailable,
    TooLarge,
    TypeChanged,
)
from hookward.domain.event_rules import ReadEvent, read_event
from hookward.domain.exact_json import decode_exact, encode_exact
from hookward.domain.ids import AccountId, EventId, Prefix, to_text, uuid7
from hookward.domain.mirrored import IDEMPOTENCY_KEY
from hookward.entrypoints.api.answers import answer, problem_of
from hookward.entrypoints.api.requests import MAX_BATCH_BYTES, MAX_EVENT_BYTES, REQUEST_ID, read_body
from hookward.entrypoints.api.service import Caller, Service
from hookward.entrypoints.api.wire import AcceptedEvent, BatchResults, RefusedEvent

MAX_BATCH_EVENTS = 1000
MAX_CHANGES = 5
RESTLESS = "the resource type keeps changing"


_sorted = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


async def publish_event(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """One event: 202 once it is durable."""
    service.backlogs.check(caller.account)
    value = decode_exact(await read_body(request, MAX_EVENT_BYTES))
    header = request.headers.get(IDEMPOTENCY_KEY)
    if header is not None and isinstance(value, dict):
        if value.get("id") not in (None, header):
            message = "id and Idempotency-Key differ; send one of them"
            raise Invalid(message, (Problem(message=message, pointer="/id"),))
        if value.get("id") is None:
            return await _publish_under(header, value, caller, service)
    id_ = await publish_value(value, caller.account, service)
    return answer(AcceptedEvent(id=to_text(Prefix.EVENT, id_)), 202)


async def _publish_under(key: str, value: dict[str, Any], caller: Caller, service: Service) -> web.Response:
    """Publish under a key that came as a header: that is where what is wrong with it is told."""
    try:
        id_ = await publish_value({**value, "id": key}, caller.account, service)
    except Invalid as refused:
        raise Invalid(refused.detail, tuple(_of_header(each) for each in refused.problems)) from None
    return answer(AcceptedEvent(id=to_text(Prefix.EVENT, id_)), 202)


def _of_header(found: Problem) -> Problem:
    if found.pointer != "/id":
        return found
    message = found.message
    if message.startswith("id "):
        message = IDEMPOTENCY_KEY + message.removeprefix("id")
    return Problem(message=message, parameter=IDEMPOTENCY_KEY)


async def publish_value(value: Any, account: AccountId, service: Service) -> EventId:
    """Check and publish a decoded event, again when its type changes meanwhile: the newest version judges it (G5)."""
    for _ in range(MAX_CHANGES):
        event = await judged_event(value, account, service, set())
        try:
            return await service.publisher.publish(event)
        except TypeChanged:
            service.type_book.forget(account, event.change.resource_type, event.change.type_version)
    raise StoreUnavailable(RESTLESS)


async def judged_event(value: Any, account: AccountId, service: Service, asked: set[str]) -> NewEvent:
    """Check a decoded event; a type of the account's own is looked up before it, or want of it, refuses one.

    ``asked`` are the types that were looked up since the request came.
    """
    name = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(name, str) or not service.type_book.is_own(name):
        return new_event(value, account, service)
    if name not in asked and await service.type_book.learn(account, name):
        asked.add(name)
    try:
        return new_event(value, account, service)
    except Invalid:
        if name in asked:
            raise
    asked.add(name)
    await service.type_book.find(account, name)
    return new_event(value, account, service)


async def publish_batch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Up to a thousand events, each accepted or refused on its own."""
    service.backlogs.check(caller.account)
    if "Idempotency-Key" in request.headers:
        raise Invalid("Idempotency-Key stands for one event; give each event of a batch an id of its own")
    raws = await read_items(request, "events", MAX_BATCH_EVENTS)
    return _answered(await _publish_each(raws, caller.account, service), request)


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
    taken: Sequence[NewEvent | HookwardError], request: web.Request, service: Service
) -> web.Response:
    """Publish what was taken, each on its own; one result an item, in order."""
    stored = iter(await service.publisher.publish_all([each for each in taken if isinstance(each, NewEvent)]))
    return _answered([next(stored) if isinstance(each, NewEvent) else each for each in taken], request)


def _answered(outcomes: Sequence[EventId | HookwardError], request: web.Request) -> web.Response:
    tried = [each for each in outcomes if not isinstance(each, Refused)]
    if tried and all(isinstance(each, StoreUnavailable) for each in tried):
        raise StoreUnavailable("PostgreSQL")
    return answer(BatchResults(results=[_result(each, request[REQUEST_ID]) for each in outcomes]), 202)


async def _publish_each(
    raws: Sequence[bytes | msgspec.Raw], account: AccountId, service: Service
) -> list[EventId | HookwardError]:
    """Check and publish each on its own; once more those whose types changed meanwhile."""
    outcomes: list[EventId | HookwardError] = [TypeChanged()] * len(raws)
    for _ in range(MAX_CHANGES):
        asked: set[str] = set()
        left = [index for index, each in enumerate(outcomes) if isinstance(each, TypeChanged)]
        taken: dict[int, NewEvent | HookwardError] = {}
        for index in left:
            await asyncio.sleep(0)  # judging a thousand may take seconds: others have their turn after each (G6)
            taken[index] = await _read_one(bytes(raws[index]), account, service, asked)
        events = {index: each for index, each in taken.items() if isinstance(each, NewEvent)}
        stored = dict(zip(events, await service.publisher.publish_all(list(events.values())), strict=True))
        for index, each in taken.items():
            outcome = outcomes[index] = stored[index] if isinstance(each, NewEvent) else each
            if isinstance(outcome, TypeChanged):
                change = events[index].change
                service.type_book.forget(account, change.resource_type, change.type_version)
    return [StoreUnavailable(RESTLESS) if isinstance(each, TypeChanged) else each for each in outcomes]


async def _read_one(raw: bytes, account: AccountId, service: Service, asked: set[str]) -> NewEvent | HookwardError:
    try:
        if len(raw) > MAX_EVENT_BYTES:
            raise TooLarge(f"the event is over {MAX_EVENT_BYTES} bytes")
        return await judged_event(decode_exact(raw), account, service, asked)
    except HookwardError as error:
        return error


def _result(outcome: EventId | HookwardError, request_id: str) -> AcceptedEvent | RefusedEvent:
    if isinstance(outcome, HookwardError):
        return RefusedEvent(error=problem_of(outcome, request_id))
    return AcceptedEvent(id=to_text(Prefix.EVENT, outcome))


def new_event(value: Any, account: AccountId, service: Service) -> NewEvent:
    """Check a decoded event and give it an id; raises Invalid with every problem.

    A type of the account's own has to be learned before.
    """
    return event_of(value, read_event(value, service.type_book.view(account)), account, service)


def event_of(value: Any, read: ReadEvent, account: AccountId, service: Service) -> NewEvent:
    """An event that was read, with an id; ``value`` is what its idempotency key stands for."""
    change = ChangeEvent(
        id=EventId(uuid7(service.clock.now_us() // 1000, service.chance.bytes(10))),
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
    own = service.type_book.is_own(read.type.name)
    if read.key is None:
        return NewEvent(change=change, occurred=read.occurred, own_type=own)
    digest = sha256(_sorted(value)).digest()
    return NewEvent(change=change, occurred=read.occurred, key=read.key.encode(), digest=digest, own_type=own)
