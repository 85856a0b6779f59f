"""What every store of accounts does: PostgreSQL's and the one in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import msgspec
import pytest

from hookward.adapters.postgres.accounts import PostgresAccounts
from hookward.application.access.accounts import AccountRecord
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.domain.access.accounts import AccountSettings
from hookward.domain.access.callers import Scope
from hookward.domain.errors import Conflict
from hookward.domain.ids import AccountId, AccountRef, ApiKeyId
from tests.contract.world import World, new_id
from tests.fakes.access import FakeAccounts

Accounts: TypeAlias = PostgresAccounts | FakeAccounts


@pytest.fixture
async def accounts(world_or_none: World | None) -> AsyncIterator[Accounts]:
    if world_or_none is None:
        yield FakeAccounts()
        return
    yield PostgresAccounts(world_or_none.database)


def new_account(name: str, **values: Any) -> AccountRecord:
    return AccountRecord(id=AccountId(0), ref=AccountRef(new_id()), name=name, **values)


def new_key() -> ApiKeyRecord:
    return ApiKeyRecord(
        id=ApiKeyId(new_id()), account=AccountId(0), name="first", scopes=(Scope.ADMIN,), digest=new_id() * 2
    )


async def test_an_account_is_stored_with_its_first_key(accounts):
    given, key = new_account("mine", zone="Europe/Paris", retention_days=3), new_key()

    stored, first = await accounts.add(given, key)

    assert stored.created is not None
    assert msgspec.structs.replace(stored, id=given.id, created=None) == given
    assert (first.account, first.id, first.digest, first.scopes) == (stored.id, key.id, key.digest, (Scope.ADMIN,))
    assert await accounts.one(given.ref) == await accounts.named("mine") == stored


async def test_the_account_default_is_there_from_the_start(accounts):
    default = await accounts.named("default")

    assert (default.id, default.zone, default.retention_days) == (1, None, None)
    assert await accounts.one(default.ref) == default


async def test_accounts_are_listed_page_by_page_oldest_first(accounts):
    for name in "abc":
        await accounts.add(new_account(name), new_key())
    names, after = [], None
    while page := await accounts.list(after=after, limit=2):
        names += [row.name for row in page]
        after = page[-1].ref

    assert names == ["default", "a", "b", "c"]


async def test_an_account_that_is_not_there_is_none(accounts):
    unknown = AccountRef(new_id())

    assert await accounts.one(unknown) is None
    assert await accounts.named("unknown") is None
    assert await accounts.list(after=unknown, limit=9) == []
    assert await accounts.change(unknown, AccountSettings(name="new")) is None


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"name": "new"}, {"name": "new"}),
        ({"zone": None}, {"zone": None}),
        ({"zone": "Asia/Tokyo", "retention_days": None}, {"zone": "Asia/Tokyo", "retention_days": None}),
    ],
)
async def test_what_is_set_is_changed_and_the_rest_is_left(accounts, given, changed):
    before, _ = await accounts.add(new_account("mine", zone="Europe/Paris", retention_days=3), new_key())

    after = await accounts.change(before.ref, AccountSettings(**given))

    assert after == await accounts.one(before.ref) == msgspec.structs.replace(before, **changed)


async def test_a_name_that_is_taken_changes_nothing(accounts):
    mine, _ = await accounts.add(new_account("mine"), new_key())

    with pytest.raises(Conflict):
        await accounts.add(new_account("mine"), new_key())
    with pytest.raises(Conflict):
        await accounts.change(mine.ref, AccountSettings(name="default", zone="Asia/Tokyo"))

    assert [row.name for row in await accounts.list(after=None, limit=9)] == ["default", "mine"]
    assert await accounts.one(mine.ref) == mine


async def test_workers_learn_of_a_zone_by_the_version(world):
    accounts = PostgresAccounts(world.database)
    mine, _ = await accounts.add(new_account("mine", zone="Europe/Paris"), new_key())
    first = await world.definitions.changes_since(1)
    await accounts.change(mine.ref, AccountSettings(zone="Asia/Tokyo"))
    second = await world.definitions.changes_since(first.version)

    assert (first.version, first.zones) == (2, {mine.id: "Europe/Paris"})
    assert (second.version, second.zones) == (3, {mine.id: "Asia/Tokyo"})
    assert (await world.definitions.changes_since(3)).zones == {}
