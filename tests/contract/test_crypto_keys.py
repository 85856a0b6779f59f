"""What every store of crypto keys does: PostgreSQL's and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec
import pytest

from hookward.adapters.clock import SystemClock
from hookward.adapters.postgres.crypto_keys import PostgresCryptoKeys
from hookward.adapters.postgres.watches import PostgresWatches
from hookward.application.crypto_keys.service import KeyQuery
from hookward.application.records import KeyRecord, PreviousSecret, WatchRecord
from hookward.domain.errors import Conflict
from hookward.domain.ids import AccountId, CryptoKeyId, IdPrefix, to_text
from tests.contract.world import ACCOUNT, World, new_id, new_watch, opened_world
from tests.fakes.stores import FakeDefinitions

Source: TypeAlias = PostgresWatches | FakeDefinitions
Keys: TypeAlias = PostgresCryptoKeys | FakeDefinitions

OTHER = AccountId(2)


@pytest.fixture
async def both(world_or_none: World | None) -> AsyncIterator[tuple[Source, Keys]]:
    if world_or_none is None:
        fake = FakeDefinitions()
        yield fake, fake
        return
    await world_or_none.rows("INSERT INTO account (id, name) VALUES (2, 'other')")
    yield world_or_none.definitions, world_or_none.crypto_keys


@pytest.fixture
def source(both) -> Source:
    source: Source = both[0]
    return source


@pytest.fixture
def keys(both) -> Keys:
    keys: Keys = both[1]
    return keys


def new_key(name: str = "a key", **values: Any) -> KeyRecord:
    definition = msgspec.json.encode({"name": name, "algorithm": "hmac-sha256", "format": "standard-webhooks"})
    values = {"account": ACCOUNT, **values}
    return KeyRecord(id=CryptoKeyId(new_id()), definition=definition, secret=b"sealed", **values)


def rotated(row: KeyRecord, now: datetime) -> KeyRecord:
    old = PreviousSecret(secret=row.secret, until=now + timedelta(hours=1))
    return msgspec.structs.replace(row, secret=row.secret + b"!", previous=(old, *row.previous), rotated=now)


async def test_a_key_is_found_by_its_account_and_owner(keys):
    key = await keys.add_key(new_key(owner="mine"))

    found = [await keys.key(ACCOUNT, key.id, owner=owner) for owner in (None, "mine", "other")]

    assert [row and row.id for row in found] == [key.id, key.id, None]
    assert await keys.key(OTHER, key.id, owner=None) is None


async def test_keys_are_listed_oldest_first_by_owner_name_and_page(keys):
    rows = [
        await keys.add_key(new_key(name, owner=owner))
        for name, owner in [("a", None), ('b"ü', "mine"), ("a", "mine"), ("aa", None), ('x","name":"a', None)]
    ]
    await keys.add_key(new_key(account=OTHER))
    queries = [
        (KeyQuery(account=ACCOUNT, limit=9), [0, 1, 2, 3, 4]),
        (KeyQuery(account=ACCOUNT, limit=2, after=rows[1].id), [2, 3]),
        (KeyQuery(account=ACCOUNT, limit=9, owner="mine"), [1, 2]),
        (KeyQuery(account=ACCOUNT, limit=9, name="a"), [0, 2]),
        (KeyQuery(account=ACCOUNT, limit=9, name='b"ü'), [1]),
        (KeyQuery(account=ACCOUNT, limit=9, name="a", owner="mine", after=rows[2].id), []),
    ]

    for query, expected in queries:
        assert [row.id for row in await keys.list_keys(query)] == [rows[index].id for index in expected]


async def test_a_change_is_stored_under_a_new_version_at_the_store_s_time(source, keys):
    key = await keys.add_key(new_key())

    await keys.change_key(ACCOUNT, key.id, owner=None, change=rotated)
    changed = await keys.change_key(ACCOUNT, key.id, owner=None, change=rotated)

    assert changed is not None
    assert (changed.version, changed.secret) == (key.version + 2, b"sealed!!")
    assert [old.secret for old in changed.previous] == [b"sealed!", b"sealed"]
    assert changed.previous[0].until - changed.rotated == timedelta(hours=1)
    assert abs(changed.rotated.timestamp() - SystemClock().now_us() / 1e6) < 300
    changes = await source.changes_since(key.version)
    assert (changes.version, changes.keys) == (key.version + 2, [changed])


async def test_changes_at_the_same_time_build_on_each_other(keys):
    key = await keys.add_key(new_key())

    await asyncio.gather(*(keys.change_key(ACCOUNT, key.id, owner=None, change=rotated) for _ in range(5)))

    row = await keys.key(ACCOUNT, key.id, owner=None)
    assert (row.secret, len(row.previous), row.version) == (b"sealed!!!!!", 5, key.version + 5)


@pytest.mark.parametrize("whose", [(OTHER, None), (ACCOUNT, "other")])
async def test_another_s_key_is_neither_changed_nor_retired(source, keys, whose):
    key = await keys.add_key(new_key(owner="mine"))
    account, owner = whose

    assert await keys.change_key(account, key.id, owner=owner, change=rotated) is None
    assert await keys.retire_key(account, key.id, owner=owner, release=lambda _watches, _left: []) is False

    assert (await source.changes_since(key.version)).version == key.version


async def test_a_change_that_is_refused_leaves_everything_as_it_was(source, keys):
    key = await keys.add_key(new_key())

    def refuse(*_given: object) -> Any:
        raise Conflict("no")

    with pytest.raises(Conflict):
        await keys.change_key(ACCOUNT, key.id, owner=None, change=refuse)
    with pytest.raises(Conflict):
        await keys.retire_key(ACCOUNT, key.id, owner=None, release=refuse)

    assert (await source.changes_since(0)).version == key.version
    assert (await keys.key(ACCOUNT, key.id, owner=None)).secret == b"sealed"


async def test_a_retired_key_leaves_a_tombstone_without_secrets(source, keys):
    key = await keys.add_key(new_key())
    await keys.change_key(ACCOUNT, key.id, owner=None, change=rotated)

    assert await keys.retire_key(ACCOUNT, key.id, owner=None, release=lambda _watches, _left: [])
    again = await keys.retire_key(ACCOUNT, key.id, owner=None, release=lambda _watches, _left: [])

    [tombstone] = (await source.changes_since(key.version)).keys
    assert (tombstone.retired, tombstone.secret, tombstone.previous) == (True, b"", ())
    assert (again, await keys.key(ACCOUNT, key.id, owner=None)) == (False, None)
    assert await keys.list_keys(KeyQuery(account=ACCOUNT, limit=9)) == []
    assert await source.keys(ACCOUNT, [key.id]) == []
    assert await keys.change_key(ACCOUNT, key.id, owner=None, change=rotated) is None


async def test_a_key_is_retired_together_with_what_becomes_of_the_watches_that_name_it(source, keys):
    key, other = await keys.add_key(new_key()), await keys.add_key(new_key())
    await keys.add_key(new_key(account=OTHER))
    named = to_text(IdPrefix.CRYPTO_KEY, key.id)
    naming = msgspec.structs.replace(
        new_watch(), definition=b'{"address":"http://a","key_ids":["%b"]}' % named.encode()
    )
    watch = await source.add_watch(naming, slots=None, paused=False, key=None)
    gone = await source.add_watch(
        msgspec.structs.replace(naming, id=new_watch().id), slots=None, paused=False, key=None
    )
    await source.delete_watch(ACCOUNT, gone.id, reason="why")
    bystander = await source.add_watch(new_watch(), slots=None, paused=False, key=None)
    told: list[Any] = []

    def release(watches: Sequence[WatchRecord], left: set[CryptoKeyId]) -> list[WatchRecord]:
        told.append(([each.id for each in watches], left))
        return [msgspec.structs.replace(each, definition=b'{"address":"http://a"}') for each in watches]

    assert await keys.retire_key(ACCOUNT, key.id, owner=None, release=release)

    assert told == [([watch.id], {other.id})]
    changes = await source.changes_since(bystander.version)
    assert [(each.id, each.definition, each.secrets) for each in changes.watches] == [
        (watch.id, b'{"address":"http://a"}', b"sealed")
    ]
    assert {changes.version} == {each.version for each in (*changes.watches, *changes.keys)}


@pytest.mark.parametrize("was_there", [False, True])
async def test_a_key_that_is_retired_while_a_watch_is_checked_is_not_named_by_it(source, keys, was_there):
    key, bystander = await keys.add_key(new_key()), new_watch()
    naming = b'{"address":"http://a","signed":true,"key_ids":["%b"]}' % to_text(IdPrefix.CRYPTO_KEY, key.id).encode()
    if was_there:
        bystander = await source.add_watch(bystander, slots=None, paused=False, key=None)
    await keys.retire_key(ACCOUNT, key.id, owner=None, release=lambda _watches, _left: [])
    watch = msgspec.structs.replace(bystander, definition=naming)

    if was_there:
        assert await source.change_watch(watch, slots=None, paused=False, reason="", key=None) is None
        assert await source.watch(ACCOUNT, watch.id) == bystander
    else:
        with pytest.raises(Conflict, match="retired"):
            await source.add_watch(watch, slots=None, paused=False, key=None)
        assert await source.watch(ACCOUNT, watch.id) is None


@pytest.fixture
async def postgres(newest) -> AsyncIterator[PostgresCryptoKeys]:
    async with opened_world(newest) as world:
        await world.rows("INSERT INTO account (id, name) VALUES (2, 'other')")
        yield PostgresCryptoKeys(world.database, most_public=2)


async def test_the_version_of_keys_is_that_of_their_last_change(newest):
    async with opened_world(newest) as world:
        keys = PostgresCryptoKeys(world.database)
        assert await keys.version() == 0
        key = await keys.add_key(new_key(public=b"first"))
        await world.rows("UPDATE definition_version SET version = version + 5")  # as a change of a watch does
        assert await keys.version() == key.version


async def test_public_keys_are_kept_with_their_past_and_published_until_the_key_is_retired(postgres):
    keys = postgres
    key = await keys.add_key(new_key(public=b"first"))
    other = await keys.add_key(new_key(account=OTHER, public=b"other"))
    await keys.add_key(new_key())

    def change(row: KeyRecord, now: datetime) -> KeyRecord:
        old = PreviousSecret(secret=row.secret, until=now + timedelta(hours=1), public=row.public)
        return msgspec.structs.replace(row, secret=b"new", public=b"second", previous=(old,), generation=2)

    changed = await keys.change_key(ACCOUNT, key.id, owner=None, change=change)
    assert await keys.version() == changed.version
    assert (changed.public, changed.generation, changed.previous[0].public) == (b"second", 2, b"first")

    every = await keys.published(None, limit=9)
    assert [(row.id, row.public, row.generation) for row in every] == [(other.id, b"other", 1), (key.id, b"second", 2)]
    assert [public for public, _ in every[1].previous] == [b"first"]
    assert [row.id for row in await keys.published(None, limit=1)] == [other.id]
    await keys.retire_key(ACCOUNT, key.id, owner=None, release=lambda _watches, _left: [])
    assert [await keys.published(id_, limit=1) for id_ in (key.id, CryptoKeyId(new_id()))] == [[], []]


async def test_an_account_has_a_bounded_number_of_public_keys(postgres):
    keys = postgres
    key, _ = [await keys.add_key(new_key(public=b"p")) for _ in range(2)]
    with pytest.raises(Conflict, match="retire one"):
        await keys.add_key(new_key(public=b"p"))
    await keys.add_key(new_key())
    await keys.add_key(new_key(account=OTHER, public=b"p"))
    await keys.retire_key(ACCOUNT, key.id, owner=None, release=lambda _watches, _left: [])
    await keys.add_key(new_key(public=b"p"))
