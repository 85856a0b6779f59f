"""``/v1/resource-types``: the types that accounts add."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from aiohttp import web

from hookward.application.resource_types import TypeRow, definition_of
from hookward.domain.errors import Forbidden
from hookward.domain.exact_json import encode_exact
from hookward.domain.resource_type import ResourceType
from hookward.domain.type_rules import is_type_name
from hookward.entrypoints.api.answers import answer, moment
from hookward.entrypoints.api.requests import bad_parameter, check_parameters, limit_of, read_json, together
from hookward.entrypoints.api.service import Caller, Service
from hookward.entrypoints.api.wire_types import PathsAnswer, TypeAnswer, TypeList


async def create_type(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """A type of the account's own."""
    _whole_account(caller)
    shown = type_answer(await service.resource_types.create(caller.account, await read_json(request)))
    response = answer(shown, 201)
    response.headers["Location"] = f"/v1/resource-types/{quote(shown.name)}"
    return response


async def list_types(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Built-in types and the account's, by name."""
    _, limit, after = together(
        lambda: check_parameters(request, ("limit", "cursor")), lambda: limit_of(request), lambda: _cursor(request)
    )
    found = await service.resource_types.page(caller.account, after=after, limit=limit + 1)
    page = found[:limit]
    cursor = page[-1].name if len(found) > limit else None
    return answer(TypeList(data=[type_answer(each) for each in page], next_cursor=cursor))


def _cursor(request: web.Request) -> str:
    after = request.query.get("cursor", "")
    if "cursor" in request.query and not is_type_name(after):
        raise bad_parameter("cursor", "must be a nextCursor of this list")
    return after


async def get_type(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """One type."""
    return answer(type_answer(await service.resource_types.get(caller.account, request.match_info["name"])))


async def replace_type(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """A new version of a type; events keep theirs."""
    _whole_account(caller)
    given = await read_json(request)
    return answer(type_answer(await service.resource_types.replace(caller.account, request.match_info["name"], given)))


async def delete_type(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Delete a type that nobody watches."""
    _whole_account(caller)
    await service.resource_types.delete(caller.account, request.match_info["name"])
    return web.Response(status=204)


def _whole_account(caller: Caller) -> None:
    if caller.owner is not None:
        raise Forbidden("resource types are the whole account's; a key with an owner may only read them")


def type_answer(found: TypeRow | ResourceType) -> TypeAnswer:
    """A type as it is shown."""
    if isinstance(found, ResourceType):
        return TypeAnswer(
            name=found.name, title=found.title, version=found.version, built_in=True, scope=found.scope,
            identity=found.identity, body=found.body, keep_state=found.keep_state, paths=None,
            watch_routes=found.watch_routes, schema=msgspec.Raw(encode_exact(found.schema)),
            sample=msgspec.Raw(encode_exact(found.sample)), created=None, updated=None,
        )  # fmt: skip
    definition = definition_of(found)
    paths = found.paths
    return TypeAnswer(
        name=found.name, title=definition.title, version=found.type_version, built_in=False, scope=definition.scope,
        identity=definition.identity, body=definition.body, keep_state=definition.keep_state,
        paths=None if paths is None else PathsAnswer(collection=paths.collection, item=paths.item),
        watch_routes=() if paths is None else (paths.watch_route,), schema=definition.schema,
        sample=definition.sample, created=moment(found.created), updated=moment(found.updated),
    )  # fmt: skip
