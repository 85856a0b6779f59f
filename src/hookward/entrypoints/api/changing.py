"""``/v1/watches``: read, list, change, delete and try watches."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.definitions import WatchQuery, WatchRow
from hookward.application.watch_changes import Target
from hookward.domain.errors import NotFound, Problem
from hookward.domain.event_rules import type_names
from hookward.domain.exact_json import decode_exact, encode_exact
from hookward.domain.ids import Prefix, WatchId, from_text, to_text
from hookward.domain.problems import is_text
from hookward.domain.watch import WatchStatus
from hookward.entrypoints.api.answers import BadParameter, UnsupportedType, answer
from hookward.entrypoints.api.conditions import condition_of, etag_of, match_of, tagged
from hookward.entrypoints.api.requests import check_parameters, limit_of, read_json
from hookward.entrypoints.api.reviewing import attempt_answer
from hookward.entrypoints.api.service import Caller, Service
from hookward.entrypoints.api.watching import answer_watch, watch_answer
from hookward.entrypoints.api.wire import WatchList
from hookward.entrypoints.api.wire_watches import PreviewAnswer

_MERGE_PATCH = re.compile(r"application/(?:merge-patch\+)?json\s*(?:;.*)?", re.IGNORECASE)
_MAX_TEXT = 255
_STATUSES = tuple(each.word for each in WatchStatus)


async def get_watch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """One watch."""
    row = await service.changes.find(_target(request, caller, match_of(request)))
    return tagged(request, answer(watch_answer(row)), etag_of(row.version))


async def list_watches(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Watches, oldest first."""
    query = await _query(request, caller, service)
    rows = await service.watches.list(msgspec.structs.replace(query, limit=query.limit + 1))
    page = rows[: query.limit]
    cursor = to_text(Prefix.WATCH, page[-1].id) if len(rows) > query.limit else None
    return tagged(request, answer(WatchList(data=[watch_answer(row) for row in page], next_cursor=cursor)))


async def replace_watch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Put a watch in the place of one."""
    target = _target(request, caller, condition_of(request))
    return answer_watch(*await service.changes.replace(target, await read_json(request), service.type_book.find))


async def patch_watch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Change some properties of a watch (RFC 7396)."""
    target = _target(request, caller, condition_of(request))
    kind = request.headers.get("Content-Type", "")
    if kind and not _MERGE_PATCH.fullmatch(kind):
        raise UnsupportedType(f"the content type is {kind}; send application/merge-patch+json or application/json")
    return answer_watch(*await service.changes.patch(target, await read_json(request), service.type_book.find, _shown))


async def delete_watch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Delete a watch and cancel what waits for it."""
    await service.changes.delete(_target(request, caller, condition_of(request)))
    return web.Response(status=204)


async def test_watch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Send the type's sample now; whatever the endpoint says, the answer is the whole attempt."""
    row = await service.changes.find(_target(request, caller, condition_of(request)))
    given = await read_json(request) if await request.read() else {}
    known = await service.type_book.find(caller.account, row.resource_type)
    if known is None:
        raise NotFound("the resource type of the watch is gone")
    return answer(attempt_answer(await service.trials.send(row, known, given)))


async def preview_watch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Render a template without saving it."""
    given = await read_json(request)
    own = await service.type_book.find(caller.account, given.get("resourceType") if isinstance(given, dict) else None)
    types = service.types if own is None else {**service.types, own.type.name: own}
    body = await service.trials.preview(caller.account, given, types)
    return answer(PreviewAnswer(body=msgspec.Raw(body)))


def _target(request: web.Request, caller: Caller, at: Callable[[int], bool]) -> Target:
    id_ = from_text(Prefix.WATCH, request.match_info["watchId"])
    return Target(account=caller.account, id=None if id_ is None else WatchId(id_), owner=caller.owner, at=at)


def _shown(row: WatchRow) -> dict[str, Any]:
    """A watch exactly as it reads back: what a patch is merged into."""
    shown: dict[str, Any] = decode_exact(encode_exact(watch_answer(row)))
    return shown


async def _query(request: web.Request, caller: Caller, service: Service) -> WatchQuery:
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
    after = from_text(Prefix.WATCH, given.get("cursor", ""))
    if "cursor" in given and after is None:
        problems.append(_bad("cursor", "must be a nextCursor of this list"))
    status = given.get("status")
    if "resourceType" in given and await service.type_book.find(caller.account, given["resourceType"]) is None:
        names = type_names(service.type_book.names(caller.account))
        problems.append(_bad("resourceType", f"must be one of {names}"))
    if status not in (None, *_STATUSES):
        problems.append(_bad("status", f"must be one of {', '.join(_STATUSES)}"))
    problems += [
        _bad(name, f"must be a text of 1 to {_MAX_TEXT} characters")
        for name in ("name", "q", "owner")
        if name in given and (not is_text(given[name], _MAX_TEXT) or "\0" in given[name])
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
