"""The paths of resource types that accounts add: publish and register watches at them, as at those of built-in types.

Which paths exist depends on the account, so the key is checked first: without one every path looks the same. The type
is first taken from the cache of this process, and from the store when that one refuses the request or has changed (G5).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from hookward.application.resource_types.cache import MAX_TYPE_CHANGES, TYPE_KEEPS_CHANGING
from hookward.domain.errors import Forbidden, Invalid, StoreUnavailable, TypeChanged
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.resource_types.operations import METHODS
from hookward.domain.resource_types.paths import RESERVED
from hookward.domain.resource_types.routing import OperationIndex, WatchMatch, match_in_version
from hookward.entrypoints.api.dependencies import AUTHENTICATOR_KEY, PARTS_KEY, ApiParts, Caller, Scope, check_scope
from hookward.entrypoints.api.http.requests import authorization_of
from hookward.entrypoints.api.resources.mirrored import operation_of, paths_below, publish_match
from hookward.entrypoints.api.resources.watches import create_watch_at

_MAYBE_OLD: Final = (Invalid, Forbidden, web.HTTPNotFound, web.HTTPMethodNotAllowed)
"""Refusals that an outdated type may cause; others are the same with any version."""


@web.middleware
async def own_routes(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Serve the paths of the caller's own types where no other route fits: built-in paths win."""
    nowhere = request.match_info.http_exception
    if nowhere is None or nowhere.status != web.HTTPNotFound.status_code:
        return await handler(request)
    parts, header = request.app[PARTS_KEY], authorization_of(request)
    if not _may_be_own(request, parts) or (header is None and request.method not in METHODS):
        return await handler(request)
    return await _answer(request, await request.app[AUTHENTICATOR_KEY].caller(header), parts)


def _may_be_own(request: web.Request, parts: ApiParts) -> bool:
    return any(path.split("/")[1] not in RESERVED for path in paths_below(request, parts))


async def _answer(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Handle the request by the newest version of the type that has this path; raise 404 or 405 if no type has it."""
    for fresh in (False, *[True] * MAX_TYPE_CHANGES):
        try:
            return await _attempt(request, caller, parts, fresh=fresh)
        except TypeChanged:
            continue
        except _MAYBE_OLD:
            if fresh:
                raise
    raise StoreUnavailable(TYPE_KEEPS_CHANGING)


async def _attempt(request: web.Request, caller: Caller, parts: ApiParts, *, fresh: bool) -> web.Response:
    index = await parts.resource_types.routes.index(caller.account, fresh=fresh)
    watched = _watched(request, parts, index)
    if watched is not None:
        check_scope(caller, Scope.WATCHES)
        known = await parts.resource_types.cache.find(caller.account, watched.type.name)
        if known is None or watched.route not in known.type.watch_routes:
            raise TypeChanged(watched.type.name)  # since the index was read
        return await create_watch_at(request, caller, parts, known.type, watched.parameters)
    match = operation_of(request, parts, index)
    check_scope(caller, Scope.PUBLISH)
    known = await _known(match.type.name, caller, parts, fresh=fresh)
    meant = None if known is None else match_in_version(match, known.type)
    if known is None or meant is None:
        raise TypeChanged(match.type.name)
    return await publish_match(request, caller, parts, meant, known)


def _watched(request: web.Request, parts: ApiParts, index: OperationIndex) -> WatchMatch | None:
    if request.method != "POST":
        return None
    found = (index.resolve_watch_route(path) for path in paths_below(request, parts))
    return next((each for each in found if each is not None), None)


async def _known(name: str, caller: Caller, parts: ApiParts, *, fresh: bool) -> CompiledType | None:
    if fresh:
        return await parts.resource_types.cache.find(caller.account, name)
    await parts.resource_types.cache.learn(caller.account, name)
    return parts.resource_types.cache.known(caller.account, name)
