"""Publish by repeating an operation of the resource's own API: its method, path and body."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NoReturn
from urllib.parse import quote

import msgspec
from aiohttp import web

from hookward.application.events.intake import MAX_EVENT_BYTES, RawItems
from hookward.domain.errors import Invalid, Malformed, Problem
from hookward.domain.events.coercion import coerce, read_form, read_query
from hookward.domain.events.idempotency import IDEMPOTENCY_KEY
from hookward.domain.events.jsv import read_jsv
from hookward.domain.events.mirrored import MirroredEvent, read_item, read_mirrored
from hookward.domain.ids import IdPrefix, to_text
from hookward.domain.json import check_depth, decode_exact
from hookward.domain.resource_types.model import CompiledType, ResourceType
from hookward.domain.resource_types.operations import Format, Operation, OperationBatch
from hookward.domain.resource_types.routing import Match, OperationIndex
from hookward.entrypoints.api.dependencies import ApiParts, Caller, Scope
from hookward.entrypoints.api.http.formats import CONTENT_TYPES, as_response_status, format_of_body, formatted
from hookward.entrypoints.api.http.requests import read_bytes
from hookward.entrypoints.api.http.responses import UnsupportedType, json_response
from hookward.entrypoints.api.resources.events import EventAcceptedOut, EventBatchOut, batch_response, read_items
from hookward.entrypoints.api.route import Route

_AT_ONCE = 8 << 10
"""The largest JSV or form, in bytes, that is read on the event loop; a larger one may take seconds (G6)."""

_NO_RESOURCE = "the body is empty; send the resource after the change as a JSON object, with what the API answered"


async def publish_mirrored(
    request: web.Request, caller: Caller, parts: ApiParts, *, index: OperationIndex
) -> web.Response:
    """Publish the operation at this method and path; respond 202 once it is durable, 404 or 405 if there is none."""
    match = operation_of(request, parts, index)
    return await publish_match(request, caller, parts, match, parts.resource_types.built_in[match.type.name])


async def publish_match(
    request: web.Request, caller: Caller, parts: ApiParts, match: Match, known: CompiledType
) -> web.Response:
    """Publish an operation that was found; ``known`` is its type, built in or of an account."""
    batch = match.operation.batch
    if batch is not None:
        read_one = partial(read_item, match, batch, known=known)
        outcomes = await parts.events.publish_mirrored_batch(
            caller.account, partial(_read_batch, request, batch), read_one
        )
        return batch_response(request, outcomes)
    id_ = await parts.events.publish_mirrored(caller.account, partial(_read_operation, request, match, known))
    accepted = EventAcceptedOut(id=to_text(IdPrefix.EVENT, id_))
    return formatted(request, accepted, 202) if len(match.operation.formats) > 1 else json_response(accepted, 202)


async def refuse_unchanging(_request: web.Request) -> NoReturn:
    """Raise 404 for an operation that changes nothing: it must not be taken for one that is published."""
    raise web.HTTPNotFound


def operation_of(request: web.Request, parts: ApiParts, index: OperationIndex) -> Match:
    """Return the operation at this method and path, below any prefix; raise 404 or 405 if ``index`` has none."""
    allowed = set[str]()
    for path in paths_below(request, parts):
        match = index.resolve(request.method, path)
        if isinstance(match, Match):
            return match
        allowed.update(match.allowed)
    if allowed:
        raise web.HTTPMethodNotAllowed(request.method, sorted(allowed))
    raise web.HTTPNotFound


def paths_below(request: web.Request, parts: ApiParts) -> list[str]:
    """Return the path of the request line as it is at the root, and below each prefix that it begins with."""
    path = request.rel_url.raw_path
    prefixes = ("", *map(quote, parts.path_prefixes))
    return [path.removeprefix(prefix) for prefix in prefixes if path.startswith(prefix + "/")]


async def _read_batch(request: web.Request, batch: OperationBatch) -> RawItems:
    if IDEMPOTENCY_KEY in request.headers:
        detail = f"{IDEMPOTENCY_KEY} stands for one event; send the operations of a batch one by one to give each a key"
        raise Invalid(detail, (Problem(message=detail, parameter=IDEMPOTENCY_KEY),))
    return await read_items(request, batch.items, batch.limit)


async def _read_operation(request: web.Request, match: Match, known: CompiledType) -> MirroredEvent:
    given = await _read(request, match.operation, known)
    return read_mirrored(match, given, known, key=request.headers.get(IDEMPOTENCY_KEY))


async def _read(request: web.Request, operation: Operation, known: CompiledType) -> Any:
    """Return the decoded body, merged with query parameters if the operation takes them; ``UNSET`` for neither."""
    schema, data = known.type.schema, await read_bytes(request, MAX_EVENT_BYTES)
    given: Any = msgspec.UNSET
    if data:
        kind = request.headers.get("Content-Type", "")
        if len(data) > _AT_ONCE and format_of_body(kind) is not Format.JSON:  # these are read by Python, slowly
            given = await asyncio.to_thread(_decoded, data, kind, operation, schema)
        else:
            given = _decoded(data, kind, operation, schema)
    if operation.query:
        said = read_query(request.rel_url.raw_query_string, schema)
        if isinstance(given, dict):
            given = {**said, **given}
        elif said and given is msgspec.UNSET:
            given = said
    if operation.body and given is msgspec.UNSET:
        raise Malformed(_NO_RESOURCE)
    return given


def _decoded(data: bytes, content_type: str, operation: Operation, schema: Mapping[str, Any]) -> Any:
    format_ = format_of_body(content_type)
    if format_ not in operation.formats:
        right = " or ".join(CONTENT_TYPES[each] for each in operation.formats)
        raise UnsupportedType(f"the content type is {content_type or 'missing'}; send Content-Type: {right} in UTF-8")
    if format_ is Format.JSON:
        return decode_exact(data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 text: invalid bytes at offset {error.start}") from None
    value = coerce(read_jsv(text), schema) if format_ is Format.JSV else read_form(text, schema)
    check_depth(value)
    return value


Resource = dict[str, Any]
"""A resource as its own API writes it; the JSON Schema of its type says more."""

PatchDocument = dict[str, Any] | list[dict[str, Any]]
"""What changed of a resource, or a list of changes (RFC 6902)."""


def mirrored_routes(types: Iterable[ResourceType]) -> list[Route]:
    """Return the routes at which resources are published by repeating an operation of their own API."""
    known = tuple(types)
    handler = partial(publish_mirrored, index=OperationIndex(known))
    return [
        Route(
            method=operation.method,
            path=path,
            scope=Scope.PUBLISH,
            handler=handler,
            status=202,
            returns=EventAcceptedOut if operation.batch is None else EventBatchOut,
            summary=_summary(each, operation),
            takes=_takes(each, operation),
            media=tuple(CONTENT_TYPES[each] for each in operation.formats),
            reads=() if operation.batch else ("Idempotency-Key",),
            refuses=(429,),
            errors=as_response_status if len(operation.formats) > 1 else None,
        )
        for each in known
        for operation in each.operations
        for path in operation.paths
        if operation.publishes
    ]


def _takes(resource_type: ResourceType, operation: Operation) -> Any:
    """Return the wire type of an operation's body; a resource type stands for its resources."""
    if not operation.body:
        return Resource | None
    if operation.method == "PATCH":
        return PatchDocument
    return Resource if operation.batch or operation.renames else resource_type


def _summary(resource_type: ResourceType, operation: Operation) -> str:
    if operation.event is None:
        return f"Publish several changes of {resource_type.name}"
    return f"Publish {resource_type.name} as {operation.event.word}"


def unchanging_routes(types: Iterable[ResourceType]) -> list[tuple[str, str]]:
    """Return method and path of the operations that change nothing: they respond 404, even if other paths match."""
    return [
        (operation.method, path)
        for each in types
        for operation in each.operations
        for path in operation.paths
        if not operation.publishes
    ]
