"""What every store of resource types does: PostgreSQL's and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest

from hookward.adapters.postgres.resource_types import PostgresResourceTypes
from hookward.application.events.publisher import Accepted, StaleType
from hookward.application.resource_types.service import ResourceTypeStore, TypeRecord, Watched, row_of
from hookward.application.watches.registry import TypeShape
from hookward.domain.errors import TypeChanged
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import BodyShape, ResourceType, TypePaths
from tests.contract.world import ACCOUNT, World, new_event, new_watch
from tests.fakes.resource_types import FakeTypes

OTHER = AccountId(2)


def new_row(
    name: str = "shop.order", *, account: AccountId = ACCOUNT, scope: tuple[str, ...] = ("shopId",), title: str = "",
    body: BodyShape = BodyShape.WRAPPED, collection: str | None = None,
) -> TypeRecord:  # fmt: skip
    paths = None if collection is None else TypePaths(collection=collection, item=collection + "/{id}")
    return row_of(
        account,
        ResourceType(
            name=name, title=title, scope=scope, identity=("id",), body=body, schema={}, sample={"id": 1}, paths=paths
        ),
    )


class ResourceTypeCase:
    """A store, and how a watch comes to be on one of its types."""

    def __init__(self, store: ResourceTypeStore, watch: Callable[[str], Awaitable[object]]) -> None:
        self.store = store
        self.watch = watch

    async def found(self, *keys: tuple[AccountId, str]) -> list[tuple[str, int]]:
        return sorted((row.name, row.type_version) for row in await self.store.find_types(keys))


def case_of_postgres(world: World) -> ResourceTypeCase:
    async def watch(name: str) -> object:
        return await world.definitions.add_watch(watch_on(name), slots=None, paused=False, key=None)

    return ResourceTypeCase(PostgresResourceTypes(world.database), watch)


def case_of_fake() -> ResourceTypeCase:
    store = FakeTypes()

    async def watch(name: str) -> object:
        store.watched[ACCOUNT, name] += 1
        return None

    return ResourceTypeCase(store, watch)


def watch_on(name: str) -> Any:
    return msgspec.structs.replace(new_watch(), resource_type=name)


@pytest.fixture
async def case(world_or_none: World | None) -> AsyncIterator[ResourceTypeCase]:
    if world_or_none is None:
        yield case_of_fake()
        return
    await world_or_none.value("INSERT INTO account (name) VALUES ('other')")
    yield case_of_postgres(world_or_none)


def gist(row: Any) -> tuple[str, int, BodyShape, str | None]:
    assert isinstance(row, TypeRecord)
    return row.name, row.type_version, row.body, None if row.paths is None else row.paths.collection


async def test_a_type_is_found_by_its_account_only(case):
    given = new_row(body=BodyShape.MERGED, collection="/shops/{shopId}")

    added = await case.store.add_type(given)

    assert gist(added) == ("shop.order", 1, BodyShape.MERGED, "/shops/{shopId}")
    assert (added.definition, added.version) == (given.definition, 2)
    assert await case.found((ACCOUNT, "shop.order"), (ACCOUNT, "no"), (OTHER, "shop.order")) == [("shop.order", 1)]


async def test_a_name_is_taken_once_by_each_account(case):
    added = [await case.store.add_type(new_row(account=account)) for account in (ACCOUNT, ACCOUNT, OTHER)]

    assert [row is not None for row in added] == [True, False, True]


async def test_of_many_who_take_a_name_one_gets_it(case):
    added = await asyncio.gather(*(case.store.add_type(new_row()) for _ in range(5)))

    assert sum(row is not None for row in added) == 1


async def test_a_new_version_replaces_the_old(case):
    await case.store.add_type(new_row())

    replaced = await case.store.replace_type(new_row(title="new", scope=()), scope=())

    assert (gist(replaced)[1], await case.found((ACCOUNT, "shop.order"))) == (2, [("shop.order", 2)])


async def test_the_same_definition_again_is_no_new_version(case):
    added = await case.store.add_type(new_row())

    assert await case.store.replace_type(new_row(), scope=("shopId",)) == added


async def test_what_is_not_there_is_neither_replaced_nor_deleted(case):
    await case.store.add_type(new_row(account=OTHER))

    replaced = await case.store.replace_type(new_row(), scope=("shopId",))

    assert (replaced, await case.store.delete_type(ACCOUNT, "shop.order")) == (None, False)


async def test_a_watched_type_stays_and_keeps_its_scope(case):
    await case.store.add_type(new_row())
    await case.watch("shop.order")
    await case.watch("shop.order")

    outcomes = [
        await case.store.delete_type(ACCOUNT, "shop.order"),
        await case.store.replace_type(new_row(scope=("x",)), scope=("x",)),
    ]

    assert outcomes == [Watched(2), Watched(2)]
    assert gist(await case.store.replace_type(new_row(title="new"), scope=("shopId",)))[1] == 2


async def test_a_deleted_type_is_gone_and_its_name_goes_on_counting(case):
    await case.store.add_type(new_row())

    assert await case.store.delete_type(ACCOUNT, "shop.order") is True
    assert await case.found((ACCOUNT, "shop.order")) == []
    assert gist(await case.store.add_type(new_row()))[1] == 2


async def test_types_are_listed_by_name_behind_a_name(case):
    for name in ("b", "B", "a.b", "a", "c"):
        await case.store.add_type(new_row(name))
    await case.store.add_type(new_row("bb", account=OTHER))
    await case.store.delete_type(ACCOUNT, "c")

    listed = [[row.name for row in await case.store.types(ACCOUNT, after=after, limit=2)] for after in ("", "a", "b")]

    assert listed == [["B", "a"], ["a.b", "b"], []]
    assert [each.name for each in await case.store.type_outlines(ACCOUNT)] == ["B", "a", "a.b", "b"]


async def test_a_type_is_stored_only_beside_those_that_it_was_judged_beside(case):
    await case.store.add_type(new_row("a"))
    beside = await case.store.type_outlines(ACCOUNT)
    assert await case.store.add_type(new_row("b"), beside=beside)

    with pytest.raises(TypeChanged):
        await case.store.add_type(new_row("c"), beside=beside)
    with pytest.raises(TypeChanged):
        await case.store.replace_type(new_row("b", title="new"), scope=("shopId",), beside=[])

    assert await case.found((ACCOUNT, "b"), (ACCOUNT, "c")) == [("b", 1)]
    await case.store.add_type(new_row("theirs", account=OTHER))
    assert await case.store.replace_type(new_row("b", title="new"), scope=("shopId",), beside=beside)


async def test_an_outline_says_where_a_type_is_published(case):
    for name, collection in (("a", "/a/{shopId}"), ("b", None)):
        await case.store.add_type(new_row(name, collection=collection))

    [a, b] = await case.store.type_outlines(ACCOUNT)

    assert (a.paths, b.paths) == (TypePaths(collection="/a/{shopId}", item="/a/{shopId}/{id}"), None)
    assert [row.paths for row in await case.store.find_types([(ACCOUNT, "a")])] == [a.paths]


def own_event(version: int, *, key: bytes | None = None, name: str = "shop.order") -> Any:
    return msgspec.structs.replace(new_event(resource_type=name, type_version=version, key=key), own_type=True)


async def accepted(world: World, events: Sequence[Any]) -> list[str]:
    """What became of each event."""
    answers = await world.events.accept(events)
    stored = {row[0] for row in await world.rows("SELECT id FROM event")}
    words = {StaleType: "outdated", Accepted: "known", type(None): "taken"}
    return [words[type(answers.get(each.id))] + ("" if each.id in stored else ", not stored") for each in events]


async def test_an_event_judged_by_an_old_version_of_its_type_is_not_taken(world):
    types = PostgresResourceTypes(world.database)
    await types.add_type(new_row())
    await types.replace_type(new_row(title="new"), scope=("shopId",))
    events = [own_event(1), own_event(2), own_event(2, name="no.such"), new_event(resource_type="shop.order")]

    outcomes = await accepted(world, events)

    assert outcomes == ["outdated, not stored", "taken", "outdated, not stored", "taken"]
    await types.delete_type(ACCOUNT, "shop.order")
    assert await accepted(world, [own_event(2)]) == ["outdated, not stored"]


async def test_an_outdated_event_takes_no_key_and_a_known_key_answers_whatever_the_type(world):
    types = PostgresResourceTypes(world.database)
    await types.add_type(new_row())

    outcomes = [
        await accepted(world, [own_event(7, key=b"k")]),
        await accepted(world, [own_event(1, key=b"k")]),
        await accepted(world, [own_event(7, key=b"k"), own_event(7, key=b"l")]),
    ]

    assert outcomes == [["outdated, not stored"], ["taken"], ["known, not stored", "outdated, not stored"]]


async def test_what_was_taken_and_is_sent_again_stays_taken_when_its_type_has_changed_since(world):
    types = PostgresResourceTypes(world.database)
    await types.add_type(new_row())
    events = [own_event(1), own_event(1, key=b"k")]
    await accepted(world, events)
    await types.replace_type(new_row(title="new"), scope=("shopId",))

    assert await accepted(world, events) == ["taken", "known"]


async def test_workers_learn_the_shape_of_every_version(world):
    types = PostgresResourceTypes(world.database)
    await types.add_type(new_row(body=BodyShape.MERGED))
    known = (await world.definitions.changes_since(0)).version
    await types.replace_type(new_row(), scope=("shopId",))
    await types.delete_type(ACCOUNT, "shop.order")

    both, second = [(await world.definitions.changes_since(version)).types for version in (0, known)]

    assert list(second) == [TypeShape(ACCOUNT, "shop.order", 2, BodyShape.WRAPPED)]
    assert {each.type_version: each.shape for each in both} == {1: BodyShape.MERGED, 2: BodyShape.WRAPPED}


async def test_an_event_is_stamped_with_a_version_that_covers_its_type(world):
    added = await PostgresResourceTypes(world.database).add_type(new_row())
    assert added is not None
    [event] = await world.accept(own_event(1))

    assert await world.value("SELECT version FROM event WHERE id = $1", event.id) >= added.version


async def test_no_watch_comes_to_be_on_a_type_that_has_just_been_deleted(world):
    types = PostgresResourceTypes(world.database)
    await types.add_type(new_row())
    await types.delete_type(ACCOUNT, "shop.order")

    with pytest.raises(TypeChanged):
        await world.definitions.add_watch(watch_on("shop.order"), slots=None, paused=False, key=None)


async def test_a_watch_and_the_end_of_its_type_never_both_come_to_be(world):
    types = PostgresResourceTypes(world.database)
    for number in range(20):
        name = f"shop.t{number}"
        await types.add_type(new_row(name))

        adding = asyncio.create_task(world.definitions.add_watch(watch_on(name), slots=None, paused=False, key=None))
        deleted = await types.delete_type(ACCOUNT, name)
        await asyncio.wait([adding])

        assert isinstance(adding.exception(), TypeChanged) == (deleted is True)


async def test_a_watch_is_judged_by_the_newest_version_of_its_type(world):
    types = PostgresResourceTypes(world.database)
    await types.add_type(new_row())
    await types.replace_type(new_row(title="new"), scope=("shopId",))
    before = await world.everything()

    with pytest.raises(TypeChanged):
        await world.definitions.add_watch(
            watch_on("shop.order"), slots=None, paused=False, key=None, validated_with_version=1
        )

    assert await world.everything() == before
    for name, version in (("shop.order", 2), ("appointment", 1)):
        await world.definitions.add_watch(
            watch_on(name), slots=None, paused=False, key=None, validated_with_version=version
        )


async def test_a_watch_and_another_scope_of_its_type_never_both_come_to_be(world):
    types = PostgresResourceTypes(world.database)
    for number in range(20):
        name = f"shop.t{number}"
        await types.add_type(new_row(name))

        adding = asyncio.create_task(
            world.definitions.add_watch(watch_on(name), slots=None, paused=False, key=None, validated_with_version=1)
        )
        replaced = await types.replace_type(new_row(name, scope=("x",)), scope=("x",))
        await asyncio.wait([adding])

        assert isinstance(adding.exception(), TypeChanged) == isinstance(replaced, TypeRecord)
