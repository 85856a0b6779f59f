"""A lease that ends in the middle of a record undoes all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.results import PostgresResults
from hookward.domain.delivery.model import DeliveryStatus, Payload, Wait, WatchEffect
from hookward.domain.errors import LeaseLost
from tests.contract.world import World, moved, new_attempt, new_entry, new_event

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus


class StealingDatabase(ConnectionPool):
    """Ends a worker's lease from outside just before the statement of that number of a transaction is sent."""

    world: World
    before: int
    sent: int = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Acquired]:
        async with super().connection() as connection:
            yield cast("Acquired", _Watched(connection, self))

    async def count(self) -> None:
        self.sent += 1
        if self.sent == self.before:
            await self.world.leases.expire("one")


class _Watched:
    def __init__(self, connection: Acquired, database: StealingDatabase) -> None:
        self._connection = connection
        self._database = database

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in ("fetch", "fetchval", "fetchrow", "execute"):
            return found

        async def run(query: str, *values: object) -> object:
            await self._database.count()
            return await found(query, *values)

        return run


async def record_of_all_kinds(world: World) -> tuple[int, list[Any], dict[int, int]]:
    """A record that runs every statement there is."""
    watch, other = await world.watch(), await world.watch()
    token = await world.lease()
    payload = Payload(method="POST", address="", body=None)
    waiting = [await world.wait(watch, number=2, status=RETRYING, attempt=new_attempt(code=500)) for _ in range(2)]
    assert len(await world.lanes.pull(token, lanes=10)) == 2
    again = Wait(seconds=5, number=3)
    entries = [
        new_entry(new_event(), watch, DELIVERED, attempts=1, attempt=new_attempt()),
        new_entry(new_event(), watch, RETRYING, attempts=1, wait=Wait(seconds=1, number=2), payload=payload,
                  watch_effect=WatchEffect(hold=60)),
        new_entry(new_event(), other, FAILED, attempts=1,
                  watch_effect=WatchEffect(disable="gone", version=other.version)),
        moved(waiting[0], DELIVERED, attempts=2, attempt=new_attempt(2)),
        moved(waiting[1], RETRYING, attempts=2, attempt=new_attempt(2, code=500), wait=again),
    ]  # fmt: skip
    return token, entries, {watch.lane: 2}


STATEMENTS = 13


@pytest.mark.parametrize("before", range(1, STATEMENTS + 1))
async def test_a_lease_that_is_taken_away_inside_a_record_leaves_nothing_of_it(world, before):
    token, entries, slots = await record_of_all_kinds(world)
    stealing = StealingDatabase(world.database._pool, acquire_timeout=5)
    stealing.world, stealing.before = world, before
    was = await world.everything()

    with pytest.raises(LeaseLost):
        await PostgresResults(stealing).record(token, entries, done=[], slots=slots)

    now = await world.everything()
    assert {table for table, rows in now.items() if rows != was[table]} == {"lease"}


async def test_every_statement_of_a_record_is_tried_above(world):
    token, entries, slots = await record_of_all_kinds(world)
    counting = StealingDatabase(world.database._pool, acquire_timeout=5)
    counting.world, counting.before = world, 0

    await PostgresResults(counting).record(token, entries, done=[], slots=slots)

    assert counting.sent == STATEMENTS
