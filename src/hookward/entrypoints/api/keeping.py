"""``/v1/api-keys`` and ``/v1/accounts``: who may come in."""

from __future__ import annotations

from aiohttp import web

from hookward.domain.access import Scope
from hookward.domain.ids import AccountRef, ApiKeyId, Prefix, from_text, to_text
from hookward.entrypoints.api.access_wire import (
    AccountAnswer,
    AccountList,
    ApiKeyList,
    account_answer,
    api_key_answer,
    new_account_answer,
    new_api_key_answer,
)
from hookward.entrypoints.api.answers import answer
from hookward.entrypoints.api.requests import bad_parameter, check_parameters, limit_of, read_json, together
from hookward.entrypoints.api.service import Caller, Service


async def create_api_key(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """An API key; its text is shown this once."""
    row, key = await service.api_keys.create(
        caller.account, await read_json(request), may_operate=caller.may(Scope.OPERATOR)
    )
    shown = new_api_key_answer(row, key)
    service.logger.info("api_key.made", api_key_id=shown.id, account=caller.account, scopes=shown.scopes)
    return _private(answer(shown, 201), f"/v1/api-keys/{shown.id}")


async def list_api_keys(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """API keys that were not revoked, oldest first."""
    _, limit, after, owner = together(
        lambda: check_parameters(request, ("owner", "limit", "cursor")),
        lambda: limit_of(request),
        lambda: _cursor(request, Prefix.API_KEY),
        lambda: _owner(request),
    )
    rows = await service.api_keys.listed(
        caller.account, owner=owner, after=None if after is None else ApiKeyId(after), limit=limit + 1
    )
    page = rows[:limit]
    cursor = to_text(Prefix.API_KEY, page[-1].id) if len(rows) > limit else None
    return answer(ApiKeyList(data=[api_key_answer(row) for row in page], next_cursor=cursor))


async def get_api_key(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """One API key."""
    return answer(api_key_answer(await service.api_keys.get(caller.account, _api_key_id(request))))


async def revoke_api_key(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """End an API key for good."""
    await service.api_keys.revoke(caller.account, _api_key_id(request))
    service.logger.info("api_key.revoked", api_key_id=request.match_info["apiKeyId"], account=caller.account)
    return web.Response(status=204)


async def create_account(request: web.Request, _caller: Caller, service: Service) -> web.Response:
    """An account and its first admin key."""
    row, first, key = await service.accounts.create(await read_json(request))
    shown = new_account_answer(row, first, key, days=service.accounts.retention_days(row))
    service.logger.info("account.made", account_id=shown.id, account=row.id, api_key_id=shown.key_id)
    return _private(answer(shown, 201), f"/v1/accounts/{shown.id}")


async def list_accounts(request: web.Request, _caller: Caller, service: Service) -> web.Response:
    """Accounts, oldest first."""
    _, limit, after = together(
        lambda: check_parameters(request, ("limit", "cursor")),
        lambda: limit_of(request),
        lambda: _cursor(request, Prefix.ACCOUNT),
    )
    rows = await service.accounts.listed(after=None if after is None else AccountRef(after), limit=limit + 1)
    page = rows[:limit]
    cursor = to_text(Prefix.ACCOUNT, page[-1].ref) if len(rows) > limit else None
    shown: list[AccountAnswer] = [account_answer(row, days=service.accounts.retention_days(row)) for row in page]
    return answer(AccountList(data=shown, next_cursor=cursor))


async def get_account(request: web.Request, _caller: Caller, service: Service) -> web.Response:
    """One account."""
    row = await service.accounts.get(_account_ref(request))
    return answer(account_answer(row, days=service.accounts.retention_days(row)))


async def change_account(request: web.Request, _caller: Caller, service: Service) -> web.Response:
    """Rename an account, or set its time zone or retention."""
    row = await service.accounts.change(_account_ref(request), await read_json(request))
    return answer(account_answer(row, days=service.accounts.retention_days(row)))


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


def _cursor(request: web.Request, prefix: Prefix) -> bytes | None:
    text = request.query.get("cursor")
    after = None if text is None else from_text(prefix, text)
    if text is not None and after is None:
        raise bad_parameter("cursor", "must be a nextCursor of this list")
    return after


def _api_key_id(request: web.Request) -> ApiKeyId | None:
    id_ = from_text(Prefix.API_KEY, request.match_info["apiKeyId"])
    return None if id_ is None else ApiKeyId(id_)


def _account_ref(request: web.Request) -> AccountRef | None:
    ref = from_text(Prefix.ACCOUNT, request.match_info["accountId"])
    return None if ref is None else AccountRef(ref)
