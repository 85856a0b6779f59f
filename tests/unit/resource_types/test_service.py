"""Resource types as accounts manage them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookward.adapters.json_schema import JsonSchemas
from hookward.application.resource_types.service import ResourceTypes, TypeOutline, TypeRecord, row_of
from hookward.application.watches.registry import TypeShape, WatchRegistry
from hookward.domain.errors import Conflict, Invalid, NotFound
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import BodyShape, ResourceType, TypePaths
from hookward.domain.resource_types.paths import operations_of
from tests.fakes.resource_types import FakeTypes
from tests.fakes.stores import FakeDefinitions
from tests.unit.resource_types.resource_types import change_event, made_up

ACCOUNT, OTHER = AccountId(1), AccountId(2)
BUILT_IN = ResourceType(
    name="built.in", scope=("x",), identity=("id",), body=BodyShape.MERGED, schema={}, sample={"id": "1"},
    watch_routes=("/things/{x}/parts/watch",),
)  # fmt: skip


@pytest.fixture
def store() -> FakeTypes:
    return FakeTypes()


@pytest.fixture
def types(store: FakeTypes) -> ResourceTypes:
    return ResourceTypes(store, JsonSchemas(), {BUILT_IN.name: BUILT_IN})


def given(name: str = "shop.order", **more: Any) -> dict[str, Any]:
    return {"name": name, "scope": ["shopId"], "identity": ["id"], "schema": {}, "sample": {"id": "1"}, **more}


PATHS = {"collection": "/shops/{shopId}/orders"}


async def test_a_type_is_kept_as_it_was_given(types: ResourceTypes) -> None:
    row = await types.create(ACCOUNT, given(title="Order", body="merged", keepState=False, paths=PATHS))
    assert row.read_type() == ResourceType(
        name="shop.order", title="Order", scope=("shopId",), identity=("id",), body=BodyShape.MERGED, schema={},
        sample={"id": "1"}, keep_state=False, watch_routes=("/shops/{shopId}/orders/watch",),
        paths=TypePaths(collection="/shops/{shopId}/orders", item="/shops/{shopId}/orders/{id}"),
        operations=operations_of(row.paths, ("id",)),
    )  # fmt: skip
    assert row.paths is not None
    assert await types.get(ACCOUNT, "shop.order") == row


async def test_a_row_says_as_much_as_the_type(types: ResourceTypes) -> None:
    plain = made_up()
    assert row_of(ACCOUNT, plain).read_type() == ResourceType(
        name=plain.name, scope=plain.scope, identity=plain.identity, body=plain.body, schema={}, sample=plain.sample,
        version=0,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["shop.order", "Shop.Order"])
async def test_a_name_is_taken_whatever_its_case(types: ResourceTypes, name: str) -> None:
    await types.create(ACCOUNT, given())
    with pytest.raises(Conflict, match="already"):
        await types.create(ACCOUNT, given(name))
    assert isinstance(await types.create(OTHER, given()), TypeRecord)


async def test_a_name_that_another_takes_meanwhile_is_a_conflict(types: ResourceTypes, store: FakeTypes) -> None:
    async def nothing(_account: AccountId) -> list[Any]:
        return []

    await types.create(ACCOUNT, given())
    store.type_outlines = nothing  # type: ignore[method-assign,assignment]
    with pytest.raises(Conflict, match="already"):
        await types.create(ACCOUNT, given())


async def test_an_account_has_a_bounded_number_of_types(store: FakeTypes) -> None:
    types = ResourceTypes(store, JsonSchemas(), {}, max_types=1)
    await types.create(ACCOUNT, given())
    with pytest.raises(Conflict, match="may have 1 resource types"):
        await types.create(ACCOUNT, given("other"))


async def test_a_replaced_type_has_a_new_version_and_its_own_paths(types: ResourceTypes) -> None:
    await types.create(ACCOUNT, given(paths=PATHS))
    row = await types.replace(ACCOUNT, "shop.order", given(title="new", paths=PATHS))
    assert (row.type_version, row.read_type().title) == (2, "new")


async def test_paths_of_other_types_are_taken(types: ResourceTypes) -> None:
    await types.create(ACCOUNT, given(paths=PATHS))
    await types.create(ACCOUNT, given("plain"))
    await types.create(ACCOUNT, given("far", paths={"collection": "/far/{shopId}", "item": "/far/{shopId}/a/b/{id}"}))
    for collection in (PATHS["collection"], "/things/{shopId}/parts", "/far/{shopId}/a/b"):
        with pytest.raises(Invalid) as refused:
            await types.create(ACCOUNT, given("other", paths={"collection": collection}))
        assert [each.pointer for each in refused.value.problems] == ["/paths/collection"]


async def test_of_two_types_that_come_at_once_one_gets_the_path(types: ResourceTypes) -> None:
    outcomes = await asyncio.gather(
        *[types.create(ACCOUNT, given(name, paths=PATHS)) for name in ("a", "b")], return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["Invalid", "TypeRecord"]


async def test_types_that_keep_changing_are_a_conflict(types: ResourceTypes, store: FakeTypes) -> None:
    async def stale(_account: AccountId) -> list[TypeOutline]:
        return [TypeOutline(name="shop.order", paths=None), TypeOutline(name="gone", paths=None)]

    await types.create(ACCOUNT, given())
    store.type_outlines = stale  # type: ignore[method-assign,assignment]
    for change in (types.create(ACCOUNT, given("other")), types.replace(ACCOUNT, "shop.order", given(title="new"))):
        with pytest.raises(Conflict, match="keep changing"):
            await change


async def test_a_built_in_type_is_read_and_never_changed(types: ResourceTypes) -> None:
    assert await types.get(ACCOUNT, "built.in") is BUILT_IN
    with pytest.raises(Conflict, match="built in"):
        await types.replace(ACCOUNT, "built.in", given())
    with pytest.raises(Conflict, match="built in"):
        await types.delete(ACCOUNT, "built.in")


@pytest.mark.parametrize("name", ["no.such", "no name"])
async def test_what_is_not_there_is_not_found(types: ResourceTypes, name: str) -> None:
    await types.create(OTHER, given())
    for call in (types.get(ACCOUNT, name), types.delete(ACCOUNT, name), types.replace(ACCOUNT, name, given())):
        with pytest.raises(NotFound):
            await call


async def test_a_type_that_goes_while_it_is_replaced_is_not_found(types: ResourceTypes, store: FakeTypes) -> None:
    await types.create(ACCOUNT, given())
    outlines = await store.type_outlines(ACCOUNT)

    async def as_before(_account: AccountId) -> list[Any]:
        return outlines

    await types.delete(ACCOUNT, "shop.order")
    store.type_outlines = as_before  # type: ignore[method-assign,assignment]
    with pytest.raises(NotFound):
        await types.replace(ACCOUNT, "shop.order", given())


@pytest.mark.parametrize(("count", "words"), [(1, "1 watch uses"), (2, "2 watches use")])
async def test_a_watched_type_stays_and_keeps_its_scope(
    types: ResourceTypes, store: FakeTypes, count: int, words: str
) -> None:
    await types.create(ACCOUNT, given())
    store.watched[ACCOUNT, "shop.order"] = count
    with pytest.raises(Conflict, match=words):
        await types.delete(ACCOUNT, "shop.order")
    with pytest.raises(Conflict, match=words):
        await types.replace(ACCOUNT, "shop.order", given(scope=[]))


async def test_all_types_are_listed_by_name(types: ResourceTypes) -> None:
    for name in ("c", "a"):
        await types.create(ACCOUNT, given(name))
    pages = [[each.name for each in await types.page(ACCOUNT, after=after, limit=2)] for after in ("", "built.in")]
    assert pages == [["a", "built.in"], ["c"]]


async def test_a_worker_lays_out_each_event_as_its_version_says() -> None:
    store = FakeDefinitions()
    store.shapes = [
        TypeShape(ACCOUNT, "shop.order", 1, BodyShape.MERGED), TypeShape(ACCOUNT, "shop.order", 2, BodyShape.WRAPPED),
    ]  # fmt: skip
    definitions = WatchRegistry(store, {BUILT_IN.name: BUILT_IN})
    await definitions.refresh()
    events = [change_event(type_version=version, account=account) for version, account in ((1, 1), (2, 1), (1, 2))]
    shapes = [definitions.shape(each) for each in (*events, change_event(resource_type="built.in"))]
    assert shapes == [BodyShape.MERGED, BodyShape.WRAPPED, BodyShape.WRAPPED, BodyShape.MERGED]
