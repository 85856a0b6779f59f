"""``/v1/watches`` and the watch routes of the resource types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.definitions import WatchRow
from hookward.application.watches import definition_of
from hookward.domain.change import ChangeKind
from hookward.domain.errors import Invalid, Problem
from hookward.domain.event_rules import read_scope
from hookward.domain.ids import Prefix, to_text
from hookward.domain.resource_type import ResourceType
from hookward.domain.watch import WatchStatus
from hookward.entrypoints.api.answers import answer, moment
from hookward.entrypoints.api.conditions import etag_of
from hookward.entrypoints.api.requests import read_json
from hookward.entrypoints.api.service import Caller, Service
from hookward.entrypoints.api.wire import WatchAnswer


async def create_watch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """A watch on any resource type."""
    given = await read_json(request)
    problems: list[Problem] = []
    known = None
    if isinstance(given, dict):
        name = given.get("resourceType")
        known = service.types.get(name) if isinstance(name, str) else None
    if not isinstance(given, dict) or known is None:
        message = f"resourceType must be one of {', '.join(sorted(service.types))}"
        raise Invalid(message, (Problem(message=message, pointer="/resourceType"),))
    given_scope = given.get("scope")
    scope = read_scope({} if given_scope is None else given_scope, known.type, problems, complete=False)
    if problems:
        raise Invalid("the watch has problems", tuple(problems))
    return await _create(given, known.type, scope, caller, service)


async def create_watch_on_route(
    request: web.Request, caller: Caller, service: Service, resource_type: ResourceType
) -> web.Response:
    """A watch on the type and scope that the path names."""
    scope = {name: value for name, value in request.match_info.items() if name in resource_type.scope}
    problems: list[Problem] = []
    read_scope(scope, resource_type, problems, complete=False)
    if problems:
        raise Invalid("the path has problems", tuple(problems))
    return await _create(await read_json(request), resource_type, scope, caller, service)


async def _create(
    given: Any, resource_type: ResourceType, scope: Mapping[str, str], caller: Caller, service: Service
) -> web.Response:
    row, secret = await service.watches.create(caller.account, given, resource_type, scope, owner=caller.owner)
    shown = watch_answer(row)
    if secret is not None:
        shown.signature["secret"] = secret
    response = answer(shown, 201)
    response.headers["Location"] = f"/v1/watches/{shown.id}"
    response.headers["ETag"] = etag_of(row.version)
    return response


def watch_answer(row: WatchRow) -> WatchAnswer:
    """A watch as its owner may see it."""
    definition = definition_of(row)
    return WatchAnswer(
        id=to_text(Prefix.WATCH, row.id),
        resource_type=row.resource_type,
        scope=definition.scope,
        address=definition.address,
        name=definition.name,
        events=list(definition.events) or [kind.word for kind in ChangeKind],
        method=definition.method,
        status=WatchStatus(row.status).word,
        status_reason=row.status_reason,
        basic_auth=None if definition.username is None else {"username": definition.username},
        http_request_header=dict.fromkeys(definition.header_names),
        schema=None if definition.schema is msgspec.UNSET else definition.schema,
        signature={"enabled": definition.signed, "cryptoKeyIds": list(definition.key_ids)},
        level_details="full",
        add_previous_data=False,
        store_bodies="all",
        ordered=False,
        owner=row.owner,
        created=moment(row.created),
        updated=moment(row.updated),
    )
