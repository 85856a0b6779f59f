"""What an api process knows of the paths of accounts' own types."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hookward.application.resource_types.routes import AccountRouteCache
from hookward.application.resource_types.service import TypeOutline, row_of
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import ResourceType, TypePaths
from hookward.domain.resource_types.routing import Match, OperationIndex
from tests.fakes.resource_types import FakeTypes
from tests.unit.resource_types.resource_types import made_up

ACCOUNT, OTHER = AccountId(1), AccountId(2)


class CountingTypes(FakeTypes):
    """Counts how often an account's types were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.outlined = 0

    async def type_outlines(self, account: AccountId) -> list[TypeOutline]:
        self.outlined += 1
        return await super().type_outlines(account)


@pytest.fixture
def store() -> CountingTypes:
    return CountingTypes()


@pytest.fixture
async def book(store: CountingTypes) -> AsyncIterator[AccountRouteCache]:
    book = AccountRouteCache(store)
    yield book
    await book.close()


def shop_type(word: str = "shops", name: str = "shop.order") -> ResourceType:
    paths = TypePaths(collection=f"/{word}/{{shopId}}/orders", item=f"/{word}/{{shopId}}/orders/{{id}}")
    return replace(made_up(name=name), paths=paths)


async def add(store: FakeTypes, account: AccountId = ACCOUNT, name: str = "shop.order", word: str = "shops") -> None:
    assert await store.add_type(row_of(account, shop_type(word, name)))


def whose(index: OperationIndex, path: str = "/shops/7/orders/1", method: str = "PUT") -> str | None:
    match = index.resolve(method, path)
    return match.type.name if isinstance(match, Match) else None


async def test_paths_are_found_in_their_account_only(book: AccountRouteCache, store: CountingTypes) -> None:
    await add(store)
    assert await store.add_type(row_of(ACCOUNT, made_up(name="without.paths")))
    mine, theirs = [await book.index(account, fresh=False) for account in (ACCOUNT, OTHER)]
    assert [whose(mine), whose(theirs)] == ["shop.order", None]
    assert [index.resolve_watch_route("/shops/7/orders/watch") is not None for index in (mine, theirs)] == [True, False]


async def test_an_index_is_kept_until_the_store_is_asked_and_knows_better(
    book: AccountRouteCache, store: CountingTypes
) -> None:
    await add(store)
    first = await book.index(ACCOUNT, fresh=False)
    assert await book.index(ACCOUNT, fresh=False) is first
    assert store.outlined == 1
    assert await book.index(ACCOUNT, fresh=True) is first
    assert await store.replace_type(row_of(ACCOUNT, shop_type("markets")), scope=("shopId",))
    assert whose(await book.index(ACCOUNT, fresh=False), "/markets/7/orders/1") is None
    assert whose(await book.index(ACCOUNT, fresh=True), "/markets/7/orders/1") == "shop.order"
    assert whose(await book.index(ACCOUNT, fresh=False)) is None


@pytest.mark.parametrize("limits", [{"max_accounts": 2}, {"max_segments": 14}])
async def test_what_is_kept_is_bounded_and_what_was_used_last_stays(
    store: CountingTypes, limits: dict[str, int]
) -> None:
    book = AccountRouteCache(store, **limits)
    for account in (1, 2, 3):
        await add(store, AccountId(account))
        await book.index(AccountId(account), fresh=False)
        await book.index(ACCOUNT, fresh=False)
    asked = store.outlined
    await book.index(ACCOUNT, fresh=False)
    await book.index(AccountId(3), fresh=False)
    assert store.outlined == asked
    await book.index(AccountId(2), fresh=False)
    assert store.outlined == asked + 1


async def test_more_than_is_kept_is_found_all_the_same(store: CountingTypes) -> None:
    book = AccountRouteCache(store, max_accounts=0)
    await add(store)
    assert whose(await book.index(ACCOUNT, fresh=False)) == "shop.order"
