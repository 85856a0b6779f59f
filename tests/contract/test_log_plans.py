"""No page of the log looks at more than it may, with a million deliveries, whichever filter is asked for.

The worst a filter can meet is what nothing has: then it would look at everything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from hookward.adapters.clock import SystemClock
from hookward.adapters.postgres.history.deliveries import PostgresDeliveryHistory
from hookward.adapters.postgres.history.events import PostgresEventHistory
from hookward.adapters.postgres.history.search import SCAN
from hookward.adapters.postgres.pool import open_pool
from hookward.application.history.model import EventQuery, LogQuery
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, DeliveryId, EventId
from hookward.domain.resource_types.operations import ChangeKind
from tests.contract.explaining import RecordingDatabase
from tests.contract.world import ACCOUNT, new_id

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

NOW_MS = SystemClock().now_us() // 1000
HOUR_MS = 3_600_000
MOST = 2 * SCAN + 20_000
"""Twice: the page, and how far it looked; and what other accounts have in between."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(oldest) -> AsyncIterator[str]:
    async with oldest.database() as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute((Path(__file__).parent / "fill_log.sql").read_text())
        await connection.close()
        yield dsn


DELIVERY_FILTERS: list[dict[str, Any]] = [
    {}, {"watch": 5}, {"watch": "none"}, {"event": 5}, {"event": "none"},
    *({"status": status} for status in DeliveryStatus),
    {"resource_type": "appointment"}, {"resource_type": "none"}, {"resource_id": "299999"}, {"resource_id": "none"},
    {"kind": ChangeKind.UPDATED}, {"kind": ChangeKind.MERGED}, {"code": 503}, {"code": 418}, {"code": 200},
    {"code": 299}, {"error": "timeout"}, {"error": "dns"}, {"since_ms": NOW_MS}, {"until_ms": NOW_MS - 30 * HOUR_MS},
    {"since_ms": NOW_MS + 40 * HOUR_MS}, {"search": "dlv_01"}, {"search": "evt_01"}, {"search": "wat_00"},
    {"search": "evt_00"}, {"search": "host7.example"}, {"search": "host"}, {"search": "nothing has this"},
    {"owner": "owner 1"}, {"owner": "unknown"}, {"owner": "owner 1", "code": 418},
    {"owner": "owner 1", "event": "none"}, {"watch": 5, "status": DeliveryStatus.FAILED},
    {"watch": 5, "resource_id": "none"}, {"status": DeliveryStatus.FAILED, "resource_id": "none"},
    {"status": DeliveryStatus.DELIVERED, "code": 418}, {"status": DeliveryStatus.FAILED, "code": 418, "error": "dns"},
    {"search": "nothing has this", "resource_id": "none"}, {"search": "host", "code": 418},
]  # fmt: skip
EVENT_FILTERS: list[dict[str, Any]] = [
    {}, {"resource_type": "none"}, {"resource_id": "none"}, {"kind": ChangeKind.MERGED}, {"since_ms": NOW_MS},
    {"until_ms": NOW_MS - 30 * HOUR_MS}, {"search": "evt_01"}, {"search": "evt_00"}, {"search": "nothing has this"},
    {"owner": "owner 1"}, {"owner": "unknown"}, {"owner": "unknown", "resource_id": "none"}, {"watch": 5},
    {"watch": "none"}, {"event": 5}, {"event": "none"}, *({"status": status} for status in DeliveryStatus),
    {"code": 503}, {"code": 418}, {"code": 200}, {"code": 299}, {"error": "timeout"}, {"error": "dns"},
    {"search": "dlv_01"}, {"search": "dlv_00"}, {"search": "wat_00"}, {"search": "host7.example"}, {"search": "host"},
    {"owner": "owner 1", "code": 418}, {"owner": "owner 1", "event": "none"}, {"watch": 5, "event": 5},
    {"watch": 5, "status": DeliveryStatus.FAILED}, {"watch": 5, "resource_id": "none"}, {"event": 5, "code": 418},
    {"status": DeliveryStatus.DELIVERED, "code": 418}, {"status": DeliveryStatus.FAILED, "code": 418, "error": "dns"},
    {"search": "host", "code": 418}, {"search": "nothing has this", "status": DeliveryStatus.DELIVERED},
    {"status": DeliveryStatus.DELIVERED, "since_ms": NOW_MS}, {"code": 200, "until_ms": NOW_MS - 20 * HOUR_MS},
]  # fmt: skip


def named(filters: dict[str, Any]) -> str:
    """A test's name, the same in every process: moments are told from now."""
    return str({name: value - NOW_MS if name.endswith("_ms") else value for name, value in filters.items()})


async def looked_at(
    connection: asyncpg.Connection[asyncpg.Record], query: str, args: tuple[Any, ...]
) -> tuple[int, set[str]]:
    """How many rows of the large tables a statement reads, and which of them it reads from end to end."""
    plan = await connection.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}", *args)
    rows, whole = 0, set()
    for node in nodes(msgspec.json.decode(plan)[0]["Plan"]):
        table = node.get("Relation Name", "")
        if not table.startswith(("delivery", "event", "attempt", "watch")) or not node["Actual Loops"]:
            continue
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        read = int((node["Actual Rows"] + removed) * node["Actual Loops"])
        rows += read
        if node["Node Type"] == "Seq Scan" and table != "watch" and read > 1000:  # a day without rows is read so
            whole.add(table)
    return rows, whole


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(below for each in plan.get("Plans", ()) for below in nodes(each))]


async def cost(dsn: str, ask: Any, query: Any) -> tuple[int, set[str]]:
    """What the first page of a query costs, and the page behind it, and the one back."""
    async with open_pool(dsn, name="recorded", size=1) as opened:
        recording = RecordingDatabase(opened._pool, acquire_timeout=60)
        pages: list[list[Any]] = []
        for before, after in ((None, None), (new_id(NOW_MS), None), (None, new_id(NOW_MS))):
            recording.ran = []
            await ask(recording)(msgspec.structs.replace(query, before=before, after=after), now_ms=NOW_MS)
            pages.append(recording.ran)
        async with recording.connection() as connection:
            found = [[await looked_at(connection, each.query, each.args) for each in ran] for ran in pages]  # type: ignore[arg-type]
    assert found[0]
    return max(sum(rows for rows, _ in page) for page in found), {t for page in found for _, w in page for t in w}


@pytest.fixture
async def resolved(filled):
    """Turn numbers into the ids that the log has."""
    connection = await asyncpg.connect(filled)
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")

    async def resolve(filters: dict[str, Any]) -> dict[str, Any]:
        given = dict(filters)
        for name in ("watch", "event"):
            if given.get(name) == "none":
                given[name] = new_id(NOW_MS)
            elif name in given:
                given[name] = await connection.fetchval(f"SELECT {name}_id FROM delivery WHERE account_id = 1 LIMIT 1")
        return given

    yield resolve
    await connection.close()


@pytest.mark.parametrize("filters", DELIVERY_FILTERS, ids=named)
@pytest.mark.parametrize("account", [1, 2])
async def test_a_page_of_deliveries_is_bounded_work(filled, resolved, account, filters):
    query = LogQuery(account=AccountId(account), limit=50, **await resolved(filters))

    rows, whole = await cost(filled, lambda database: PostgresDeliveryHistory(database).deliveries, query)

    assert (rows <= MOST, whole) == (True, set()), rows


@pytest.mark.parametrize("filters", EVENT_FILTERS, ids=named)
@pytest.mark.parametrize("account", [1, 2])
async def test_a_page_of_events_is_bounded_work(filled, resolved, account, filters):
    query = EventQuery(account=AccountId(account), limit=50, **await resolved(filters))

    rows, whole = await cost(filled, lambda database: PostgresEventHistory(database).events, query)

    assert (rows <= MOST, whole) == (True, set()), rows


@pytest.mark.parametrize("filters", [{"code": 200}, {"status": DeliveryStatus.FAILED}, {"code": 418}], ids=named)
async def test_a_batch_of_one_millisecond_is_bounded_work_page_by_page(filled, filters):
    query = EventQuery(account=AccountId(12), limit=200, **filters)
    found: list[bytes] = []
    costs: list[int] = []
    async with open_pool(filled, name="recorded", size=1) as opened:
        recording = RecordingDatabase(opened._pool, acquire_timeout=60)
        while True:
            recording.ran = []
            page = await PostgresEventHistory(recording, scan=10_000).events(query, now_ms=NOW_MS)
            found += [row.id for row in page.rows]
            ran = recording.ran
            async with recording.connection() as connection:
                looks = [await looked_at(connection, each.query, each.args) for each in ran]  # type: ignore[arg-type]
            costs.append(sum(rows for rows, _ in looks))
            if page.older is None:
                break
            query = msgspec.structs.replace(query, before=page.older)

    expected = {200: 1000, 418: 0, None: 100}[query.code]
    assert (len(found), len(set(found)), max(costs) <= MOST) == (expected, expected, True), costs


async def test_one_event_and_one_delivery_are_a_handful_of_rows(filled):
    connection = await asyncpg.connect(filled)
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
    [[event, delivery]] = await connection.fetch("SELECT event_id, id FROM delivery WHERE account_id = 1 LIMIT 1")
    await connection.close()
    async with open_pool(filled, name="recorded", size=1) as opened:
        recording = RecordingDatabase(opened._pool, acquire_timeout=60)
        recording.ran = []
        await PostgresEventHistory(recording).event(ACCOUNT, EventId(event), owner="owner 1")
        await PostgresDeliveryHistory(recording).delivery(ACCOUNT, DeliveryId(delivery))
        async with recording.connection() as session:
            found = [await looked_at(session, each.query, each.args) for each in list(recording.ran)]  # type: ignore[arg-type]

    assert (sum(rows for rows, _ in found) < 50, [whole for _, whole in found if whole]) == (True, [])
