"""What every store of API keys does: PostgreSQL's and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import msgspec
import pytest

from hookward.adapters.postgres.api_keys import PostgresApiKeys
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.domain.access.callers import Scope
from hookward.domain.ids import AccountId, ApiKeyId
from tests.contract.world import ACCOUNT, World, new_id
from tests.fakes.access import FakeApiKeys

Keys: TypeAlias = PostgresApiKeys | FakeApiKeys
OTHER = AccountId(2)


@pytest.fixture
async def keys(world_or_none: World | None) -> AsyncIterator[Keys]:
    if world_or_none is None:
        yield FakeApiKeys()
        return
    await world_or_none.rows("INSERT INTO account (name) VALUES ('other')")
    yield PostgresApiKeys(world_or_none.database)


def new_key(account: AccountId = ACCOUNT, **values: Any) -> ApiKeyRecord:
    given: dict[str, Any] = {"name": "mine", "scopes": (Scope.PUBLISH, Scope.DELIVERIES), **values}
    return ApiKeyRecord(id=ApiKeyId(new_id()), account=account, digest=new_id() * 2, **given)


async def test_a_key_reads_as_it_was_stored(keys):
    given = new_key(owner="integrator-7")

    stored = await keys.add(given)

    assert stored.created is not None
    assert msgspec.structs.replace(stored, created=None) == given
    assert await keys.one(ACCOUNT, given.id) == stored
    assert (await keys.find([given.digest, b"?" * 32])).keys == [stored]


async def test_a_key_of_another_account_or_none_at_all_is_not_there(keys):
    key = await keys.add(new_key())
    version = (await keys.revoked_since(None)).version

    for account, id_ in ((OTHER, key.id), (ACCOUNT, ApiKeyId(new_id()))):
        assert await keys.one(account, id_) is None
        assert not await keys.revoke(account, id_)

    assert (await keys.revoked_since(None)).version == version


async def test_keys_are_listed_page_by_page_oldest_first_by_account_and_owner(keys):
    rows = [await keys.add(new_key(owner=owner)) for owner in (None, "one", None, "other", "one")]
    await keys.add(new_key(OTHER, owner="one"))
    await keys.revoke(ACCOUNT, rows[2].id)
    listed: list[ApiKeyRecord] = []
    while page := await keys.list(ACCOUNT, owner=None, after=listed[-1].id if listed else None, limit=2):
        listed += page

    assert listed == [rows[0], rows[1], rows[3], rows[4]]
    assert await keys.list(ACCOUNT, owner="one", after=None, limit=9) == [rows[1], rows[4]]


async def test_a_revoked_key_is_gone_and_cannot_be_revoked_again(keys):
    key = await keys.add(new_key())

    assert [await keys.revoke(ACCOUNT, key.id) for _ in range(2)] == [True, False]

    assert (await keys.find([key.digest])).keys == []
    assert await keys.one(ACCOUNT, key.id) is None
    assert await keys.list(ACCOUNT, owner=None, after=None, limit=9) == []


async def test_a_revocation_is_told_after_the_version_before_it_and_not_after_its_own(keys):
    first, second = await keys.add(new_key()), await keys.add(new_key())
    before = await keys.revoked_since(None)
    await keys.revoke(ACCOUNT, first.id)
    between = await keys.revoked_since(before.version)
    await keys.revoke(ACCOUNT, second.id)
    after = await keys.revoked_since(between.version)

    assert (before.digests, between.digests, after.digests) == ([], [first.digest], [second.digest])
    assert before.version < between.version < after.version
    assert (await keys.revoked_since(after.version)).digests == []
    assert sorted((await keys.revoked_since(before.version)).digests) == sorted([first.digest, second.digest])


async def test_a_look_up_tells_the_version_that_it_saw(keys):
    key = await keys.add(new_key())
    seen = [(await keys.find([])).version, (await keys.find([key.digest])).version]
    await keys.revoke(ACCOUNT, key.id)

    assert seen == [1, 1]
    assert (await keys.find([key.digest])).version == (await keys.revoked_since(None)).version == 2


async def test_the_use_of_a_key_is_taken_down(keys):
    used, unused = await keys.add(new_key()), await keys.add(new_key())

    await keys.note_used([used.id])

    assert (await keys.one(ACCOUNT, used.id)).last_used is not None
    assert await keys.one(ACCOUNT, unused.id) == unused


async def test_many_processes_that_take_down_the_same_uses_stand_in_nobodys_way(world):
    keys = PostgresApiKeys(world.database)
    rows = [await keys.add(new_key()) for _ in range(50)]
    ids = [row.id for row in rows]

    await asyncio.gather(*(keys.note_used(some) for some in (ids, ids[::-1]) * 4))

    assert await world.value("SELECT count(*) FROM api_key WHERE last_used IS NULL") == 0


async def test_a_use_is_written_once_however_many_processes_tell_of_it(world):
    keys = PostgresApiKeys(world.database)
    key = await keys.add(new_key())
    await keys.note_used([key.id])
    first = await world.value("SELECT xmin::text || last_used FROM api_key")

    await keys.note_used([key.id])

    assert await world.value("SELECT xmin::text || last_used FROM api_key") == first


async def test_nothing_that_is_stored_opens_anything(world):
    key = await PostgresApiKeys(world.database).add(new_key())

    columns = await world.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'api_key'")

    assert {name for (name,) in columns} == {
        "id", "account_id", "owner", "name", "scopes", "digest", "created", "last_used", "revoked", "version",
    }  # fmt: skip
    assert await world.value("SELECT length(digest) FROM api_key WHERE id = $1", key.id) == 32
