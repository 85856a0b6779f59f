"""Accounts as operators manage them."""

from __future__ import annotations

from typing import Any

import pytest

from hookward.application.access.accounts import AccountRecord, Accounts
from hookward.domain.access.callers import Scope, key_digest
from hookward.domain.errors import Conflict, Invalid, NotFound
from hookward.domain.ids import AccountRef
from tests.fakes.access import FakeAccounts
from tests.fakes.virtual_time import FixedRandom, VirtualClock

pytestmark = pytest.mark.virtual_time

UNKNOWN = AccountRef(b"\xff" * 16)


@pytest.fixture
def store() -> FakeAccounts:
    return FakeAccounts()


@pytest.fixture
def accounts(store: FakeAccounts) -> Accounts:
    return Accounts(store, clock=VirtualClock(), random=FixedRandom(), days=10, max_days=30)


async def make(accounts: Accounts, name: str = "mine", **given: Any) -> AccountRecord:
    return (await accounts.create({"name": name, **given}))[0]


async def test_an_account_comes_with_its_first_admin_key(accounts: Accounts) -> None:
    account, key, text = await accounts.create({"name": "mine", "timeZone": "Europe/Paris", "retentionDays": 3})
    assert (account.name, account.zone, account.retention_days) == ("mine", "Europe/Paris", 3)
    assert (key.account, key.scopes, key.owner, key.digest) == (account.id, (Scope.ADMIN,), None, key_digest(text))


async def test_an_account_that_chooses_nothing_has_the_defaults(accounts: Accounts) -> None:
    account = await make(accounts, timeZone=None, retentionDays=None)
    assert (account.zone, account.retention_days, accounts.retention_days(account)) == (None, None, 10)


async def test_accounts_are_read_named_and_listed(accounts: Accounts) -> None:
    account = await make(accounts)
    assert await accounts.get(account.ref) == await accounts.named("mine") == account
    assert [each.name for each in await accounts.list(limit=9)] == ["default", "mine"]
    assert await accounts.list(after=account.ref, limit=9) == []


async def test_what_is_given_of_an_account_is_changed_and_the_rest_is_left(accounts: Accounts) -> None:
    account = await make(accounts, timeZone="Europe/Paris", retentionDays=3)
    renamed = await accounts.change(account.ref, {"name": "new", "id": "x", "created": "y"})
    assert (renamed.name, renamed.zone, accounts.retention_days(renamed)) == ("new", "Europe/Paris", 3)
    reset = await accounts.change(account.ref, {"timeZone": None, "retentionDays": None})
    assert (reset.name, reset.zone, accounts.retention_days(reset)) == ("new", None, 10)


@pytest.mark.parametrize("ref", [None, UNKNOWN])
async def test_an_account_that_is_not_there_is_not_found(accounts: Accounts, ref: AccountRef | None) -> None:
    with pytest.raises(NotFound):
        await accounts.get(ref)
    with pytest.raises(NotFound):
        await accounts.change(ref, [])
    with pytest.raises(NotFound):
        await accounts.named("unknown")


async def test_an_account_that_goes_while_it_is_changed_is_not_found(store: FakeAccounts) -> None:
    class Vanishing(FakeAccounts):
        async def one(self, ref: AccountRef) -> AccountRecord | None:
            row = await super().one(ref)
            self.forget(ref)
            return row

    accounts = Accounts(Vanishing(), clock=VirtualClock(), random=FixedRandom())
    account = await make(accounts)
    with pytest.raises(NotFound):
        await accounts.change(account.ref, {"name": "new"})


async def test_a_name_that_is_taken_is_a_conflict(accounts: Accounts) -> None:
    account = await make(accounts)
    with pytest.raises(Conflict):
        await make(accounts)
    with pytest.raises(Conflict):
        await accounts.change(account.ref, {"name": "default"})
    assert (await accounts.change(account.ref, {"name": "mine"})).name == "mine"


WRONG = [
    ([], [""]),
    ({"name": 7, "timeZone": "Paris", "retentionDays": 0, "x": 1}, ["/x", "/name", "/timeZone", "/retentionDays"]),
    ({"name": "", "timeZone": 7, "retentionDays": 31}, ["/name", "/timeZone", "/retentionDays"]),
    ({"name": None, "retentionDays": True}, ["/name", "/retentionDays"]),
    ({"name": "a\0", "retentionDays": "3"}, ["/name", "/retentionDays"]),
]


@pytest.mark.parametrize(("given", "pointers"), [*WRONG, ({}, ["/name"]), ({"name": "n", "id": "x"}, ["/id"])])
async def test_everything_wrong_with_an_account_is_named_at_once(
    accounts: Accounts, given: Any, pointers: list[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        await accounts.create(given)
    assert [problem.pointer for problem in refused.value.problems] == pointers


@pytest.mark.parametrize(("given", "pointers"), WRONG)
async def test_everything_wrong_with_a_change_is_named_at_once(
    accounts: Accounts, given: Any, pointers: list[str]
) -> None:
    account = await make(accounts)
    with pytest.raises(Invalid) as refused:
        await accounts.change(account.ref, given)
    assert [problem.pointer for problem in refused.value.problems] == pointers
