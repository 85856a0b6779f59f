"""``/v1/accounts``: the accounts of the service, for operators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.application.access.accounts import AccountRecord, Accounts
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.domain.access.accounts import MAX_NAME
from hookward.domain.access.callers import Scope
from hookward.domain.ids import AccountRef, IdPrefix, from_text, to_text
from hookward.domain.watches.blocks import Ignored
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.listing import ListParams, next_page
from hookward.entrypoints.api.http.requests import read_json
from hookward.entrypoints.api.http.responses import format_timestamp, json_response, secret_response
from hookward.entrypoints.api.http.schemas import CURSOR, Limit, Wire
from hookward.entrypoints.api.route import Route

_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


_Days = Annotated[int, Meta(ge=1, description="At most as many as are configured.")]


class AccountCreate(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An account to make."""

    name: _Name
    time_zone: str | None = None
    retention_days: _Days | None = None


class AccountPatch(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What to change of an account; null brings a default back."""

    name: _Name | msgspec.UnsetType = msgspec.UNSET
    time_zone: str | msgspec.UnsetType | None = msgspec.UNSET
    retention_days: _Days | msgspec.UnsetType | None = msgspec.UNSET
    id: Ignored = None
    created: Ignored = None


class AccountOut(Wire, frozen=True):
    """An account. ``retention_days`` is what holds, set or by default."""

    id: str
    name: str
    time_zone: str | None
    retention_days: int
    created: str | None


class AccountCreatedOut(AccountOut, frozen=True):
    """An account that was just made: ``key`` is its first admin key, shown this once."""

    key_id: str
    key: str


class AccountListOut(Wire, frozen=True):
    """A page of accounts; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[AccountOut]
    next_cursor: str | None


class AccountListParams(Wire, frozen=True, omit_defaults=True):
    """Query parameters of the list of accounts."""

    limit: Limit = 50
    cursor: Annotated[str | UnsetType, Meta(pattern="^acc_[0-9a-f]{32}$", description=CURSOR)] = UNSET


async def create_account(request: web.Request, _caller: Caller, parts: ApiParts) -> web.Response:
    """Create an account and its first admin key; only this response shows the text of the key."""
    accounts = parts.access.accounts
    record, first, key = await accounts.create(await read_json(request))
    shown = present_new_account(record, first, key, days=accounts.retention_days(record))
    parts.log.info("account.made", account_id=shown.id, account=record.id, api_key_id=shown.key_id)
    return secret_response(shown, 201, location=f"/v1/accounts/{shown.id}")


async def list_accounts(request: web.Request, _caller: Caller, parts: ApiParts) -> web.Response:
    """List accounts, oldest first."""
    params = ListParams(request)
    params.check_names(("limit", "cursor"))
    limit, after = params.limit(), params.cursor(IdPrefix.ACCOUNT)
    params.check()
    accounts = parts.access.accounts
    records = await accounts.list(after=None if after is None else AccountRef(after), limit=limit + 1)
    page, cursor = next_page(records, limit, lambda last: to_text(IdPrefix.ACCOUNT, last.ref))
    return json_response(AccountListOut(data=[_present(each, accounts) for each in page], next_cursor=cursor))


async def get_account(request: web.Request, _caller: Caller, parts: ApiParts) -> web.Response:
    """Read one account."""
    accounts = parts.access.accounts
    return json_response(_present(await accounts.get(_account_ref(request)), accounts))


async def change_account(request: web.Request, _caller: Caller, parts: ApiParts) -> web.Response:
    """Rename an account, or set its time zone or retention."""
    accounts = parts.access.accounts
    return json_response(_present(await accounts.change(_account_ref(request), await read_json(request)), accounts))


def _present(record: AccountRecord, accounts: Accounts) -> AccountOut:
    return present_account(record, days=accounts.retention_days(record))


def present_account(record: AccountRecord, *, days: int) -> AccountOut:
    """Return an account as it is shown; its retention is ``days``."""
    return AccountOut(
        id=to_text(IdPrefix.ACCOUNT, record.ref),
        name=record.name,
        time_zone=record.zone,
        retention_days=days,
        created=format_timestamp(record.created),
    )


def present_new_account(record: AccountRecord, first: ApiKeyRecord, key: str, *, days: int) -> AccountCreatedOut:
    """Return an account that was just created, with its first admin key and the text of that."""
    account = msgspec.structs.asdict(present_account(record, days=days))
    return AccountCreatedOut(**account, key_id=to_text(IdPrefix.API_KEY, first.id), key=key)


def _account_ref(request: web.Request) -> AccountRef | None:
    ref = from_text(IdPrefix.ACCOUNT, request.match_info["accountId"])
    return None if ref is None else AccountRef(ref)


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/accounts",
        scope=Scope.OPERATOR,
        handler=create_account,
        status=201,
        returns=AccountCreatedOut,
        summary="Make an account",
        takes=AccountCreate,
        refuses=(409,),
        gives=("Location", "Cache-Control"),
    ),
    Route(
        method="GET",
        path="/v1/accounts",
        scope=Scope.OPERATOR,
        handler=list_accounts,
        status=200,
        returns=AccountListOut,
        summary="List accounts",
        query=AccountListParams,
    ),
    Route(
        method="GET",
        path="/v1/accounts/{accountId}",
        scope=Scope.OPERATOR,
        handler=get_account,
        status=200,
        returns=AccountOut,
        summary="Read an account",
    ),
    Route(
        method="PATCH",
        path="/v1/accounts/{accountId}",
        scope=Scope.OPERATOR,
        handler=change_account,
        status=200,
        returns=AccountOut,
        summary="Change an account",
        takes=AccountPatch,
    ),
)
