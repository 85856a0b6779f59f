"""What an api process knows of resource types, and how it asks for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hookward.adapters.json_schema import JsonSchemas, ResourceSchema
from hookward.application.resource_types.cache import ResourceTypeCache
from hookward.application.resource_types.service import row_of
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import CompiledType
from tests.fakes.resource_types import FakeTypes
from tests.unit.resource_types.resource_types import made_up

ACCOUNT, OTHER = AccountId(1), AccountId(2)
BUILT_IN = {"built.in": CompiledType(made_up(), ResourceSchema({}))}


@pytest.fixture
def store() -> FakeTypes:
    return FakeTypes()


@pytest.fixture
async def book(store: FakeTypes) -> AsyncIterator[ResourceTypeCache]:
    book = ResourceTypeCache(BUILT_IN, store, JsonSchemas())
    yield book
    await book.close()


async def add(store: FakeTypes, account: AccountId = ACCOUNT, name: str = "shop.order") -> None:
    assert await store.add_type(row_of(account, made_up(name=name)))


async def replace(store: FakeTypes, title: str = "new") -> None:
    assert await store.replace_type(row_of(ACCOUNT, made_up(title=title)), scope=("shopId",))


async def test_a_built_in_type_is_known_without_asking(book: ResourceTypeCache, store: FakeTypes) -> None:
    assert await book.learn(ACCOUNT, "built.in") is False
    assert await book.find(ACCOUNT, "built.in") is BUILT_IN["built.in"]
    assert (book.known(ACCOUNT, "built.in"), store.asked) == (BUILT_IN["built.in"], [])


async def test_a_type_is_looked_up_once_and_known_to_its_account_only(
    book: ResourceTypeCache, store: FakeTypes
) -> None:
    await add(store)
    looked = [await book.learn(account, "shop.order") for account in (ACCOUNT, ACCOUNT, OTHER)]
    assert looked == [True, False, True]
    assert [book.known(account, "shop.order") is not None for account in (ACCOUNT, OTHER)] == [True, False]
    assert len(store.asked) == 2


async def test_an_unknown_name_is_asked_for_again_every_time(book: ResourceTypeCache, store: FakeTypes) -> None:
    await book.learn(ACCOUNT, "shop.order")
    await add(store)
    await book.learn(ACCOUNT, "shop.order")
    assert book.known(ACCOUNT, "shop.order") is not None


@pytest.mark.parametrize("name", ["", "no name", "x" * 65, "\0", "é"])
async def test_what_cannot_be_a_name_is_not_asked_for(book: ResourceTypeCache, store: FakeTypes, name: str) -> None:
    await book.learn(ACCOUNT, name)
    assert (await book.find(ACCOUNT, name), await book.find(ACCOUNT, 7), store.asked) == (None, None, [])


async def test_a_flood_of_unknown_names_asks_one_question_at_a_time(book: ResourceTypeCache, store: FakeTypes) -> None:
    store.gate.clear()
    flood = [asyncio.create_task(book.learn(ACCOUNT, f"x.n{number}")) for number in range(1 + 64 + 64)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(*flood)
    assert [len(asked) for asked in store.asked] == [64, 64, 1]


async def test_who_comes_while_a_question_is_under_way_shares_the_next(
    book: ResourceTypeCache, store: FakeTypes
) -> None:
    store.gate.clear()
    first = asyncio.create_task(book.learn(ACCOUNT, "shop.order"))
    while not store.asked:
        await asyncio.sleep(0)
    later = [asyncio.create_task(book.learn(ACCOUNT, "shop.order")) for _ in range(5)]
    await asyncio.sleep(0)
    later[0].cancel()
    store.gate.set()
    await asyncio.gather(first, *later[1:])
    assert len(store.asked) == 2


async def test_a_store_that_is_away_is_told_to_all_who_asked(book: ResourceTypeCache, store: FakeTypes) -> None:
    store.away = True
    outcomes = await asyncio.gather(*(book.learn(ACCOUNT, "a.b") for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [StoreUnavailable] * 3
    store.away = False
    assert await book.learn(ACCOUNT, "a.b") is True


async def test_a_type_that_changed_is_found_as_it_is_now(book: ResourceTypeCache, store: FakeTypes) -> None:
    await add(store)
    first = await book.find(ACCOUNT, "shop.order")
    assert await book.find(ACCOUNT, "shop.order") is first
    await replace(store)
    second = await book.find(ACCOUNT, "shop.order")
    assert [first and first.type.version, second and second.type.version] == [1, 2]
    await store.delete_type(ACCOUNT, "shop.order")
    assert await book.find(ACCOUNT, "shop.order") is None


async def test_only_the_version_that_is_old_is_forgotten(book: ResourceTypeCache, store: FakeTypes) -> None:
    await add(store)
    await book.learn(ACCOUNT, "shop.order")
    book.forget(ACCOUNT, "shop.order", 7)
    assert book.known(ACCOUNT, "shop.order") is not None
    book.forget(ACCOUNT, "shop.order", 1)
    book.forget(ACCOUNT, "shop.order")
    assert book.known(ACCOUNT, "shop.order") is None


async def test_what_is_unknown_has_the_names_listed_that_there_are(book: ResourceTypeCache, store: FakeTypes) -> None:
    await add(store)
    await book.learn(ACCOUNT, "x.y")
    assert (book.names(ACCOUNT), book.names(OTHER)) == (["built.in", "shop.order"], ["built.in"])


@pytest.mark.parametrize("limits", [{"max_types": 2}, {"max_type_bytes": 300}])
async def test_what_is_kept_is_bounded_and_what_was_used_last_stays(store: FakeTypes, limits: dict[str, int]) -> None:
    book = ResourceTypeCache(BUILT_IN, store, JsonSchemas(), **limits)
    for name in ("a", "b", "c"):
        await add(store, name=name)
        await book.learn(ACCOUNT, name)
        book.known(ACCOUNT, "a")
    assert [book.known(ACCOUNT, name) is not None for name in ("a", "b", "c")] == [True, False, True]


async def test_names_are_kept_of_a_bounded_number_of_accounts(store: FakeTypes) -> None:
    book = ResourceTypeCache(BUILT_IN, store, JsonSchemas(), max_name_lists=1)
    for account in (ACCOUNT, OTHER):
        await add(store, account)
        await book.learn(account, "x.y")
    assert [len(book.names(account)) for account in (ACCOUNT, OTHER)] == [1, 2]


async def test_closing_waits_for_the_question_under_way(store: FakeTypes) -> None:
    book = ResourceTypeCache(BUILT_IN, store, JsonSchemas())
    store.gate.clear()
    asking = asyncio.create_task(book.learn(ACCOUNT, "a.b"))
    while not store.asked:
        await asyncio.sleep(0)
    closing = asyncio.create_task(book.close())
    await asyncio.sleep(0)
    assert not closing.done()
    store.gate.set()
    await closing
    assert await asking is True
