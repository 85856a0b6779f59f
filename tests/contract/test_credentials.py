"""Who asks for a token: one holder at a time, and what is written only by who holds what it read."""

from __future__ import annotations

import asyncio

import pytest

from hookward.adapters.postgres.credentials import PostgresCredentials
from hookward.adapters.postgres.pool import open_pool
from hookward.application.oauth.ports import CredentialLock, CredentialRecord
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import AccountId, CredentialId
from tests.contract.breaking import BreakingDatabase
from tests.contract.world import ACCOUNT, World, new_id

ROW = "SELECT state, generation, refused, holder, held_until IS NULL FROM credential WHERE id = $1"
PASS = "UPDATE credential SET held_until = now() - interval '1 ms' WHERE id = $1"


@pytest.fixture
def credentials(world: World) -> PostgresCredentials:
    return PostgresCredentials(world.database)


@pytest.fixture
async def mine(world: World) -> CredentialLock:
    """Who asks, with a credential to ask with."""
    id_ = CredentialId(new_id())
    await world.value(
        "INSERT INTO credential (id, account_id, digest, state) VALUES ($1, $2, 'digest', 'one')", id_, ACCOUNT
    )
    return CredentialLock(account=ACCOUNT, credential=id_, holder=b"mine------------")


@pytest.fixture
def theirs(mine: CredentialLock) -> CredentialLock:
    return CredentialLock(account=mine.account, credential=mine.credential, holder=b"theirs----------")


async def test_of_many_connections_that_race_one_holds_it(world, mine):
    async with open_pool(world.dsn, name="another process", size=8) as other:
        stores = [PostgresCredentials(world.database), PostgresCredentials(other)]
        for turn in range(20):
            holds = [
                CredentialLock(account=ACCOUNT, credential=mine.credential, holder=bytes((turn, each)) * 8)
                for each in range(16)
            ]
            rows = await asyncio.gather(
                *(stores[each % 2].acquire(hold, seconds=60) for each, hold in enumerate(holds))
            )
            assert [row is not None and row.acquired for row in rows].count(True) == 1
            [holder] = [hold for hold, row in zip(holds, rows, strict=True) if row is not None and row.acquired]
            await stores[0].release(holder)


async def test_who_takes_it_is_told_what_is_there(credentials, mine, theirs):
    assert await credentials.acquire(mine, seconds=60) == CredentialRecord(state=b"one", generation=1, acquired=True)
    assert await credentials.acquire(theirs, seconds=60) == CredentialRecord(state=b"one", generation=1, acquired=False)


async def test_who_holds_it_goes_on_holding_it(world, credentials, mine):
    await credentials.acquire(mine, seconds=1)
    again = await credentials.acquire(mine, seconds=60)
    left = await world.value("SELECT extract(epoch FROM held_until - now()) FROM credential")
    assert (again.acquired, 50 < left < 61) == (True, True)


async def test_a_hold_ends_by_itself(world, credentials, mine, theirs):
    await credentials.acquire(mine, seconds=60)
    await world.value(PASS, mine.credential)
    assert (await credentials.acquire(theirs, seconds=60)).acquired


async def test_another_account_neither_sees_nor_holds_it(credentials, mine):
    foreign = CredentialLock(account=AccountId(2), credential=mine.credential, holder=mine.holder)
    assert await credentials.acquire(foreign, seconds=60) is None
    await credentials.acquire(mine, seconds=60)
    await credentials.release(foreign)
    changed = (
        await credentials.write(foreign, expected=1, generation=2, state=b"two"),
        await credentials.refuse(foreign, generation=1, reason="no"),
    )
    assert changed == (False, False)


async def test_what_is_not_there_is_not_held(credentials, mine):
    nothing = CredentialLock(account=ACCOUNT, credential=CredentialId(new_id()), holder=mine.holder)
    assert await credentials.acquire(nothing, seconds=60) is None


async def test_the_holder_writes_and_goes_on_holding(world, credentials, mine):
    await world.value("UPDATE credential SET refused = 'invalid_grant'")
    await credentials.acquire(mine, seconds=60)
    assert await credentials.write(mine, expected=1, generation=2, state=b"two")
    assert await world.rows(ROW, mine.credential) == [(b"two", 2, None, mine.holder, False)]
    await credentials.release(mine)
    assert await world.rows(ROW, mine.credential) == [(b"two", 2, None, None, True)]


async def test_the_holder_marks_it_and_lets_go(world, credentials, mine, theirs):
    await credentials.acquire(mine, seconds=60)
    assert await credentials.refuse(mine, generation=1, reason="invalid\0grant")
    assert await world.rows(ROW, mine.credential) == [(b"one", 1, "invalidgrant", None, True)]
    found = await credentials.acquire(theirs, seconds=60)
    assert found == CredentialRecord(state=b"one", generation=1, refused="invalidgrant", acquired=True)


async def test_who_holds_it_no_more_changes_nothing(world, credentials, mine, theirs):
    await credentials.acquire(mine, seconds=60)
    await world.value(PASS, mine.credential)
    await credentials.acquire(theirs, seconds=60)
    before = await world.everything()
    await credentials.release(mine)
    assert not await credentials.write(mine, expected=1, generation=2, state=b"two")
    assert not await credentials.refuse(mine, generation=1, reason="no")
    assert await world.everything() == before


async def test_who_read_another_generation_changes_nothing(world, credentials, mine):
    await credentials.acquire(mine, seconds=60)
    await world.value("UPDATE credential SET generation = 2, state = 'fresh'")
    before = await world.everything()
    assert not await credentials.write(mine, expected=1, generation=2, state=b"two")
    assert not await credentials.refuse(mine, generation=1, reason="no")
    assert await world.everything() == before


async def test_who_was_stopped_before_the_hold_ended_and_no_other_came_may_still_write(world, credentials, mine):
    await credentials.acquire(mine, seconds=60)
    await world.value(PASS, mine.credential)
    assert await credentials.write(mine, expected=1, generation=2, state=b"two")


async def test_a_take_whose_answer_was_lost_is_taken_again(world, mine):
    async with open_pool(world.dsn, name="breaking", size=2) as database:
        breaking = BreakingDatabase(database._pool, acquire_timeout=5)
        credentials = PostgresCredentials(breaking)
        breaking.break_at("UPDATE credential", after=True)
        with pytest.raises(StoreUnavailable):
            await credentials.acquire(mine, seconds=60)
        row = await credentials.acquire(mine, seconds=60)
    assert row == CredentialRecord(state=b"one", generation=1, acquired=True)
