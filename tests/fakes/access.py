"""Accounts and API keys in memory; each port passes the contract suite of the real adapter (``tests/contract``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from hookward.application.access.accounts import AccountRecord
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.application.access.authenticator import FoundKeys, Revocations
from hookward.domain.access.accounts import AccountSettings
from hookward.domain.access.callers import Caller, Scope
from hookward.domain.errors import Conflict, Problem, StoreUnavailable
from hookward.domain.ids import AccountId, AccountRef, ApiKeyId

NOW = datetime(2026, 11, 20, 10, 15, 30, tzinfo=UTC)


def caller_of(account: AccountId, owner: str | None = None) -> Caller:
    """Return a caller of the watches scope."""
    return Caller(account=account, scopes=frozenset({Scope.WATCHES}), owner=owner)


class FakeApiKeys:
    """The ports of API keys. ``down`` makes every call fail; ``asked`` are the digests of each look-up."""

    def __init__(self) -> None:
        self.version = 1
        self.down = False
        self.broken: Exception | None = None
        self.asked: list[list[bytes]] = []
        self.used: list[ApiKeyId] = []
        self.polls = 0
        self._keys: dict[bytes, ApiKeyRecord] = {}
        self._revoked: dict[bytes, int] = {}

    async def add(self, key: ApiKeyRecord) -> ApiKeyRecord:
        stored = self._keys[key.id] = msgspec.structs.replace(key, created=NOW)
        return stored

    async def list(
        self, account: AccountId, *, owner: str | None, after: ApiKeyId | None, limit: int
    ) -> list[ApiKeyRecord]:
        rows = [row for id_, row in sorted(self._keys.items()) if row.account == account and id_ > (after or b"")]
        return [row for row in rows if row.id not in self._revoked and owner in (None, row.owner)][:limit]

    async def one(self, account: AccountId, id_: ApiKeyId) -> ApiKeyRecord | None:
        row = self._keys.get(id_)
        return None if row is None or row.account != account or id_ in self._revoked else row

    async def revoke(self, account: AccountId, id_: ApiKeyId) -> bool:
        if await self.one(account, id_) is None:
            return False
        self.version += 1
        self._revoked[id_] = self.version
        return True

    async def find(self, digests: Sequence[bytes]) -> FoundKeys:
        self._reach()
        self.asked.append(list(digests))
        living = [row for id_, row in self._keys.items() if id_ not in self._revoked]
        return FoundKeys(version=self.version, keys=[row for row in living if row.digest in digests])

    async def revoked_since(self, version: int | None) -> Revocations:
        self._reach()
        self.polls += 1
        since = self.version if version is None else version
        digests = [self._keys[id_].digest for id_, revoked in self._revoked.items() if revoked > since]
        return Revocations(version=self.version, digests=digests)

    async def note_used(self, ids: Sequence[ApiKeyId]) -> None:
        self._reach()
        self.used += ids
        for id_ in ids:
            self._keys[id_] = msgspec.structs.replace(self._keys[id_], last_used=NOW)

    def _reach(self) -> None:
        if self.down:
            raise StoreUnavailable("away")
        if self.broken is not None:
            raise self.broken


class FakeAccounts:
    """An ``AccountStore``; the account ``default`` is there."""

    def __init__(self, keys: FakeApiKeys | None = None) -> None:
        self.keys = keys or FakeApiKeys()
        self._rows: dict[bytes, AccountRecord] = {}
        self._put(AccountRecord(id=AccountId(1), ref=AccountRef(bytes(16)), name="default", created=NOW))

    async def add(self, account: AccountRecord, key: ApiKeyRecord) -> tuple[AccountRecord, ApiKeyRecord]:
        self._check_name(account)
        stored = self._put(msgspec.structs.replace(account, id=AccountId(len(self._rows) + 1), created=NOW))
        return stored, await self.keys.add(msgspec.structs.replace(key, account=stored.id))

    async def list(self, *, after: AccountRef | None, limit: int) -> list[AccountRecord]:
        if after is not None and after not in self._rows:
            return []
        least = 0 if after is None else self._rows[after].id
        return [row for row in self._rows.values() if row.id > least][:limit]

    async def one(self, ref: AccountRef) -> AccountRecord | None:
        return self._rows.get(ref)

    async def named(self, name: str) -> AccountRecord | None:
        return next((row for row in self._rows.values() if row.name == name), None)

    async def change(self, ref: AccountRef, settings: AccountSettings) -> AccountRecord | None:
        row = self._rows.get(ref)
        if row is None:
            return None
        given = msgspec.structs.asdict(settings)
        changed = msgspec.structs.replace(
            row, **{name: value for name, value in given.items() if value is not msgspec.UNSET}
        )
        self._check_name(changed)
        return self._put(changed)

    def forget(self, ref: AccountRef) -> None:
        """Let an account be gone."""
        del self._rows[ref]

    def _check_name(self, account: AccountRecord) -> None:
        if any(row.name == account.name and row.ref != account.ref for row in self._rows.values()):
            message = "another account has this name; choose one that is free"
            raise Conflict(message, (Problem(message=message, pointer="/name"),))

    def _put(self, row: AccountRecord) -> AccountRecord:
        self._rows[row.ref] = row
        return row
