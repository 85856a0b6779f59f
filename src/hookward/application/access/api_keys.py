"""Manage API keys. ``access.authenticator`` uses them to authenticate requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec

from hookward.application.ids import make_id
from hookward.application.ports import Clock, Random
from hookward.domain.access.api_keys import ApiKeyRequest, read_api_key
from hookward.domain.access.callers import KEY_BYTES, Scope, key_digest, key_text
from hookward.domain.errors import NotFound
from hookward.domain.ids import AccountId, ApiKeyId


class ApiKeyRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An API key as stored, with a digest of its text in place of the text."""

    id: ApiKeyId
    account: AccountId
    name: str
    scopes: tuple[Scope, ...]
    digest: bytes
    owner: str | None = None
    created: datetime | None = None
    last_used: datetime | None = None

    def __repr__(self) -> str:
        return f"<ApiKeyRecord {self.id.hex()}>"


class ApiKeyStore(Protocol):
    """Where API keys are stored."""

    async def add(self, key: ApiKeyRecord) -> ApiKeyRecord: ...

    async def list(
        self, account: AccountId, *, owner: str | None, after: ApiKeyId | None, limit: int
    ) -> list[ApiKeyRecord]: ...

    async def one(self, account: AccountId, id_: ApiKeyId) -> ApiKeyRecord | None: ...

    async def revoke(self, account: AccountId, id_: ApiKeyId) -> bool: ...


class ApiKeys:
    """The use cases of an account's administrators."""

    def __init__(self, store: ApiKeyStore, *, clock: Clock, random: Random) -> None:
        self._store = store
        self._clock = clock
        self._random = random

    async def create(self, account: AccountId, given: Any, *, may_operate: bool) -> tuple[ApiKeyRecord, str]:
        """Validate and store a key. Returns it and its text, which is shown only once.

        Raises Invalid, or Forbidden when a caller without ``operator`` (``may_operate``) grants it.
        """
        request = read_api_key(given, may_operate=may_operate)
        row, text = new_api_key(account, request, clock=self._clock, random=self._random)
        return await self._store.add(row), text

    async def list(
        self, account: AccountId, *, owner: str | None = None, after: ApiKeyId | None = None, limit: int
    ) -> list[ApiKeyRecord]:
        """Return keys that were not revoked, oldest first; with ``owner``, only those of that owner."""
        return await self._store.list(account, owner=owner, after=after, limit=limit)

    async def get(self, account: AccountId, id_: ApiKeyId | None) -> ApiKeyRecord:
        """Return a key of this account that was not revoked. Raises NotFound."""
        row = None if id_ is None else await self._store.one(account, id_)
        if row is None:
            raise NotFound(_NO_KEY)
        return row

    async def revoke(self, account: AccountId, id_: ApiKeyId | None) -> None:
        """Revoke a key: within a second it authenticates no request. Raises NotFound."""
        if id_ is None or not await self._store.revoke(account, id_):
            raise NotFound(_NO_KEY)


def new_api_key(
    account: AccountId, request: ApiKeyRequest, *, clock: Clock, random: Random
) -> tuple[ApiKeyRecord, str]:
    """A key that is not stored yet, and its text."""
    text = key_text(random.bytes(KEY_BYTES))
    row = ApiKeyRecord(
        id=ApiKeyId(make_id(clock, random)),
        account=account,
        name=request.name,
        scopes=request.scopes,
        digest=key_digest(text),
        owner=request.owner,
    )
    return row, text


_NO_KEY = "there is no such API key"
