"""``/v1/watches`` and the watch routes of resource types: handlers, and their rows of the table of routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import msgspec
from aiohttp import web

from hookward.application.resource_types.cache import ResourceTypeCache
from hookward.application.watches.changes import Target
from hookward.application.watches.registry import WatchQuery
from hookward.application.watches.service import StoredWatch
from hookward.domain.events.rules import type_names
from hookward.domain.ids import IdPrefix, WatchId, from_text, to_text
from hookward.domain.problems import is_string
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.watches.model import WatchStatus
from hookward.entrypoints.api.dependencies import ApiParts, Caller, Scope
from hookward.entrypoints.api.http.conditional import condition_of, etag_of, if_match_of, with_etag
from hookward.entrypoints.api.http.listing import ListParams, next_page
from hookward.entrypoints.api.http.requests import read_json
from hookward.entrypoints.api.http.responses import (
    UnsupportedType,
    json_response,
    secret_response,
)
from hookward.entrypoints.api.resources.deliveries import AttemptOut, present_attempt
from hookward.entrypoints.api.resources.watch_schemas import (
    WatchCreate,
    WatchListOut,
    WatchListParams,
    WatchOut,
    WatchPatch,
    WatchPreview,
    WatchPreviewOut,
    WatchRouteCreate,
    WatchTest,
    WatchUpdate,
    present_watch,
)
from hookward.entrypoints.api.route import Route

_MERGE_PATCH = re.compile(r"application/(?:merge-patch\+)?json\s*(?:;.*)?", re.IGNORECASE)
_MAX_TEXT = 255
_STATUSES = tuple(each.word for each in WatchStatus)


async def create_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Register a watch on the resource type that the body names."""
    return watch_response(await parts.watches.service.create(caller, await read_json(request)), 201)


async def create_watch_at(
    request: web.Request,
    caller: Caller,
    parts: ApiParts,
    resource_type: ResourceType,
    parameters: Mapping[str, str] | None = None,
) -> web.Response:
    """Register a watch on the resource type and the scope that the path names."""
    parameters = request.match_info if parameters is None else parameters
    given = await read_json(request)
    return watch_response(await parts.watches.service.create_at(caller, given, resource_type, parameters), 201)


async def get_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Read a watch."""
    record = await parts.watches.changes.find(_target(request, caller, if_match_of(request)))
    return with_etag(request, json_response(present_watch(record, record.read_definition())), etag_of(record.version))


async def list_watches(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """List watches, oldest first."""
    query = await _query(request, caller, parts.resource_types.cache)
    rows = await parts.watches.service.list(msgspec.structs.replace(query, limit=query.limit + 1))
    page, cursor = next_page(rows, query.limit, lambda last: to_text(IdPrefix.WATCH, last.id))
    return with_etag(
        request,
        json_response(
            WatchListOut(data=[present_watch(row, row.read_definition()) for row in page], next_cursor=cursor)
        ),
    )


async def replace_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Replace all properties of a watch."""
    target = _target(request, caller, condition_of(request))
    return watch_response(await parts.watches.changes.replace(target, await read_json(request)))


async def patch_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Change some properties of a watch (RFC 7396)."""
    target = _target(request, caller, condition_of(request))
    kind = request.headers.get("Content-Type", "")
    if kind and not _MERGE_PATCH.fullmatch(kind):
        raise UnsupportedType(f"the content type is {kind}; send application/merge-patch+json or application/json")
    return watch_response(await parts.watches.changes.patch(target, await read_json(request)))


async def delete_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Delete a watch and cancel its waiting deliveries."""
    await parts.watches.changes.delete(_target(request, caller, condition_of(request)))
    return web.Response(status=204)


async def test_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Send the sample of the type now and return the whole attempt, whatever the endpoint responded."""
    row = await parts.watches.changes.find(_target(request, caller, condition_of(request)))
    given = await read_json(request) if await request.read() else {}
    return json_response(present_attempt(await parts.watches.tester.send(row, given)))


async def preview_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Render a template without saving it."""
    body = await parts.watches.tester.preview(caller.account, await read_json(request))
    return json_response(WatchPreviewOut(body=msgspec.Raw(body)))


def _target(request: web.Request, caller: Caller, at: Callable[[int], bool]) -> Target:
    id_ = from_text(IdPrefix.WATCH, request.match_info["watchId"])
    return Target(account=caller.account, id=None if id_ is None else WatchId(id_), owner=caller.owner, at=at)


async def _query(request: web.Request, caller: Caller, types: ResourceTypeCache) -> WatchQuery:
    known = ("resourceType", "status", "name", "q", "owner", "limit", "cursor")
    params = ListParams(request)
    limit = params.limit()  # a key of one owner knows of no others
    params.check_names(tuple(each for each in known if each != "owner" or caller.owner is None))
    after = params.cursor(IdPrefix.WATCH)
    resource_type = request.query.get("resourceType")
    if resource_type is not None and await types.find(caller.account, resource_type) is None:
        params.refuse("resourceType", f"must be one of {type_names(types.names(caller.account))}")
    status = params.read("status", _status)
    name, text, owner = (params.read(each, _text) for each in ("name", "q", "owner"))
    params.check()
    return WatchQuery(
        account=caller.account,
        owner=caller.owner or owner,
        limit=limit,
        after=None if after is None else WatchId(after),
        resource_type=resource_type,
        status=status,
        name=name,
        text=text,
    )


def _status(word: str) -> WatchStatus:
    if word not in _STATUSES:
        raise ValueError(f"must be one of {', '.join(_STATUSES)}")
    return WatchStatus[word.upper()]


def _text(text: str) -> str:
    if not is_string(text, _MAX_TEXT) or "\0" in text:
        raise ValueError(f"must be a text of 1 to {_MAX_TEXT} characters")
    return text


def watch_response(stored: StoredWatch, status: int = 200) -> web.Response:
    """Respond with a watch, its ETag, and the secret of a key that was created with it; with its Location if 201."""
    shown = present_watch(stored.record, stored.definition, secret=stored.secret)
    response = json_response(shown, status) if stored.secret is None else secret_response(shown, status)
    response.headers["ETag"] = etag_of(stored.record.version)
    if status == web.HTTPCreated.status_code:
        response.headers["Location"] = f"/v1/watches/{shown.id}"
    return response


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST", path="/v1/watches", scope=Scope.WATCHES, handler=create_watch,
        status=201, returns=WatchOut, summary="Register a watch",
        takes=WatchCreate, refuses=(409,), gives=("Location", "ETag", "Cache-Control"),
    ),
    Route(
        method="GET", path="/v1/watches", scope=Scope.WATCHES, handler=list_watches,
        status=200, returns=WatchListOut, summary="List watches", query=WatchListParams,
        also=((304, None),), reads=("If-None-Match",), gives=("ETag",),
    ),
    Route(
        method="POST", path="/v1/watches/preview", scope=Scope.WATCHES, handler=preview_watch,
        status=200, returns=WatchPreviewOut, summary="Render a template without saving it",
        takes=WatchPreview, refuses=(429,),
    ),
    Route(
        method="GET", path="/v1/watches/{watchId}", scope=Scope.WATCHES, handler=get_watch,
        status=200, returns=WatchOut, summary="Read a watch", also=((304, None),), refuses=(412,),
        reads=("If-Match", "If-None-Match"), gives=("ETag",),
    ),
    Route(
        method="PUT", path="/v1/watches/{watchId}", scope=Scope.WATCHES, handler=replace_watch,
        status=200, returns=WatchOut, summary="Replace a watch", takes=WatchUpdate,
        reads=("If-Match", "If-None-Match"), gives=("ETag", "Cache-Control"),
    ),
    Route(
        method="PATCH", path="/v1/watches/{watchId}", scope=Scope.WATCHES, handler=patch_watch,
        status=200, returns=WatchOut, summary="Change some properties of a watch",
        takes=WatchPatch, reads=("If-Match", "If-None-Match"), gives=("ETag", "Cache-Control"),
        media=("application/merge-patch+json", "application/json"),
    ),
    Route(
        method="DELETE", path="/v1/watches/{watchId}", scope=Scope.WATCHES, handler=delete_watch,
        status=204, returns=None, summary="Delete a watch and cancel what waits for it",
        reads=("If-Match", "If-None-Match"),
    ),
    Route(
        method="POST", path="/v1/watches/{watchId}/test", scope=Scope.WATCHES, handler=test_watch,
        status=200, returns=AttemptOut, summary="Send a watch the sample of its type now",
        takes=WatchTest | None, refuses=(412, 429), reads=("If-Match", "If-None-Match"),
    ),
)  # fmt: skip


def watch_routes(types: Iterable[ResourceType]) -> list[Route]:
    """Return the routes that register a watch in the paths of a resource type's own API."""
    return [
        Route(
            method="POST",
            path=path,
            scope=Scope.WATCHES,
            handler=partial(create_watch_at, resource_type=each),
            status=201,
            returns=WatchOut,
            summary=f"Register a watch on {each.name}",
            takes=WatchRouteCreate,
            gives=("Location", "ETag", "Cache-Control"),
        )
        for each in types
        for path in each.watch_routes
    ]
