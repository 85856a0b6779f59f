"""What every source of definitions does: PostgreSQL's and the one in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import msgspec
import pytest

from hookward.adapters.postgres.crypto_keys import PostgresCryptoKeys
from hookward.adapters.postgres.watches import PostgresWatches
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.watches.registry import DefinitionDelta, WatchQuery
from hookward.domain.ids import AccountId, CryptoKeyId
from hookward.domain.watches.model import WatchDefinition, WatchStatus
from tests.contract.world import ACCOUNT, World, new_id, new_watch
from tests.fakes.stores import FakeDefinitions

Source: TypeAlias = PostgresWatches | FakeDefinitions


@pytest.fixture
async def source(world_or_none: World | None) -> AsyncIterator[Source]:
    if world_or_none is None:
        yield FakeDefinitions()
        return
    yield world_or_none.definitions


@pytest.fixture
def keys(source) -> PostgresCryptoKeys | FakeDefinitions:
    """Where keys are added: the same store."""
    return source if isinstance(source, FakeDefinitions) else PostgresCryptoKeys(source._pool)


def new_key() -> KeyRecord:
    return KeyRecord(id=CryptoKeyId(new_id()), account=ACCOUNT, definition=b"{}", secret=b"sealed")


def gist(changes: DefinitionDelta) -> tuple[int, list[tuple[bytes, int, bool]], list[tuple[bytes, int]]]:
    return (
        changes.version,
        sorted((watch.id, watch.version, watch.deleted) for watch in changes.watches),
        sorted((key.id, key.version) for key in changes.keys),
    )


async def test_a_fresh_store_has_a_version_and_nothing_else(source):
    assert gist(await source.changes_since(0)) == (1, [], [])


async def test_every_change_has_a_version_of_its_own(source, keys):
    first = await source.add_watch(new_watch(), slots=None, paused=False, key=None)
    key = await keys.add_key(new_key())
    second = await source.add_watch(new_watch(), slots=None, paused=False, key=None)

    assert [first.version, key.version, second.version] == [2, 3, 4]
    assert gist(await source.changes_since(0)) == (
        4,
        [(first.id, 2, False), (second.id, 4, False)],
        [(key.id, 3)],
    )


async def test_a_watch_is_active_from_the_version_of_its_creation(source):
    watch = await source.add_watch(new_watch(), slots=None, paused=False, key=None)

    assert watch.active_since == watch.version == (await source.changes_since(0)).version


async def test_only_what_changed_after_a_version_is_told(source):
    first = await source.add_watch(new_watch(), slots=None, paused=False, key=None)
    second = await source.add_watch(new_watch(), slots=None, paused=False, key=None)

    told = [gist(await source.changes_since(version)) for version in (first.version, second.version)]

    assert told == [(3, [(second.id, 3, False)], []), (3, [], [])]


async def test_a_key_that_is_made_with_a_watch_comes_with_it(source):
    key = new_key()

    watch = await source.add_watch(new_watch(), slots=None, paused=False, key=key)

    assert gist(await source.changes_since(1)) == (2, [(watch.id, 2, False)], [(key.id, 2)])


async def test_a_deleted_watch_leaves_a_tombstone_without_secrets(source):
    watch = await source.add_watch(new_watch(), slots=None, paused=False, key=None)

    assert await source.delete_watch(ACCOUNT, watch.id, reason="why")

    changes = await source.changes_since(watch.version)
    assert (gist(changes), changes.watches[0].secrets) == ((3, [(watch.id, 3, True)], []), None)


@pytest.mark.parametrize("whose", ["another account's", "deleted"])
async def test_a_watch_that_is_not_there_cannot_be_deleted(source, whose):
    watch = await source.add_watch(new_watch(), slots=None, paused=False, key=None)
    if whose == "deleted":
        await source.delete_watch(ACCOUNT, watch.id, reason="why")
    before = gist(await source.changes_since(0))

    deleted = await source.delete_watch(ACCOUNT if whose == "deleted" else AccountId(2), watch.id, reason="again")

    assert (deleted, gist(await source.changes_since(0))) == (False, before)


@pytest.mark.parametrize(("asking", "found"), [(None, True), ("one", True), ("other", False)])
async def test_an_owners_watch_and_key_are_there_for_that_owner_and_for_the_account(source, keys, asking, found):
    watch = await source.add_watch(
        msgspec.structs.replace(new_watch(), owner="one"), slots=None, paused=False, key=None
    )
    key = await keys.add_key(msgspec.structs.replace(new_key(), owner="one"))
    before = (await source.changes_since(0)).version

    seen = [
        await source.watch(ACCOUNT, watch.id, owner=asking) == watch,
        await source.watches(WatchQuery(account=ACCOUNT, limit=9, owner=asking)) == [watch],
        await source.keys(ACCOUNT, [key.id], owner=asking) == [key],
        await source.delete_watch(ACCOUNT, watch.id, reason="why", owner=asking),
    ]

    assert (seen, (await source.changes_since(0)).version) == ([found] * 4, before + found)


async def test_what_is_the_accounts_own_is_no_owners(source, keys):
    watch = await source.add_watch(new_watch(), slots=None, paused=False, key=None)
    key = await keys.add_key(new_key())

    assert await source.watch(ACCOUNT, watch.id, owner="one") is None
    assert await source.watches(WatchQuery(account=ACCOUNT, limit=9, owner="one")) == []
    assert await source.keys(ACCOUNT, [key.id], owner="one") == []
    assert not await source.delete_watch(ACCOUNT, watch.id, reason="why", owner="one")


async def changed(source: Source, watch: WatchRecord, **values: Any) -> WatchRecord | None:
    given = msgspec.structs.replace(watch, **values)
    return await source.change_watch(given, slots=None, paused=given.status == 2, reason="why", key=None)


async def test_a_changed_watch_is_told_at_a_new_version(source):
    watch = await source.add_watch(new_watch(), slots=None, paused=False, key=None)

    now = await changed(source, watch, definition=b'{"address":"http://b/"}', secrets=None, status_reason="r")

    assert now is not None
    assert (now.version, now.definition, now.secrets, now.status_reason, now.lane, now.active_since, now.created) == (
        3, b'{"address":"http://b/"}', None, "r", watch.lane, watch.active_since, watch.created,
    )  # fmt: skip
    assert gist(await source.changes_since(watch.version)) == (3, [(watch.id, 3, False)], [])
    assert await source.watch(ACCOUNT, watch.id) == now


async def test_a_key_made_with_a_change_comes_with_it(source):
    watch, key = await source.add_watch(new_watch(), slots=None, paused=False, key=None), new_key()

    await source.change_watch(watch, slots=None, paused=False, reason="why", key=key)

    assert gist(await source.changes_since(2)) == (3, [(watch.id, 3, False)], [(key.id, 3)])


@pytest.mark.parametrize("why", ["changed", "deleted", "another account's"])
async def test_a_watch_that_is_not_as_it_was_is_neither_changed_nor_deleted(source, why):
    watch = await source.add_watch(new_watch(), slots=None, paused=False, key=None)
    if why == "changed":
        await changed(source, watch)
    if why == "deleted":
        await source.delete_watch(ACCOUNT, watch.id, reason="why")
    stale = msgspec.structs.replace(watch, account=AccountId(2)) if why == "another account's" else watch
    before = gist(await source.changes_since(0))

    assert await source.change_watch(stale, slots=None, paused=False, reason="why", key=new_key()) is None
    assert not await source.delete_watch(stale.account, stale.id, reason="why", version=stale.version)

    assert gist(await source.changes_since(0)) == before


async def test_a_watch_is_deleted_at_the_version_that_is_meant(source):
    watch = await source.add_watch(new_watch(), slots=None, paused=False, key=None)

    assert await source.delete_watch(ACCOUNT, watch.id, reason="why", version=watch.version)


@pytest.mark.parametrize(("path", "new_lane"), [((2, 1), False), ((3, 3), False), ((3, 1), True), ((3, 2), True)])
async def test_only_a_watch_that_was_disabled_becomes_active_again_in_a_new_lane(source, path, new_lane):
    watch = now = await source.add_watch(new_watch(), slots=None, paused=False, key=None)
    for status in path:
        now = await changed(source, now, status=status, definition=b'{"address":"http://%d/"}' % status)

    assert (now.active_since > watch.active_since, now.lane != watch.lane) == (new_lane, new_lane)
    if new_lane:
        assert now.active_since == now.version


async def listed(source: Source, **query: Any) -> list[bytes]:
    return [watch.id for watch in await source.watches(WatchQuery(account=ACCOUNT, **{"limit": 9, **query}))]


async def test_watches_are_listed_by_all_that_is_asked_at_once(source):
    made: list[bytes] = []
    for name, owner, status in (("One", None, 1), ("tw\\\0", "me", 1), ("Thrée", "me", 3), (None, "me", 1)):
        definition = msgspec.json.encode(WatchDefinition(address=f"http://x/{len(made)}", name=name))
        row = msgspec.structs.replace(new_watch(), definition=definition, owner=owner, status=status)
        made.append((await source.add_watch(row, slots=None, paused=False, key=None)).id)

    assert await listed(source) == made
    assert await listed(source, owner="me") == made[1:]
    assert await listed(source, owner="me", status=WatchStatus.ENABLED) == [made[1], made[3]]
    assert await listed(source, name="tw\\\0") == [made[1]]
    assert await listed(source, name="one") == []
    assert await listed(source, text="THRÉE", resource_type="appointment") == [made[2]]
    assert await listed(source, text="X/") == made
    assert await listed(source, text="x/", after=made[0], limit=2) == made[1:3]
    assert await listed(source, text="x/3") == [made[3]]
    assert await listed(source, resource_type="queue.registration") == []
