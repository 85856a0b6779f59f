"""``/v1/api-keys`` and ``/v1/accounts``: who may come in.

The shapes of accounts and API keys.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.application.access.accounts import AccountRecord
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.domain.access.accounts import MAX_NAME
from hookward.domain.access.callers import Scope
from hookward.domain.ids import AccountRef, ApiKeyId, IdPrefix, from_text, to_text
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.requests import bad_parameter, check_parameters, limit_of, read_json, together
from hookward.entrypoints.api.http.responses import format_timestamp, json_response
from hookward.entrypoints.api.http.schemas import Ignored, Limit, ScopeWord, Wire


async def create_api_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """An API key; its text is shown this once."""
    row, key = await parts.access.api_keys.create(
        caller.account, await read_json(request), may_operate=caller.may(Scope.OPERATOR)
    )
    shown = new_api_key_answer(row, key)
    parts.log.info("api_key.made", api_key_id=shown.id, account=caller.account, scopes=shown.scopes)
    return _private(json_response(shown, 201), f"/v1/api-keys/{shown.id}")


async def list_api_keys(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """API keys that were not revoked, oldest first."""
    _, limit, after, owner = together(
        lambda: check_parameters(request, ("owner", "limit", "cursor")),
        lambda: limit_of(request),
        lambda: _cursor(request, IdPrefix.API_KEY),
        lambda: _owner(request),
    )
    rows = await parts.access.api_keys.listed(
        caller.account, owner=owner, after=None if after is None else ApiKeyId(after), limit=limit + 1
    )
    page = rows[:limit]
    cursor = to_text(IdPrefix.API_KEY, page[-1].id) if len(rows) > limit else None
    return json_response(ApiKeyList(data=[api_key_answer(row) for row in page], next_cursor=cursor))


async def get_api_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """One API key."""
    return json_response(api_key_answer(await parts.access.api_keys.get(caller.account, _api_key_id(request))))


async def revoke_api_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """End an API key for good."""
    await parts.access.api_keys.revoke(caller.account, _api_key_id(request))
    parts.log.info("api_key.revoked", api_key_id=request.match_info["apiKeyId"], account=caller.account)
    return web.Response(status=204)


async def create_account(request: web.Request, _caller: Caller, parts: ApiParts) -> web.Response:
    """An account and its first admin key."""
    row, first, key = await parts.access.accounts.create(await read_json(request))
    shown = new_account_answer(row, first, key, days=parts.access.accounts.retention_days(row))
    parts.log.info("account.made", account_id=shown.id, account=row.id, api_key_id=shown.key_id)
    return _private(json_response(shown, 201), f"/v1/accounts/{shown.id}")


async def list_accounts(request: web.Request, _caller: Caller, parts: ApiParts) -> web.Response:
    """Accounts, oldest first."""
    _, limit, after = together(
        lambda: check_parameters(request, ("limit", "cursor")),
        lambda: limit_of(request),
        lambda: _cursor(request, IdPrefix.ACCOUNT),
    )
    rows = await parts.access.accounts.listed(after=None if after is None else AccountRef(after), limit=limit + 1)
    page = rows[:limit]
    cursor = to_text(IdPrefix.ACCOUNT, page[-1].ref) if len(rows) > limit else None
    shown: list[AccountAnswer] = [account_answer(row, days=parts.access.accounts.retention_days(row)) for row in page]
    return json_response(AccountList(data=shown, next_cursor=cursor))


async def get_account(request: web.Request, _caller: Caller, parts: ApiParts) -> web.Response:
    """One account."""
    row = await parts.access.accounts.get(_account_ref(request))
    return json_response(account_answer(row, days=parts.access.accounts.retention_days(row)))


async def change_account(request: web.Request, _caller: Caller, parts: ApiParts) -> web.Response:
    """Rename an account, or set its time zone or retention."""
    row = await parts.access.accounts.change(_account_ref(request), await read_json(request))
    return json_response(account_answer(row, days=parts.access.accounts.retention_days(row)))


def _private(response: web.Response, location: str) -> web.Response:
    """An answer that holds a secret: nothing on the way may keep it (RFC 9111 §5.2.2.5)."""
    response.headers["Location"] = location
    response.headers["Cache-Control"] = "no-store"
    return response


def _owner(request: web.Request) -> str | None:
    owner = request.query.get("owner")
    if owner is not None and ("\0" in owner or not owner):
        raise bad_parameter("owner", "must be an owner's name")
    return owner


def _cursor(request: web.Request, prefix: IdPrefix) -> bytes | None:
    text = request.query.get("cursor")
    after = None if text is None else from_text(prefix, text)
    if text is not None and after is None:
        raise bad_parameter("cursor", "must be a nextCursor of this list")
    return after


def _api_key_id(request: web.Request) -> ApiKeyId | None:
    id_ = from_text(IdPrefix.API_KEY, request.match_info["apiKeyId"])
    return None if id_ is None else ApiKeyId(id_)


def _account_ref(request: web.Request) -> AccountRef | None:
    ref = from_text(IdPrefix.ACCOUNT, request.match_info["accountId"])
    return None if ref is None else AccountRef(ref)


_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Days = Annotated[int, Meta(ge=1, description="At most as many as are configured.")]
_CURSOR = "The nextCursor of the page before."


class NewApiKey(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An API key to make. With an ``owner`` it may hold publish, watches and deliveries, and sees what is theirs."""

    name: _Name
    scopes: Annotated[list[ScopeWord], Meta(min_length=1, max_length=5)]
    owner: _Name | None = None


class ApiKeyAnswer(Wire, frozen=True):
    """An API key. ``last_used`` is right to the minute or so."""

    id: str
    name: str
    scopes: list[ScopeWord]
    owner: str | None
    created: str | None
    last_used: str | None


class NewApiKeyAnswer(ApiKeyAnswer, frozen=True):
    """An API key that was just made: ``key`` is shown this once."""

    key: str


class ApiKeyList(Wire, frozen=True):
    """A page of API keys; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[ApiKeyAnswer]
    next_cursor: str | None


class ApiKeyFilters(Wire, frozen=True, omit_defaults=True):
    """Query parameters of the list of API keys."""

    owner: Annotated[str | UnsetType, Meta(min_length=1, description="Whose.")] = UNSET
    limit: Limit = 50
    cursor: Annotated[str | UnsetType, Meta(pattern="^apk_[0-9a-f]{32}$", description=_CURSOR)] = UNSET


class NewAccount(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An account to make."""

    name: _Name
    time_zone: str | None = None
    retention_days: _Days | None = None


class AccountChanges(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What to change of an account; null brings a default back."""

    name: _Name | msgspec.UnsetType = msgspec.UNSET
    time_zone: str | msgspec.UnsetType | None = msgspec.UNSET
    retention_days: _Days | msgspec.UnsetType | None = msgspec.UNSET
    id: Ignored = None
    created: Ignored = None


class AccountAnswer(Wire, frozen=True):
    """An account. ``retention_days`` is what holds, set or by default."""

    id: str
    name: str
    time_zone: str | None
    retention_days: int
    created: str | None


class NewAccountAnswer(AccountAnswer, frozen=True):
    """An account that was just made: ``key`` is its first admin key, shown this once."""

    key_id: str
    key: str


class AccountList(Wire, frozen=True):
    """A page of accounts; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[AccountAnswer]
    next_cursor: str | None


class Page(Wire, frozen=True, omit_defaults=True):
    """Query parameters of the list of accounts."""

    limit: Limit = 50
    cursor: Annotated[str | UnsetType, Meta(pattern="^acc_[0-9a-f]{32}$", description=_CURSOR)] = UNSET


def api_key_answer(row: ApiKeyRecord) -> ApiKeyAnswer:
    """An API key as its account's administrators see it."""
    return ApiKeyAnswer(
        id=to_text(IdPrefix.API_KEY, row.id),
        name=row.name,
        scopes=list(row.scopes),
        owner=row.owner,
        created=format_timestamp(row.created),
        last_used=format_timestamp(row.last_used),
    )


def new_api_key_answer(row: ApiKeyRecord, key: str) -> NewApiKeyAnswer:
    """An API key with its text."""
    return NewApiKeyAnswer(**msgspec.structs.asdict(api_key_answer(row)), key=key)


def account_answer(row: AccountRecord, *, days: int) -> AccountAnswer:
    """An account whose retention is ``days``."""
    return AccountAnswer(
        id=to_text(IdPrefix.ACCOUNT, row.ref),
        name=row.name,
        time_zone=row.zone,
        retention_days=days,
        created=format_timestamp(row.created),
    )


def new_account_answer(row: AccountRecord, first: ApiKeyRecord, key: str, *, days: int) -> NewAccountAnswer:
    """An account with its first key and that key's text."""
    shown = msgspec.structs.asdict(account_answer(row, days=days))
    return NewAccountAnswer(**shown, key_id=to_text(IdPrefix.API_KEY, first.id), key=key)
