"""``/v1/api-keys``: the keys of an account."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.application.access.api_keys import ApiKeyRecord
from hookward.domain.access.accounts import MAX_NAME
from hookward.domain.access.callers import Scope
from hookward.domain.ids import ApiKeyId, IdPrefix, from_text, to_text
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.listing import ListParams, next_page
from hookward.entrypoints.api.http.requests import read_json
from hookward.entrypoints.api.http.responses import format_timestamp, json_response, secret_response
from hookward.entrypoints.api.http.schemas import CURSOR, Limit, ScopeWord, Wire
from hookward.entrypoints.api.route import Route

_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class ApiKeyCreate(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An API key to make. With an ``owner`` it may hold publish, watches and deliveries, and sees what is theirs."""

    name: _Name
    scopes: Annotated[list[ScopeWord], Meta(min_length=1, max_length=5)]
    owner: _Name | None = None


class ApiKeyOut(Wire, frozen=True):
    """An API key. ``last_used`` is right to the minute or so."""

    id: str
    name: str
    scopes: list[ScopeWord]
    owner: str | None
    created: str | None
    last_used: str | None


class ApiKeyCreatedOut(ApiKeyOut, frozen=True):
    """An API key that was just made: ``key`` is shown this once."""

    key: str


class ApiKeyListOut(Wire, frozen=True):
    """A page of API keys; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[ApiKeyOut]
    next_cursor: str | None


class ApiKeyListParams(Wire, frozen=True, omit_defaults=True):
    """Query parameters of the list of API keys."""

    owner: Annotated[str | UnsetType, Meta(min_length=1, description="Whose.")] = UNSET
    limit: Limit = 50
    cursor: Annotated[str | UnsetType, Meta(pattern="^apk_[0-9a-f]{32}$", description=CURSOR)] = UNSET


async def create_api_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Create an API key; only this response shows its text."""
    record, key = await parts.access.api_keys.create(
        caller.account, await read_json(request), may_operate=caller.may(Scope.OPERATOR)
    )
    shown = present_new_api_key(record, key)
    parts.log.info("api_key.made", api_key_id=shown.id, account=caller.account, scopes=shown.scopes)
    return secret_response(shown, 201, location=f"/v1/api-keys/{shown.id}")


async def list_api_keys(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """List API keys that are not revoked, oldest first."""
    params = ListParams(request)
    params.check_names(("owner", "limit", "cursor"))
    limit, after, owner = params.limit(), params.cursor(IdPrefix.API_KEY), params.read("owner", _owner)
    params.check()
    records = await parts.access.api_keys.list(
        caller.account, owner=owner, after=None if after is None else ApiKeyId(after), limit=limit + 1
    )
    page, cursor = next_page(records, limit, lambda last: to_text(IdPrefix.API_KEY, last.id))
    return json_response(ApiKeyListOut(data=[present_api_key(each) for each in page], next_cursor=cursor))


async def get_api_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Read one API key."""
    return json_response(present_api_key(await parts.access.api_keys.get(caller.account, _api_key_id(request))))


async def revoke_api_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Revoke an API key for good."""
    await parts.access.api_keys.revoke(caller.account, _api_key_id(request))
    parts.log.info("api_key.revoked", api_key_id=request.match_info["apiKeyId"], account=caller.account)
    return web.Response(status=204)


def present_api_key(record: ApiKeyRecord) -> ApiKeyOut:
    """Return an API key as the administrators of its account see it."""
    return ApiKeyOut(
        id=to_text(IdPrefix.API_KEY, record.id),
        name=record.name,
        scopes=list(record.scopes),
        owner=record.owner,
        created=format_timestamp(record.created),
        last_used=format_timestamp(record.last_used),
    )


def present_new_api_key(record: ApiKeyRecord, key: str) -> ApiKeyCreatedOut:
    """Return an API key that was just created, with its text."""
    return ApiKeyCreatedOut(**msgspec.structs.asdict(present_api_key(record)), key=key)


def _api_key_id(request: web.Request) -> ApiKeyId | None:
    id_ = from_text(IdPrefix.API_KEY, request.match_info["apiKeyId"])
    return None if id_ is None else ApiKeyId(id_)


def _owner(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("must be an owner's name")
    return text


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/api-keys",
        scope=Scope.ADMIN,
        handler=create_api_key,
        status=201,
        returns=ApiKeyCreatedOut,
        summary="Make an API key",
        takes=ApiKeyCreate,
        gives=("Location", "Cache-Control"),
    ),
    Route(
        method="GET",
        path="/v1/api-keys",
        scope=Scope.ADMIN,
        handler=list_api_keys,
        status=200,
        returns=ApiKeyListOut,
        summary="List API keys",
        query=ApiKeyListParams,
    ),
    Route(
        method="GET",
        path="/v1/api-keys/{apiKeyId}",
        scope=Scope.ADMIN,
        handler=get_api_key,
        status=200,
        returns=ApiKeyOut,
        summary="Read an API key",
    ),
    Route(
        method="DELETE",
        path="/v1/api-keys/{apiKeyId}",
        scope=Scope.ADMIN,
        handler=revoke_api_key,
        status=204,
        returns=None,
        summary="Revoke an API key",
    ),
)
