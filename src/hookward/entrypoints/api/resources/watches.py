"""``/v1/watches``: read, list, change, delete and try watches.

``/v1/watches`` and the watch routes of the resource types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.records import WatchRecord
from hookward.application.resource_types.cache import MAX_TYPE_CHANGES, TYPE_KEEPS_CHANGING
from hookward.application.watches.changes import Target
from hookward.application.watches.registry import WatchQuery
from hookward.domain.errors import NotFound, Problem, StoreUnavailable, TypeChanged
from hookward.domain.events.rules import read_scope, type_names
from hookward.domain.ids import IdPrefix, WatchId, from_text, to_text
from hookward.domain.json import decode_exact, encode_exact
from hookward.domain.problems import is_string, problem_at
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.watches.model import WatchStatus
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.conditional import condition_of, etag_of, match_of, tagged
from hookward.entrypoints.api.http.requests import check_parameters, limit_of, read_json
from hookward.entrypoints.api.http.responses import (
    BadParameter,
    UnsupportedType,
    json_response,
    secret_response,
)
from hookward.entrypoints.api.resources.deliveries import attempt_answer
from hookward.entrypoints.api.resources.watch_schemas import WatchList, WatchPreviewOut, watch_out

_MERGE_PATCH = re.compile(r"application/(?:merge-patch\+)?json\s*(?:;.*)?", re.IGNORECASE)
_MAX_TEXT = 255
_STATUSES = tuple(each.word for each in WatchStatus)


async def get_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """One watch."""
    row = await parts.watches.changes.find(_target(request, caller, match_of(request)))
    return tagged(request, json_response(watch_out(row)), etag_of(row.version))


async def list_watches(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Watches, oldest first."""
    query = await _query(request, caller, parts)
    rows = await parts.watches.service.list(msgspec.structs.replace(query, limit=query.limit + 1))
    page = rows[: query.limit]
    cursor = to_text(IdPrefix.WATCH, page[-1].id) if len(rows) > query.limit else None
    return tagged(request, json_response(WatchList(data=[watch_out(row) for row in page], next_cursor=cursor)))


async def replace_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Put a watch in the place of one."""
    target = _target(request, caller, condition_of(request))
    return answer_watch(
        *await parts.watches.changes.replace(target, await read_json(request), parts.resource_types.cache.find)
    )


async def patch_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Change some properties of a watch (RFC 7396)."""
    target = _target(request, caller, condition_of(request))
    kind = request.headers.get("Content-Type", "")
    if kind and not _MERGE_PATCH.fullmatch(kind):
        raise UnsupportedType(f"the content type is {kind}; send application/merge-patch+json or application/json")
    return answer_watch(
        *await parts.watches.changes.patch(target, await read_json(request), parts.resource_types.cache.find, _shown)
    )


async def delete_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Delete a watch and cancel what waits for it."""
    await parts.watches.changes.delete(_target(request, caller, condition_of(request)))
    return web.Response(status=204)


async def test_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Send the type's sample now; whatever the endpoint says, the answer is the whole attempt."""
    row = await parts.watches.changes.find(_target(request, caller, condition_of(request)))
    given = await read_json(request) if await request.read() else {}
    known = await parts.resource_types.cache.find(caller.account, row.resource_type)
    if known is None:
        raise NotFound("the resource type of the watch is gone")
    return json_response(attempt_answer(await parts.watches.tester.send(row, known, given)))


async def preview_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Render a template without saving it."""
    given = await read_json(request)
    own = await parts.resource_types.cache.find(
        caller.account, given.get("resourceType") if isinstance(given, dict) else None
    )
    types = parts.resource_types.built_in if own is None else {**parts.resource_types.built_in, own.type.name: own}
    body = await parts.watches.tester.preview(caller.account, given, types)
    return json_response(WatchPreviewOut(body=msgspec.Raw(body)))


def _target(request: web.Request, caller: Caller, at: Callable[[int], bool]) -> Target:
    id_ = from_text(IdPrefix.WATCH, request.match_info["watchId"])
    return Target(account=caller.account, id=None if id_ is None else WatchId(id_), owner=caller.owner, at=at)


def _shown(row: WatchRecord) -> dict[str, Any]:
    """A watch exactly as it reads back: what a patch is merged into."""
    shown: dict[str, Any] = decode_exact(encode_exact(watch_out(row)))
    return shown


async def _query(request: web.Request, caller: Caller, parts: ApiParts) -> WatchQuery:
    given = request.query
    problems: list[Problem] = []
    known = ("resourceType", "status", "name", "q", "owner", "limit", "cursor")
    limit = 0
    try:
        limit = limit_of(request)
    except BadParameter as error:
        problems += error.problems
    try:  # a key of one owner knows of no others
        check_parameters(request, tuple(each for each in known if each != "owner" or caller.owner is None))
    except BadParameter as error:
        problems += error.problems
    after = from_text(IdPrefix.WATCH, given.get("cursor", ""))
    if "cursor" in given and after is None:
        problems.append(_bad("cursor", "must be a nextCursor of this list"))
    status = given.get("status")
    if "resourceType" in given and await parts.resource_types.cache.find(caller.account, given["resourceType"]) is None:
        names = type_names(parts.resource_types.cache.names(caller.account))
        problems.append(_bad("resourceType", f"must be one of {names}"))
    if status not in (None, *_STATUSES):
        problems.append(_bad("status", f"must be one of {', '.join(_STATUSES)}"))
    problems += [
        _bad(name, f"must be a text of 1 to {_MAX_TEXT} characters")
        for name in ("name", "q", "owner")
        if name in given and (not is_string(given[name], _MAX_TEXT) or "\0" in given[name])
    ]
    if problems:
        raise BadParameter("; ".join(each.message for each in problems), tuple(problems))
    return WatchQuery(
        account=caller.account, owner=caller.owner or given.get("owner"), limit=limit,
        after=None if after is None else WatchId(after), resource_type=given.get("resourceType"),
        status=None if status is None else WatchStatus[status.upper()], name=given.get("name"), text=given.get("q"),
    )  # fmt: skip


def _bad(name: str, message: str) -> Problem:
    return Problem(message=f"{name} {message}", parameter=name)


async def create_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """A watch on any resource type, again when that changes meanwhile: the newest version judges it (G5)."""
    given = await read_json(request)
    for _ in range(MAX_TYPE_CHANGES):
        with suppress(TypeChanged):
            return await _create_named(given, caller, parts)
    raise StoreUnavailable(TYPE_KEEPS_CHANGING)


async def _create_named(given: Any, caller: Caller, parts: ApiParts) -> web.Response:
    problems: list[Problem] = []
    scope: dict[str, str] = {}
    name = given.get("resourceType") if isinstance(given, dict) else None
    known = await parts.resource_types.cache.find(caller.account, name)
    if known is None:
        message = f"resourceType must be one of {type_names(parts.resource_types.cache.names(caller.account))}"
        problems.append(Problem(message=message, pointer="/resourceType"))
    else:
        given_scope = given.get("scope")
        scope = read_scope({} if given_scope is None else given_scope, known.type, problems, complete=False)
    return await _create(given, known.type if known else None, scope, caller, parts, problems)


async def create_watch_on_route(
    request: web.Request,
    caller: Caller,
    parts: ApiParts,
    resource_type: ResourceType,
    parameters: Mapping[str, str] | None = None,
) -> web.Response:
    """A watch on the type and scope that the path names."""
    parameters = request.match_info if parameters is None else parameters
    scope = {name: value for name, value in parameters.items() if name in resource_type.scope}
    problems: list[Problem] = []
    read_scope(scope, resource_type, problems, complete=False)
    given = await read_json(request)
    if isinstance(given, dict):
        _contradicted(given, resource_type, scope, problems)
    return await _create(given, resource_type, scope, caller, parts, problems)


def _contradicted(
    given: Mapping[str, Any], resource_type: ResourceType, scope: Mapping[str, str], problems: list[Problem]
) -> None:
    """What a body says otherwise than its path: ignored, it would leave a watch on more than its owner believes."""
    if given.get("resourceType") not in (None, resource_type.name):
        message = f"resourceType contradicts the path, which is that of {resource_type.name}; leave it out"
        problems.append(problem_at(message, "resourceType"))
    said = given.get("scope")
    if said is not None and read_scope(said, resource_type, [], complete=False) != scope:
        message = "scope contradicts the path; leave it out, or send all of it to POST /v1/watches"
        problems.append(problem_at(message, "scope"))


async def _create(
    given: Any, resource_type: ResourceType | None, scope: Mapping[str, str], caller: Caller, parts: ApiParts,
    problems: list[Problem],
) -> web.Response:  # fmt: skip
    row, secret = await parts.watches.service.create(
        caller.account, given, resource_type, scope, owner=caller.owner, found=problems
    )
    response = answer_watch(row, secret, 201)
    response.headers["Location"] = f"/v1/watches/{to_text(IdPrefix.WATCH, row.id)}"
    return response


def answer_watch(row: WatchRecord, secret: str | None, status: int = 200) -> web.Response:
    """Respond with a watch that was created or changed, its tag, and the secret of a key that was created for it."""
    shown = watch_out(row, secret=secret)
    response = json_response(shown, status) if secret is None else secret_response(shown, status)
    response.headers["ETag"] = etag_of(row.version)
    return response
