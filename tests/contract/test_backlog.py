"""How much of an account waits."""

import pytest

from hookward.adapters.postgres.events import PostgresBacklog
from hookward.domain.ids import AccountId
from tests.contract.world import ACCOUNT, new_event

OTHER = AccountId(2)


@pytest.mark.parametrize(("limit", "counted"), [(100, 8), (8, 8), (7, 7), (3, 3)])
async def test_what_waits_of_an_account_is_counted_up_to_a_limit(world, limit, counted):
    await world.rows("INSERT INTO account (id, name) VALUES (2, 'other')")
    for account in (ACCOUNT, OTHER):
        watch, paused = await world.watch(account), await world.watch(account, paused=True)
        for each, due in ((watch, 0), (watch, 3600), (paused, 0)):
            await world.wait(each, due=due)
    await world.accept(*(new_event() for _ in range(4)))
    await world.accept_each(1)
    await world.accept_each(30, OTHER)

    assert await PostgresBacklog(world.database).backlog(ACCOUNT, limit=limit) == counted


async def test_what_a_worker_holds_does_not_wait(world):
    watch, token = await world.watch(), await world.lease()
    await world.wait(watch)
    await world.accept_each(2)
    backlog = PostgresBacklog(world.database)
    before = await backlog.backlog(ACCOUNT, limit=100)

    await world.lanes.pull(token, lanes=1)
    await world.outbox.claim(token, limit=1)

    assert (before, await backlog.backlog(ACCOUNT, limit=100)) == (3, 1)
