"""``/v1/watches`` and the watch routes of the resource types."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.definitions import WatchRow
from hookward.application.watches import definition_of
from hookward.domain.change import ChangeKind
from hookward.domain.errors import Problem, StoreUnavailable, TypeChanged
from hookward.domain.event_rules import read_scope, type_names
from hookward.domain.ids import Prefix, to_text
from hookward.domain.oauth import OAuthDefinition
from hookward.domain.problems import problem
from hookward.domain.resource_type import ResourceType
from hookward.domain.watch import WatchStatus
from hookward.entrypoints.api.answers import answer, answer_secret, moment
from hookward.entrypoints.api.conditions import etag_of
from hookward.entrypoints.api.publishing import MAX_CHANGES, RESTLESS
from hookward.entrypoints.api.requests import read_json
from hookward.entrypoints.api.service import Caller, Service
from hookward.entrypoints.api.wire import OAuth2AuthAnswer, WatchAnswer


async def create_watch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """A watch on any resource type, again when that changes meanwhile: the newest version judges it (G5)."""
    given = await read_json(request)
    for _ in range(MAX_CHANGES):
        with suppress(TypeChanged):
            return await _create_named(given, caller, service)
    raise StoreUnavailable(RESTLESS)


async def _create_named(given: Any, caller: Caller, service: Service) -> web.Response:
    problems: list[Problem] = []
    scope: dict[str, str] = {}
    name = given.get("resourceType") if isinstance(given, dict) else None
    known = await service.type_book.find(caller.account, name)
    if known is None:
        message = f"resourceType must be one of {type_names(service.type_book.names(caller.account))}"
        problems.append(Problem(message=message, pointer="/resourceType"))
    else:
        given_scope = given.get("scope")
        scope = read_scope({} if given_scope is None else given_scope, known.type, problems, complete=False)
    return await _create(given, known.type if known else None, scope, caller, service, problems)


async def create_watch_on_route(
    request: web.Request,
    caller: Caller,
    service: Service,
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
    return await _create(given, resource_type, scope, caller, service, problems)


def _contradicted(
    given: Mapping[str, Any], resource_type: ResourceType, scope: Mapping[str, str], problems: list[Problem]
) -> None:
    """What a body says otherwise than its path: ignored, it would leave a watch on more than its owner believes."""
    if given.get("resourceType") not in (None, resource_type.name):
        message = f"resourceType contradicts the path, which is that of {resource_type.name}; leave it out"
        problems.append(problem(message, "resourceType"))
    said = given.get("scope")
    if said is not None and read_scope(said, resource_type, [], complete=False) != scope:
        message = "scope contradicts the path; leave it out, or send all of it to POST /v1/watches"
        problems.append(problem(message, "scope"))


async def _create(
    given: Any, resource_type: ResourceType | None, scope: Mapping[str, str], caller: Caller, service: Service,
    problems: list[Problem],
) -> web.Response:  # fmt: skip
    row, secret = await service.watches.create(
        caller.account, given, resource_type, scope, owner=caller.owner, found=problems
    )
    response = answer_watch(row, secret, 201)
    response.headers["Location"] = f"/v1/watches/{to_text(Prefix.WATCH, row.id)}"
    return response


def answer_watch(row: WatchRow, secret: str | None, status: int = 200) -> web.Response:
    """A watch that was made or changed, with its tag, and with the secret of the key that was made for it."""
    shown = watch_answer(row)
    if secret is not None:
        shown.signature["secret"] = secret
    response = answer(shown, status) if secret is None else answer_secret(shown, status)
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
        oauth2_auth=None if definition.oauth is None else _oauth_answer(definition.oauth),
        http_request_header=dict.fromkeys(definition.header_names),
        schema=None if definition.schema is msgspec.UNSET else definition.schema,
        signature={"enabled": definition.signed, "cryptoKeyIds": list(definition.key_ids)},
        level_details=definition.level_details,
        add_previous_data=definition.add_previous_data,
        filter=definition.filter,
        time_zone=definition.time_zone,
        retry=None if definition.retry is None else {"schedule": list(definition.retry)},
        timeout=definition.timeout,
        concurrency=definition.concurrency,
        store_bodies=definition.store_bodies,
        ordered=False,
        owner=row.owner,
        created=moment(row.created),
        updated=moment(row.updated),
    )


def _oauth_answer(oauth: OAuthDefinition) -> OAuth2AuthAnswer:
    return OAuth2AuthAnswer(
        grant_type=oauth.grant_type,
        client_id=oauth.client_id,
        auth_url=oauth.auth_url,
        access_token_url=oauth.access_token_url,
        redirect_uri=oauth.redirect_uri,
        scope=oauth.scope,
        client_auth_method=oauth.client_auth_method,
        extra_parameters=oauth.extra_parameters,
    )
