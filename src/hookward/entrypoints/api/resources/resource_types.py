"""``/v1/resource-types``: the resource types that accounts add."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.application.resource_types.service import TypeRecord
from hookward.domain.access.callers import Scope
from hookward.domain.errors import Forbidden
from hookward.domain.json import encode_exact
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.resource_types.rules import MAX_TYPE_NAME, is_type_name
from hookward.domain.watches.blocks import Ignored
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.listing import ListParams, cursor_of, next_page
from hookward.entrypoints.api.http.requests import read_json
from hookward.entrypoints.api.http.responses import format_timestamp, json_response
from hookward.entrypoints.api.http.schemas import (
    BodyWord,
    Input,
    Limit,
    Wire,
)
from hookward.entrypoints.api.route import Route

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*$"

_Name = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=MAX_TYPE_NAME)]
_Parameter = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_-]*$", max_length=64)]
_Property = Annotated[str, Meta(min_length=1, max_length=64)]
_Path = Annotated[str, Meta(pattern="^/", max_length=255)]
_Object = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]


class ResourceTypePathsOut(Wire, frozen=True):
    """Where resources of a type live in their own API."""

    collection: str
    item: str


class ResourceTypePathsCreate(Input, frozen=True):
    """Where resources of a type live in their own API, to be published by repeating its requests here.

    ``POST`` on the collection publishes created, ``PUT`` and ``PATCH`` on an item updated, ``DELETE`` on it (a body may
    be left out) deleted, each with the resource as body and answered as ``POST /v1/events`` is; what the path says of
    the identity need not be repeated. ``POST`` on the collection with ``/watch`` registers a watch. Paths also answer
    below the configured prefixes; those that are in use, and ``/v1``, cannot be taken.
    """

    collection: Annotated[_Path, Meta(description="All of them, such as /shops/{shopId}/orders.")]
    item: Annotated[_Path | None, Meta(description="One of them; by default the collection and the identity.")] = None


class ResourceTypeUpdate(Input, frozen=True, kw_only=True):
    """A new version of a resource type."""

    name: Annotated[_Name | None, Meta(description="That of the path, where it is given.")] = None
    identity: Annotated[
        list[_Property], Meta(min_length=1, max_length=4, description="The properties that say which resource it is.")
    ]
    schema: Annotated[dict[str, Any], Meta(description="The JSON Schema (2020-12) of a resource; at most 256 KiB.")]
    sample: Annotated[dict[str, Any], Meta(description="A resource that is valid by the schema; at most 64 KiB.")]
    scope: Annotated[
        list[_Parameter] | None, Meta(max_length=4, description="The parameters that say whose resource it is.")
    ] = None
    body: Annotated[
        Literal["merged", "wrapped"] | None,
        Meta(description="How documents are laid out: the resource at the top, or under resource (default)."),
    ] = None
    keep_state: Annotated[
        bool | None, Meta(description="Whether the last known state of its resources is kept; by default it is.")
    ] = None
    title: Annotated[str | None, Meta(max_length=255, description="Free text.")] = None
    paths: ResourceTypePathsCreate | None = None
    version: Ignored = None
    built_in: Ignored = None
    watch_routes: Ignored = None
    created: Ignored = None
    updated: Ignored = None


class ResourceTypeCreate(ResourceTypeUpdate, frozen=True, kw_only=True):
    """A resource type to add."""

    name: Annotated[_Name, Meta(description="Words joined by dots, such as shop.order.")]


class ResourceTypeOut(Wire, frozen=True):
    """A resource type; ``created`` and ``updated`` are null for a built-in one."""

    name: str
    title: str
    version: int
    built_in: bool
    scope: tuple[str, ...]
    identity: tuple[str, ...]
    body: BodyWord
    keep_state: bool
    paths: ResourceTypePathsOut | None
    watch_routes: tuple[str, ...]
    schema: _Object
    sample: _Object
    created: str | None
    updated: str | None


class ResourceTypeListOut(Wire, frozen=True):
    """A page of resource types; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[ResourceTypeOut]
    next_cursor: str | None


class ResourceTypeListParams(Input, frozen=True):
    """Query parameters of the list of resource types."""

    limit: Limit = 50
    cursor: Annotated[_Name | UnsetType, Meta(description="The nextCursor of the page before.")] = UNSET


async def create_type(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Add a resource type to the account."""
    _whole_account(caller)
    shown = present_type(await parts.resource_types.service.create(caller.account, await read_json(request)))
    response = json_response(shown, 201)
    response.headers["Location"] = f"/v1/resource-types/{quote(shown.name)}"
    return response


async def list_types(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """List the built-in types and those of the account, by name."""
    params = ListParams(request)
    params.check_names(("limit", "cursor"))
    limit, after = params.limit(), params.read("cursor", cursor_of(lambda text: text if is_type_name(text) else None))
    params.check()
    found = await parts.resource_types.service.page(caller.account, after=after or "", limit=limit + 1)
    page, cursor = next_page(found, limit, lambda last: last.name)
    return json_response(ResourceTypeListOut(data=[present_type(each) for each in page], next_cursor=cursor))


async def get_type(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Read one resource type."""
    return json_response(
        present_type(await parts.resource_types.service.get(caller.account, request.match_info["name"]))
    )


async def replace_type(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Make a new version of a resource type; events keep the version that they were accepted under."""
    _whole_account(caller)
    given = await read_json(request)
    return json_response(
        present_type(await parts.resource_types.service.replace(caller.account, request.match_info["name"], given))
    )


async def delete_type(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Delete a resource type that no watch uses."""
    _whole_account(caller)
    await parts.resource_types.service.delete(caller.account, request.match_info["name"])
    return web.Response(status=204)


def _whole_account(caller: Caller) -> None:
    if caller.owner is not None:
        raise Forbidden("resource types are the whole account's; a key with an owner may only read them")


def present_type(found: TypeRecord | ResourceType) -> ResourceTypeOut:
    """Return a resource type as it is shown."""
    if isinstance(found, ResourceType):
        return ResourceTypeOut(
            name=found.name, title=found.title, version=found.version, built_in=True, scope=found.scope,
            identity=found.identity, body=found.body, keep_state=found.keep_state, paths=None,
            watch_routes=found.watch_routes, schema=msgspec.Raw(encode_exact(found.schema)),
            sample=msgspec.Raw(encode_exact(found.sample)), created=None, updated=None,
        )  # fmt: skip
    definition = found.read_definition()
    paths = found.paths
    return ResourceTypeOut(
        name=found.name, title=definition.title, version=found.type_version, built_in=False, scope=definition.scope,
        identity=definition.identity, body=definition.body, keep_state=definition.keep_state,
        paths=None if paths is None else ResourceTypePathsOut(collection=paths.collection, item=paths.item),
        watch_routes=() if paths is None else (paths.watch_route,), schema=definition.schema,
        sample=definition.sample, created=format_timestamp(found.created), updated=format_timestamp(found.updated),
    )  # fmt: skip


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/resource-types",
        scope=Scope.WATCHES,
        handler=create_type,
        status=201,
        returns=ResourceTypeOut,
        summary="Add a resource type",
        takes=ResourceTypeCreate,
        refuses=(409,),
        gives=("Location",),
    ),
    Route(
        method="GET",
        path="/v1/resource-types",
        scope=Scope.WATCHES,
        handler=list_types,
        status=200,
        returns=ResourceTypeListOut,
        summary="List resource types, built-in ones too",
        query=ResourceTypeListParams,
    ),
    Route(
        method="GET",
        path="/v1/resource-types/{name}",
        scope=Scope.WATCHES,
        handler=get_type,
        status=200,
        returns=ResourceTypeOut,
        summary="Read a resource type",
    ),
    Route(
        method="PUT",
        path="/v1/resource-types/{name}",
        scope=Scope.WATCHES,
        handler=replace_type,
        status=200,
        returns=ResourceTypeOut,
        summary="Make a new version of a resource type",
        takes=ResourceTypeUpdate,
    ),
    Route(
        method="DELETE",
        path="/v1/resource-types/{name}",
        scope=Scope.WATCHES,
        handler=delete_type,
        status=204,
        returns=None,
        summary="Delete a resource type that no watch uses",
    ),
)
