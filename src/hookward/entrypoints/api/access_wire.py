"""The shapes of accounts and API keys."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookward.application.accounts import AccountRow
from hookward.application.api_keys import ApiKeyRow
from hookward.domain.account_rules import MAX_NAME
from hookward.domain.ids import Prefix, to_text
from hookward.entrypoints.api.answers import moment
from hookward.entrypoints.api.wire import Wire
from hookward.entrypoints.api.wire_requests import Ignored, Limit
from hookward.entrypoints.api.wire_words import ScopeWord

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


def api_key_answer(row: ApiKeyRow) -> ApiKeyAnswer:
    """An API key as its account's administrators see it."""
    return ApiKeyAnswer(
        id=to_text(Prefix.API_KEY, row.id),
        name=row.name,
        scopes=list(row.scopes),
        owner=row.owner,
        created=moment(row.created),
        last_used=moment(row.last_used),
    )


def new_api_key_answer(row: ApiKeyRow, key: str) -> NewApiKeyAnswer:
    """An API key with its text."""
    return NewApiKeyAnswer(**msgspec.structs.asdict(api_key_answer(row)), key=key)


def account_answer(row: AccountRow, *, days: int) -> AccountAnswer:
    """An account whose retention is ``days``."""
    return AccountAnswer(
        id=to_text(Prefix.ACCOUNT, row.ref),
        name=row.name,
        time_zone=row.zone,
        retention_days=days,
        created=moment(row.created),
    )


def new_account_answer(row: AccountRow, first: ApiKeyRow, key: str, *, days: int) -> NewAccountAnswer:
    """An account with its first key and that key's text."""
    shown = msgspec.structs.asdict(account_answer(row, days=days))
    return NewAccountAnswer(**shown, key_id=to_text(Prefix.API_KEY, first.id), key=key)
