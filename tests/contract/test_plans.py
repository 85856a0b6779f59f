"""No statement of the hot path reads a table from end to end, whichever plan PostgreSQL chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from hookward.adapters.clock import SystemClock
from hookward.adapters.postgres.events import PostgresBacklog
from hookward.adapters.postgres.pool import open_pool
from hookward.application.history.model import LogQuery
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Payload, Wait, WatchEffect
from hookward.domain.ids import DeliveryId, EventId, WatchId
from tests.contract.explaining import RecordingDatabase, Scan, scans
from tests.contract.world import ACCOUNT, World, moved, new_attempt, new_entry, new_event, new_watch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TOKEN = 7
NOW_MS = SystemClock().now_us() // 1000
PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(shared_server) -> AsyncIterator[str]:
    async with shared_server.database() as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute((Path(__file__).parent / "fill.sql").read_text())
        await connection.close()
        yield dsn


@pytest.fixture
async def full(filled) -> AsyncIterator[World]:
    async with open_pool(filled, name="plans", size=1) as opened:
        yield World(filled, opened)


async def asked(world: World, question: str) -> list[asyncpg.Record]:
    """What no plan is wanted of."""
    async with world.session() as connection:
        return await connection.fetch(question)


async def claim(world: World) -> None:
    await world.outbox.claim(TOKEN, limit=256)


async def claim_behind_an_account(world: World) -> None:
    for _ in range(5):
        await world.outbox.claim(TOKEN, limit=32)


async def events(world: World) -> None:
    ids = [EventId(row[0]) for row in await asked(world, "SELECT id_of(ms, 'event ' || n) FROM n WHERE n > 199744")]
    await world.outbox.events(ids)
    await world.outbox.recorded(ids)


async def split_and_fan(world: World) -> None:
    [first, *_] = await world.outbox.claim(TOKEN, limit=2)
    await world.outbox.fan(TOKEN, first, WatchId(first.events[0]))
    await world.outbox.split(TOKEN, first)


async def waiting_entries(world: World) -> list[DeliveryUpdate]:
    rows = await world.rows(
        "SELECT w.delivery_id, w.event_id, w.lane_id FROM waiting w WHERE token = $1 LIMIT 40", TOKEN
    )
    blank = new_entry(new_event(), new_watch(), RETRYING)
    return [
        moved(
            blank,
            RETRYING,
            id=DeliveryId(id_),
            event=EventId(event),
            lane=lane,
            attempts=2,
            wait=Wait(seconds=5, number=3),
        )
        for id_, event, lane in rows
    ]


async def record(world: World) -> None:
    """Every kind of entry in one group."""
    done = [claim.seq for claim in await world.outbox.claim(TOKEN, limit=50)]
    new = [new_entry(new_event(), new_watch(), DELIVERED, attempt=new_attempt()) for _ in range(64)]
    payload = Payload(method="POST", address="", body=b"")
    waits = [
        moved(
            new_entry(new_event(), new_watch(), RETRYING), RETRYING, waited=False, lane=lane, payload=payload, wait=wait
        )
        for lane in range(1, 33)
        for wait in (Wait(seconds=5, number=2), Wait(seconds=0, number=1, held=True))
    ]
    known = await waiting_entries(world)
    over = [moved(entry, DELIVERED, attempts=2, attempt=new_attempt(2)) for entry in known[20:]]
    await world.results.record(
        TOKEN, [*new, *waits, *known[:20], *over], done=done, slots=dict.fromkeys(range(20, 60), 1)
    )


async def record_consequences(world: World) -> None:
    """What attempts mean for their watches: some are held, some end."""
    blank = new_entry(new_event(), new_watch(), FAILED)
    rows = await asked(world, "SELECT id, lane_id, version FROM watch ORDER BY id LIMIT 64")
    consequences = [WatchEffect(hold=60), WatchEffect(disable="gone", version=rows[0][2])] * 32
    entries = [
        moved(blank, FAILED, waited=False, id=DeliveryId(bytes(row[0])), watch=WatchId(bytes(row[0])), lane=row[1],
              watch_effect=consequence)
        for row, consequence in zip(rows, consequences, strict=True)
    ]  # fmt: skip
    await world.results.record(TOKEN, entries, done=[], slots={})


async def slots(world: World) -> None:
    lanes = list(range(100, 356))
    await world.lanes.acquire(TOKEN, dict.fromkeys(lanes, 2))
    await world.lanes.stopped(lanes)
    await world.results.record(TOKEN, [], done=[], slots=dict.fromkeys(lanes, 1))


async def pull(world: World) -> None:
    await world.lanes.pull(TOKEN, lanes=160)
    await world.lanes.next_wake()


async def cancel(world: World) -> None:
    await asked(world, "UPDATE lane SET closing = 'deleted', wake_at = now() - interval '1 day' WHERE id = 1")
    await world.lanes.cancel_some(limit=1000)


async def leases(world: World) -> None:
    await world.leases.expire("worker 3")
    await world.leases.take_over()
    await world.leases.end(4)


async def accept(world: World) -> None:
    given = [new_event(key=b"key %d" % number) for number in range(199_900, 200_100)]
    await world.events.accept([*given, new_event()])
    await world.events.find(ACCOUNT, b"key 7")


async def listed(world: World, **filters: Any) -> None:
    page = await world.log.deliveries(LogQuery(account=ACCOUNT, limit=50, **filters), now_ms=NOW_MS)
    await world.log.deliveries(LogQuery(account=ACCOUNT, limit=50, before=page.older, **filters), now_ms=NOW_MS)
    await world.log.deliveries(LogQuery(account=ACCOUNT, limit=50, after=page.older, **filters), now_ms=NOW_MS)


async def first_of(world: World, column: str) -> Any:
    [[found]] = await asked(world, f"SELECT {column} FROM delivery WHERE account_id = 1 AND status = 4 LIMIT 1")
    return found


async def list_all(world: World) -> None:
    await listed(world)


async def list_by_watch(world: World) -> None:
    await listed(world, watch=await first_of(world, "watch_id"))


async def list_by_event(world: World) -> None:
    await listed(world, event=await first_of(world, "event_id"))


async def list_by_status(world: World) -> None:
    for status in DeliveryStatus:
        await listed(world, status=status)


async def list_by_watch_and_status(world: World) -> None:
    await listed(world, watch=await first_of(world, "watch_id"), status=FAILED)


async def one_delivery(world: World) -> None:
    await world.log.delivery(ACCOUNT, await first_of(world, "id"))


async def count_backlog(world: World) -> None:
    await PostgresBacklog(world.database).backlog(ACCOUNT, limit=100)


OPERATIONS: list[Callable[[World], Awaitable[None]]] = [
    claim, claim_behind_an_account, events, split_and_fan, record, record_consequences, slots, pull, cancel, leases,
    accept, list_all, list_by_watch, list_by_event, list_by_status, list_by_watch_and_status, one_delivery,
    count_backlog,
]  # fmt: skip


async def plans_of(world: World, operation: Callable[[World], Awaitable[None]]) -> list[Scan]:
    """How the statements of an operation read the tables that hold much."""
    async with open_pool(world.dsn, name="recorded", size=1) as opened:
        recording = RecordingDatabase(opened._pool, acquire_timeout=60)
        recording.ran = []
        await operation(World(world.dsn, recording))
    async with world.session() as connection:
        found = [scan for query in recording.ran for scan in await scans(connection, query)]
        large = {
            row[0]
            for row in await connection.fetch("SELECT relname FROM pg_class WHERE oid > 16384 AND reltuples > 1000")
        }
    return [scan for scan in found if scan.table in large]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
async def test_no_large_table_is_read_from_end_to_end(full, operation):
    found = await plans_of(full, operation)

    whole = {(scan.table, scan.mode, scan.statement) for scan in found if scan.kind == "Seq Scan"}
    assert found
    assert whole == set()


async def test_a_list_by_status_walks_only_deliveries_of_that_status(full):
    found = await plans_of(full, lambda world: listed(world, status=FAILED))

    listed_by = [scan for scan in found if scan.table.startswith("delivery") and "LIMIT" in scan.statement]
    used = {(scan.mode, "status" in str(scan.index)) for scan in listed_by}
    assert used == {("force_custom_plan", True), ("force_generic_plan", True)}


@pytest.mark.parametrize(("operation", "days"), [(events, 2), (list_by_event, 1)])
async def test_what_belongs_to_events_of_one_day_is_looked_for_in_that_day(full, operation, days):
    found = await plans_of(full, operation)

    # Replays with ids of their own are looked for in every day; their index holds nothing else.
    replays = "event_id_id"
    read = {scan.table for scan in found if scan.mode == "force_custom_plan" and replays not in str(scan.index)}
    assert len(read - {"waiting", "lane", "watch"}) == days, read
