"""Manage accounts, the tenants of the service."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec

from hookward.application.access.api_keys import ApiKeyRecord, new_api_key
from hookward.application.ids import make_id
from hookward.application.ports import Clock, Random
from hookward.domain.access.accounts import AccountSettings, read_account
from hookward.domain.access.api_keys import ApiKeyRequest
from hookward.domain.access.callers import Scope
from hookward.domain.errors import NotFound
from hookward.domain.ids import AccountId, AccountRef

_NOT_STORED = AccountId(0)
_FIRST_KEY = ApiKeyRequest(name="first admin key", scopes=(Scope.ADMIN,))


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An account as stored. ``retention_days`` is ``None`` for the configured default."""

    id: AccountId
    ref: AccountRef
    name: str
    zone: str | None = None
    retention_days: int | None = None
    created: datetime | None = None


class AccountStore(Protocol):
    """Where accounts are stored. A name that is in use raises Conflict."""

    async def add(self, account: AccountRecord, key: ApiKeyRecord) -> tuple[AccountRecord, ApiKeyRecord]:
        """Store both, and return them with the number of the account."""
        ...

    async def list(self, *, after: AccountRef | None, limit: int) -> list[AccountRecord]: ...

    async def one(self, ref: AccountRef) -> AccountRecord | None: ...

    async def named(self, name: str) -> AccountRecord | None: ...

    async def change(self, ref: AccountRef, settings: AccountSettings) -> AccountRecord | None: ...


class Accounts:
    """The use cases of operators. ``days`` is the default retention of an account, ``max_days`` the longest allowed."""

    def __init__(
        self, store: AccountStore, *, clock: Clock, random: Random, days: int = 10, max_days: int = 90
    ) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._days = days
        self._max_days = max_days

    async def create(self, given: Any) -> tuple[AccountRecord, ApiKeyRecord, str]:
        """Validate and store an account. Returns it, its first key, and the text of that key, which is shown only once.

        Raises Invalid, or Conflict when the name is in use.
        """
        settings = read_account(given, max_days=self._max_days, whole=True)
        account = AccountRecord(
            id=_NOT_STORED,
            ref=AccountRef(make_id(self._clock, self._random)),
            name=str(settings.name),
            zone=settings.zone or None,
            retention_days=settings.retention_days or None,
        )
        key, text = new_api_key(_NOT_STORED, _FIRST_KEY, clock=self._clock, random=self._random)
        stored, first = await self._store.add(account, key)
        return stored, first, text

    async def list(self, *, after: AccountRef | None = None, limit: int) -> list[AccountRecord]:
        """Return accounts, oldest first."""
        return await self._store.list(after=after, limit=limit)

    async def get(self, ref: AccountRef | None) -> AccountRecord:
        """Return an account. Raises NotFound."""
        row = None if ref is None else await self._store.one(ref)
        if row is None:
            raise NotFound(_NO_ACCOUNT)
        return row

    async def named(self, name: str) -> AccountRecord:
        """Return an account by its name. Raises NotFound."""
        row = await self._store.named(name)
        if row is None:
            raise NotFound(_NO_ACCOUNT)
        return row

    async def change(self, ref: AccountRef | None, given: Any) -> AccountRecord:
        """Change the given properties of an account. Raises NotFound, Invalid, or Conflict when the name is in use."""
        await self.get(ref)
        settings = read_account(given, max_days=self._max_days, whole=False)
        row = None if ref is None else await self._store.change(ref, settings)
        if row is None:
            raise NotFound(_NO_ACCOUNT)
        return row

    def retention_days(self, account: AccountRecord) -> int:
        """Return for how many days an account keeps its log."""
        return account.retention_days or self._days


_NO_ACCOUNT = "there is no such account"
