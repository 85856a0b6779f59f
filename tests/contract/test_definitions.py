"""What every source of definitions does: PostgreSQL's and the one in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeAlias

import msgspec
import pytest

from hookward.adapters.postgres.definitions import PostgresDefinitions
from hookward.application.definitions import Changes, KeyRow
from hookward.domain.ids import AccountId, CryptoKeyId
from tests.contract.servers import MAJORS
from tests.contract.world import ACCOUNT, new_id, new_watch, opened_world
from tests.fakes import FakeDefinitions

Source: TypeAlias = PostgresDefinitions | FakeDefinitions


@pytest.fixture(params=[*MAJORS, None], ids=lambda major: f"postgres-{major}" if major else "fake")
async def source(request, servers) -> AsyncIterator[Source]:
    if request.param is None:
        yield FakeDefinitions()
        return
    async with opened_world(servers[request.param]) as world:
        yield world.definitions


def new_key() -> KeyRow:
    return KeyRow(id=CryptoKeyId(new_id()), account=ACCOUNT, definition=b"{}", secret=b"sealed")


def gist(changes: Changes) -> tuple[int, list[tuple[bytes, int, bool]], list[tuple[bytes, int]]]:
    return (
        changes.version,
        sorted((watch.id, watch.version, watch.deleted) for watch in changes.watches),
        sorted((key.id, key.version) for key in changes.keys),
    )


async def test_a_fresh_store_has_a_version_and_nothing_else(source):
    assert gist(await source.changes_since(0)) == (1, [], [])


async def test_every_change_has_a_version_of_its_own(source):
    first = await source.add_watch(new_watch(), slots=None, paused=False, key=None)
    key = await source.add_key(new_key())
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
async def test_an_owners_watch_and_key_are_there_for_that_owner_and_for_the_account(source, asking, found):
    watch = await source.add_watch(
        msgspec.structs.replace(new_watch(), owner="one"), slots=None, paused=False, key=None
    )
    key = await source.add_key(msgspec.structs.replace(new_key(), owner="one"))
    before = (await source.changes_since(0)).version

    seen = [
        await source.watch(ACCOUNT, watch.id, owner=asking) == watch,
        await source.watches(ACCOUNT, resource_type=None, after=None, limit=9, owner=asking) == [watch],
        await source.keys(ACCOUNT, [key.id], owner=asking) == [key],
        await source.delete_watch(ACCOUNT, watch.id, reason="why", owner=asking),
    ]

    assert (seen, (await source.changes_since(0)).version) == ([found] * 4, before + found)


async def test_what_is_the_accounts_own_is_no_owners(source):
    watch = await source.add_watch(new_watch(), slots=None, paused=False, key=None)
    key = await source.add_key(new_key())

    assert await source.watch(ACCOUNT, watch.id, owner="one") is None
    assert await source.watches(ACCOUNT, resource_type=None, after=None, limit=9, owner="one") == []
    assert await source.keys(ACCOUNT, [key.id], owner="one") == []
    assert not await source.delete_watch(ACCOUNT, watch.id, reason="why", owner="one")
