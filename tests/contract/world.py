"""A store with everything in it, and short ways to put things there and to look at them."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from hookward.adapters.clock import SystemClock
from hookward.adapters.postgres.crypto_keys import PostgresCryptoKeys
from hookward.adapters.postgres.events import PostgresEvents
from hookward.adapters.postgres.history.deliveries import PostgresDeliveryHistory
from hookward.adapters.postgres.lanes import PostgresLanes
from hookward.adapters.postgres.leases import PostgresLeases
from hookward.adapters.postgres.outbox import PostgresOutbox
from hookward.adapters.postgres.pool import ConnectionPool, open_pool
from hookward.adapters.postgres.results import PostgresResults
from hookward.adapters.postgres.watches import PostgresWatches
from hookward.application.delivery.outbox import Claim
from hookward.application.events.publisher import NewEvent
from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import Attempt, DeliveryStatus, DeliveryUpdate, Wait
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, EventId, WatchId, delivery_id_of, uuid7
from hookward.domain.resource_types.operations import ChangeKind
from tests.contract.servers import Server

SLOTS = 4
ACCOUNT = AccountId(1)

_clock = SystemClock()
_order = itertools.count()


def new_id(unix_ms: int | None = None) -> bytes:
    """An id of now, or of another moment; those of one test sort in the order they were made."""
    stamp = next(_order).to_bytes(4, "big")
    return uuid7(_clock.now_us() // 1000 if unix_ms is None else unix_ms, b"\0\0\0" + stamp + os.urandom(3))


def new_event(
    account: int = ACCOUNT, *, body: bytes = b'{"id": 7}', key: bytes | None = None, **change: Any
) -> NewEvent:
    values: dict[str, Any] = {
        "id": EventId(new_id()), "resource_type": "appointment", "type_version": 1, "kind": ChangeKind.UPDATED,
        "scope": {"companyId": "42"}, "resource_id": "7",
    }  # fmt: skip
    event = ChangeEvent(account=AccountId(account), body=body, **{**values, **change})
    return NewEvent(change=event, key=key, digest=None if key is None else b"digest of " + body)


def new_watch(account: int = ACCOUNT) -> WatchRecord:
    return WatchRecord(
        id=WatchId(new_id()), account=AccountId(account), resource_type="appointment", status=1,
        definition=b'{"address": "http://127.0.0.1/"}', secrets=b"sealed",
    )  # fmt: skip


def new_entry(event: NewEvent, watch: WatchRecord, status: DeliveryStatus, **values: Any) -> DeliveryUpdate:
    """What a worker records of a delivery: by default one that never waited, without an attempt."""
    change = event.change
    return DeliveryUpdate(
        id=delivery_id_of(event.id, watch.id), account=change.account, event=event.id, watch=watch.id, lane=watch.lane,
        resource_type=change.resource_type, kind=change.kind, resource_id=change.resource_id, status=status,
        **{"waited": False, "attempts": 0, **values},
    )  # fmt: skip


def new_attempt(number: int = 1, code: int | None = 200, **values: Any) -> Attempt:
    return Attempt(
        number=number, sent_us=_clock.now_us(), duration_us=1234, request=b"{}", code=code, response=b"{}", **values
    )


def moved(entry: DeliveryUpdate, status: DeliveryStatus, **values: Any) -> DeliveryUpdate:
    """What a worker records of a delivery that waited."""
    blank: dict[str, Any] = {"waited": True, "wait": None, "payload": None, "attempt": None}
    return msgspec.structs.replace(entry, status=status, **{**blank, **values})


class World:
    """The adapters on one database, and plain SQL beside them."""

    def __init__(self, dsn: str, database: ConnectionPool) -> None:
        self.dsn = dsn
        self.database = database
        self.events = PostgresEvents(database)
        self.outbox = PostgresOutbox(database)
        self.results = PostgresResults(database)
        self.lanes = PostgresLanes(database, default_slots=SLOTS)
        self.leases = PostgresLeases(database)
        self.definitions = PostgresWatches(database)
        self.crypto_keys = PostgresCryptoKeys(database)
        self.log = PostgresDeliveryHistory(database)

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *values)]

    async def value(self, query: str, *values: object) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchval(query, *values)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection of its own, for what happens beside the adapters."""
        connection = await asyncpg.connect(self.dsn)
        await connection.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
        try:
            yield connection
        finally:
            await connection.close()

    async def renew_connections(self) -> None:
        """Let what was set for the database apply to the connections that the adapters use."""
        async with self.session() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    async def everything(self) -> dict[str, list[str]]:
        """Every row of every table, as text."""
        tables = await self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return {
            table: [row[0] for row in await self.rows(f"SELECT t::text FROM ONLY {table} t ORDER BY 1")]
            for (table,) in tables
        }

    async def lease(self, worker: str = "one") -> int:
        return await self.leases.begin(worker, 60)

    async def stale_lease(self) -> int:
        """A lease that has ended and that no worker has taken over yet."""
        token = await self.leases.begin("gone", 60)
        await self.leases.expire("gone")
        return token

    async def watch(self, account: int = ACCOUNT, *, slots: int | None = None, paused: bool = False) -> WatchRecord:
        return await self.definitions.add_watch(new_watch(account), slots=slots, paused=paused, key=None)

    async def accept(self, *events: NewEvent) -> list[NewEvent]:
        await self.events.accept(events)
        return list(events)

    async def accept_each(self, count: int, account: int = ACCOUNT) -> list[NewEvent]:
        """Events in outbox rows of their own."""
        return [event for _ in range(count) for event in await self.accept(new_event(account))]

    async def wait(
        self, watch: WatchRecord, *, due: float = 0.0, number: int = 1, status: DeliveryStatus = DeliveryStatus.PENDING,
        event: NewEvent | None = None, **values: Any,
    ) -> DeliveryUpdate:  # fmt: skip
        """A delivery that waits in the watch's lane, due in so many seconds, recorded as a worker would."""
        [event] = await self.accept(event or new_event(watch.account))
        await self.value("DELETE FROM outbox WHERE events = ARRAY[$1::uuid]", event.id)
        token = await self.lease("who makes it wait")
        wait = Wait(seconds=due, number=number)
        entry = new_entry(event, watch, status, wait=wait, attempts=number - 1, **values)
        await self.results.record(token, [entry], done=[], slots={})
        await self.leases.end(token)
        return entry

    async def lane_row(self, lane: int) -> dict[str, Any]:
        """The state of a lane, with its wake-up as one of ``never``, ``now``, ``later``."""
        async with self.database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT in_use, behind, paused, closing, CASE WHEN wake_at IS NULL THEN 'never' "
                "WHEN wake_at <= now() THEN 'now' ELSE 'later' END AS wake FROM lane WHERE id = $1",
                lane,
            )
        assert row is not None
        return dict(row)

    async def wait_until(self, question: str, *values: object) -> None:
        """Ask until the answer is true."""
        async with self.session() as connection:
            while not await connection.fetchval(question, *values):
                pass


@asynccontextmanager
async def opened_world(server: Server) -> AsyncIterator[World]:
    async with server.database() as dsn, open_pool(dsn, name="contract", size=8) as database:
        yield World(dsn, database)


def ids(events: Sequence[NewEvent]) -> list[EventId]:
    return [event.id for event in events]


def events_of(claims: Sequence[Claim]) -> list[EventId]:
    return [event for claim in claims for event in claim.events]
