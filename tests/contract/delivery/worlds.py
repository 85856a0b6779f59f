"""A store as the suite sees it: its ports, what the suite puts in beside them, and one picture of all its state."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from typing import Any

import msgspec

from hookward.adapters.postgres.history.replays import PostgresReplays
from hookward.application.delivery.lease import Leases
from hookward.application.delivery.outbox import Outbox
from hookward.application.delivery.poller import WaitingStore
from hookward.application.delivery.recorder import ResultStore
from hookward.application.delivery.slots import SlotStore
from hookward.application.history.replays import ReplayStore
from hookward.application.records import WatchRecord
from hookward.application.watches.registry import DefinitionSource
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Wait
from hookward.domain.events.model import ChangeEvent
from hookward.domain.watches.model import WatchStatus
from tests.contract.world import ACCOUNT, SLOTS, World, new_entry, new_event, new_watch
from tests.fakes.delivery_store import FakeStore

LEASE = 60.0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All state, with leases by their worker's name, lanes by their watch, and times in tens of seconds from now.

    A time that has come is 0.
    """

    outbox: list[tuple[list[bytes], str | None, int, int, int, bytes | None]]
    """Events, holder, claims, crashes, crashes alone, how far the fan-out is; in the order of acceptance."""
    lanes: dict[bytes, tuple[int, bool, bool, str | None, int | None, int]]
    """Slots in use, behind, paused, closing, wakes in, held for."""
    grants: dict[tuple[bytes, str], int]
    waiting: dict[bytes, tuple[bytes, str | None, int, int, int, int, bytes | None, int]]
    """Lane, holder, number, crashes, crashes alone, base, replay of, due in."""
    payloads: dict[bytes, tuple[str, str, bytes | None]]
    log: dict[bytes, tuple[int, str | None, int, int | None, list[int], bytes | None]]
    """Status, reason, attempts, last code, numbers of the attempts in the log, replay of."""
    watches: dict[bytes, tuple[int, str | None]]
    """Status and its reason."""
    leases: set[str]
    """Workers with a lease that has not ended."""


class DeliveryWorld(ABC):
    """A store and its ports. Each port of both stores is checked against its Protocol here."""

    outbox: Outbox
    results: ResultStore
    slots: SlotStore
    waiting: WaitingStore
    leases: Leases
    replays: ReplayStore
    source: DefinitionSource

    def __init__(self) -> None:
        self.workers: dict[int, str] = {}
        self.lanes: dict[int, bytes] = {}

    async def lease(self, worker: str = "one") -> int:
        token = await self.leases.begin(worker, LEASE)
        self.workers[token] = worker
        return token

    async def stale_lease(self) -> int:
        """Return a lease that has ended and has not been taken over."""
        token = await self.lease("gone")
        await self.leases.abandon(token)
        return token

    async def watch(self, *, slots: int | None = None, paused: bool = False, owner: str | None = None) -> WatchRecord:
        row = msgspec.structs.replace(new_watch(), owner=owner)
        added = await self.add_watch(row, slots=slots, paused=paused)
        self.lanes[added.lane] = added.id
        return added

    async def accept_each(self, count: int, account: int = ACCOUNT) -> list[ChangeEvent]:
        """Accept events into outbox rows of their own."""
        return [event for _ in range(count) for event in await self.accept(new_event(account).change)]

    async def wait(
        self,
        watch: WatchRecord,
        *,
        due: float = 0.0,
        number: int = 1,
        status: DeliveryStatus = DeliveryStatus.PENDING,
        **values: Any,
    ) -> DeliveryUpdate:
        """Record a delivery that waits in the watch's lane, due in ``due`` seconds, as a worker would."""
        [event] = await self.store_events(new_event().change)
        update = new_entry(
            msgspec.structs.replace(new_event(), change=event),
            watch,
            status,
            wait=Wait(seconds=due, number=number),
            attempts=number - 1,
            **values,
        )
        token = await self.lease("recorder")
        await self.results.record(token, [update], done=[], slots={})
        await self.leases.end(token)
        return update

    async def lane(self, watch: WatchRecord) -> tuple[int, bool, bool, str | None, int | None, int]:
        return (await self.snapshot()).lanes[watch.id]

    @abstractmethod
    async def add_watch(self, row: WatchRecord, *, slots: int | None, paused: bool) -> WatchRecord: ...

    @abstractmethod
    async def accept(self, *events: ChangeEvent) -> list[ChangeEvent]:
        """Accept events in one transaction; return them as they were stored."""

    @abstractmethod
    async def store_events(self, *events: ChangeEvent) -> list[ChangeEvent]:
        """Store events that the outbox no longer holds."""

    @abstractmethod
    async def delete_events(self) -> None: ...

    @abstractmethod
    async def pause(self, watch: WatchRecord) -> None: ...

    @abstractmethod
    async def delete(self, watch: WatchRecord, *, reason: str) -> None: ...

    @abstractmethod
    async def let_pass(self, seconds: float) -> None:
        """Let time pass for all but leases."""

    @abstractmethod
    async def snapshot(self) -> Snapshot: ...

    def name(self, token: int | None) -> str | None:
        return None if token is None else self.workers[token]


class PostgresWorld(DeliveryWorld):
    """PostgreSQL."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.outbox = world.outbox
        self.results = world.results
        self.slots = self.waiting = world.lanes
        self.leases = world.leases
        self.replays = PostgresReplays(world.database)
        self.source = world.definitions

    async def add_watch(self, row: WatchRecord, *, slots: int | None, paused: bool) -> WatchRecord:
        return await self._world.definitions.add_watch(row, slots=slots, paused=paused, key=None)

    async def accept(self, *events: ChangeEvent) -> list[ChangeEvent]:
        await self._world.events.accept([msgspec.structs.replace(new_event(), change=event) for event in events])
        version = await self._world.value("SELECT version FROM definition_version")
        return [msgspec.structs.replace(event, version=version) for event in events]

    async def store_events(self, *events: ChangeEvent) -> list[ChangeEvent]:
        stored = await self.accept(*events)
        await self._world.value("DELETE FROM outbox WHERE events && $1::uuid[]", [event.id for event in events])
        return stored

    async def delete_events(self) -> None:
        await self._world.value("DELETE FROM event")

    async def pause(self, watch: WatchRecord) -> None:
        await self._world.definitions.change_watch(
            msgspec.structs.replace(watch, status=WatchStatus.PAUSED), slots=None, paused=True, reason="", key=None
        )

    async def delete(self, watch: WatchRecord, *, reason: str) -> None:
        await self._world.definitions.delete_watch(watch.account, watch.id, reason=reason)

    async def let_pass(self, seconds: float) -> None:
        for statement in (
            "UPDATE waiting SET due_at = due_at - $1 * interval '1 second'",
            "UPDATE lane SET wake_at = wake_at - $1 * interval '1 second'",
            "UPDATE lane SET held_until = held_until - $1 * interval '1 second' WHERE isfinite(held_until)",
        ):
            await self._world.value(statement, seconds)

    async def snapshot(self) -> Snapshot:
        rows = self._world.rows
        outbox = await rows("SELECT events, token, claims, crashes, alone, fanned FROM outbox ORDER BY seq")
        lanes = await rows(f"SELECT watch_id, in_use, behind, paused, closing, {_WAKES_IN}, {_HELD_FOR} FROM lane")
        waiting = await rows(
            f"SELECT delivery_id, lane_id, token, number, crashes, alone, base, replay_of, {_DUE_IN} FROM waiting"
        )
        log = await rows(
            "SELECT id, status, reason, attempts, last_code, "
            "ARRAY(SELECT number FROM attempt WHERE delivery_id = id ORDER BY number), replay_of FROM delivery"
        )
        grants = await rows("SELECT lane_id, token, n FROM lane_grant WHERE n > 0")
        return Snapshot(
            outbox=[(list(row[0]), self.name(row[1]), *row[2:]) for row in outbox],
            lanes={row[0]: row[1:] for row in lanes},
            grants={(self.lanes[lane], self.workers[token]): count for lane, token, count in grants},
            waiting={row[0]: (self.lanes[row[1]], self.name(row[2]), *row[3:]) for row in waiting},
            payloads={
                row[0]: (row[1], row[2].decode(), row[3])
                for row in await rows("SELECT delivery_id, method, address, body FROM payload")
            },
            log={row[0]: row[1:] for row in log},
            watches={row[0]: row[1:] for row in await rows("SELECT id, status, status_reason FROM watch")},
            leases={self.workers[row[0]] for row in await rows("SELECT token FROM lease WHERE until > now()")},
        )


_WAKES_IN = "CASE WHEN wake_at IS NOT NULL THEN greatest(0, round(extract(epoch FROM wake_at - now()) / 10))::int END"
_HELD_FOR = "CASE WHEN held_until > now() THEN round(extract(epoch FROM held_until - now()) / 10)::int ELSE 0 END"
_DUE_IN = "greatest(0, round(extract(epoch FROM due_at - now()) / 10))::int"


class MemoryWorld(DeliveryWorld):
    """The store in memory. Its clock moves by a microsecond whenever it is read, so that no two moments are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.store = FakeStore(lambda: self._now, default_slots=SLOTS)
        self._now = 1000.0
        self._lane_ids = itertools.count(1)
        self.outbox = self.results = self.slots = self.waiting = self.leases = self.replays = self.source = self.store

    def tick(self) -> None:
        """Let the next step be later than the last one."""
        self._now += 1e-6

    async def add_watch(self, row: WatchRecord, *, slots: int | None, paused: bool) -> WatchRecord:
        version = self.store.version + 1
        added = msgspec.structs.replace(row, lane=next(self._lane_ids), version=version, active_since=version)
        self.store.add_watch(added, slots=slots, paused=paused)
        return added

    async def accept(self, *events: ChangeEvent) -> list[ChangeEvent]:
        stored = [msgspec.structs.replace(event, version=self.store.version) for event in events]
        self.store.publish(*stored)
        return stored

    async def store_events(self, *events: ChangeEvent) -> list[ChangeEvent]:
        stored = await self.accept(*events)
        del self.store.outbox[max(self.store.outbox)]
        return stored

    async def delete_events(self) -> None:
        self.store.event_rows.clear()

    async def pause(self, watch: WatchRecord) -> None:
        self._change(watch, status=WatchStatus.PAUSED)
        lane = self.store.lanes[watch.lane]
        lane.paused, lane.wake_at = True, None

    async def delete(self, watch: WatchRecord, *, reason: str) -> None:
        self._change(watch, deleted=True)
        lane = self.store.lanes[watch.lane]
        if lane.closing is None:
            lane.closing, lane.paused, lane.wake_at = reason, False, self._now

    def _change(self, watch: WatchRecord, **values: Any) -> None:
        self.store.version += 1
        was = self.store.watches[watch.id]
        self.store.watches[watch.id] = msgspec.structs.replace(was, version=self.store.version, **values)

    async def let_pass(self, seconds: float) -> None:
        self._now += seconds
        for token in self.store.leases:
            self.store.leases[token] += seconds

    async def snapshot(self) -> Snapshot:
        store = self.store
        return Snapshot(
            outbox=[
                (list(row.events), self.name(row.token), row.claims, row.crashes, row.alone, row.fanned)
                for row in sorted(store.outbox.values(), key=lambda row: row.seq)
            ],
            lanes={
                self.lanes[id_]: (
                    lane.in_use, lane.behind, lane.paused, lane.closing, self._in_10(lane.wake_at),
                    self._in_10(lane.held_until) or 0,
                )
                for id_, lane in store.lanes.items()
            },
            grants={(self.lanes[lane], self.workers[token]): n for (lane, token), n in store.grants.items() if n},
            waiting={
                id_: (
                    self.lanes[row.lane], self.name(row.token), row.number, row.crashes, row.alone, row.base,
                    row.replay_of, self._in_10(row.due) or 0,
                )
                for id_, row in store.waiting.items()
            },
            payloads={id_: (each.method, each.address, each.body) for id_, each in store.payloads.items()},
            log={
                id_: (
                    each.status, each.reason, each.made, each.last_code,
                    sorted(attempt.number for attempt in each.attempts), each.replay_of,
                )
                for id_, each in store.log.items()
            },
            watches={each.id: (each.status, each.status_reason) for each in store.watches.values()},
            leases={self.workers[token] for token in store.leases if store.is_live(token)},
        )  # fmt: skip

    def _in_10(self, moment: float | None) -> int | None:
        return None if moment is None else max(0, round(max(moment - self._now, 0.0) / 10))
