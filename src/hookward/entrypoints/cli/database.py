"""Accounts and API keys, managed directly on the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from hookward.bootstrap.cli import AccessServices, open_access
from hookward.config import Settings
from hookward.domain.ids import AccountRef, ApiKeyId, IdPrefix, from_text
from hookward.entrypoints.api.resources.accounts import present_account, present_new_account
from hookward.entrypoints.api.resources.api_keys import present_api_key, present_new_api_key

if TYPE_CHECKING:
    from hookward.application.access.accounts import AccountRecord
    from hookward.application.access.api_keys import ApiKeyRecord
    from hookward.entrypoints.cli.client import JsonObject

_PAGE_SIZE = 200


class DatabaseBackend:
    """Works on the database. Access to the database is enough: no API key is needed, and nothing is forbidden.

    ``account`` is the name or the id of the account that keys are managed of.
    """

    def __init__(self, services: AccessServices, account: str) -> None:
        self._accounts = services.accounts
        self._keys = services.api_keys
        self._account = account

    async def create_key(self, properties: JsonObject) -> JsonObject:
        account = await self._find_account()
        return _to_json(present_new_api_key(*await self._keys.create(account.id, properties, may_operate=True)))

    async def list_keys(self, owner: str | None) -> list[JsonObject]:
        account = await self._find_account()
        rows: list[ApiKeyRecord] = []
        while page := await self._keys.list(
            account.id, owner=owner, after=rows[-1].id if rows else None, limit=_PAGE_SIZE
        ):
            rows += page
        return [_to_json(present_api_key(row)) for row in rows]

    async def revoke_key(self, key_id: str) -> None:
        account = await self._find_account()
        key = from_text(IdPrefix.API_KEY, key_id)
        await self._keys.revoke(account.id, None if key is None else ApiKeyId(key))

    async def create_account(self, properties: JsonObject) -> JsonObject:
        row, first, key = await self._accounts.create(properties)
        return _to_json(present_new_account(row, first, key, days=self._accounts.retention_days(row)))

    async def list_accounts(self) -> list[JsonObject]:
        rows: list[AccountRecord] = []
        while page := await self._accounts.list(after=rows[-1].ref if rows else None, limit=_PAGE_SIZE):
            rows += page
        return [_to_json(present_account(row, days=self._accounts.retention_days(row))) for row in rows]

    async def _find_account(self) -> AccountRecord:
        ref = from_text(IdPrefix.ACCOUNT, self._account)
        return await (self._accounts.named(self._account) if ref is None else self._accounts.get(AccountRef(ref)))


@asynccontextmanager
async def open_database(settings: Settings, account: str) -> AsyncIterator[DatabaseBackend]:
    """Open the configured database, or that of a running ``serve``; raises ConfigError if there is none."""
    async with open_access(settings) as services:
        yield DatabaseBackend(services, account)


def _to_json(response: msgspec.Struct) -> JsonObject:
    decoded: JsonObject = msgspec.to_builtins(response)
    return decoded
