"""A worker's whole inside on fakes: a store in memory, endpoints that are plain functions, time that jumps."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.application.delivery.endpoints import EndpointCache
from hookward.application.delivery.executor import AttemptExecutor
from hookward.application.delivery.lease import Lease
from hookward.application.delivery.session import WorkerLimits, WorkerSession, WorkerStores
from hookward.application.delivery.worker import Worker
from hookward.application.ports import Sealer
from hookward.application.records import WatchRecord
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome, Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.errors import LeaseLost, StoreUnavailable
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, EventId, WatchId, uuid7
from hookward.domain.resource_types.model import BodyShape, ResourceType
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.watches.model import WatchDefinition, WatchStatus
from tests.fakes.delivery_store import FakeStore, LaneRow
from tests.fakes.null_log import NullLog
from tests.fakes.oauth import FakeTokens
from tests.fakes.virtual_time import FixedRandom, VirtualClock

SHOP = ResourceType(
    name="shop.order", scope=("shopId",), identity=("id",), body=BodyShape.WRAPPED, schema={}, sample={"id": "1"}
)

Endpoint = Callable[[OutgoingRequest], Outcome | float]
"""Answers with an outcome at once, or with the seconds after which it answers 200."""


def ok(_request: OutgoingRequest) -> Outcome:
    return Outcome(duration_us=1000, response=Response(status=200, headers=(), body=b""))


def status(code: int) -> Endpoint:
    return lambda _request: Outcome(duration_us=1000, response=Response(status=code, headers=(), body=b"no"))


def hang(_request: OutgoingRequest) -> float:
    return 3600.0


class Endpoints:
    """The Sender port: scripted per address, remembering what arrived."""

    def __init__(self) -> None:
        self.script: dict[str, Endpoint] = {}
        self.received: list[OutgoingRequest] = []
        self.in_flight = 0
        self.most_in_all = 0
        self.most_in_flight: Counter[str] = Counter()
        self._now: Counter[str] = Counter()

    async def send(self, request: OutgoingRequest, *, timeout: float) -> Outcome:
        self.received.append(request)
        self.in_flight += 1
        self.most_in_all = max(self.most_in_all, self.in_flight)
        self._now[request.address] += 1
        self.most_in_flight[request.address] = max(self.most_in_flight[request.address], self._now[request.address])
        try:
            answer = self.script.get(request.address, ok)(request)
            if isinstance(answer, Outcome):
                await asyncio.sleep(0)
                return answer
            await asyncio.sleep(min(answer, timeout))
            if answer > timeout:
                failure = Failure(kind=ErrorKind.TIMEOUT, message="no answer in time")
                return Outcome(duration_us=int(timeout * 1e6), failure=failure)
            return ok(request)
        finally:
            self.in_flight -= 1
            self._now[request.address] -= 1

    def have_received(self, address: str, count: int) -> bool:
        """Whether ``count`` requests have come to ``address``."""
        return sum(request.address == address for request in self.received) >= count

    def ids(self) -> list[str]:
        """The webhook-id of each request, in order."""
        return [dict(request.changing)["webhook-id"] for request in self.received]


class NoSealing:
    """The Sealer port for watches without secrets."""

    def seal(self, secret: bytes, _about: str) -> bytes:
        return secret

    def unseal(self, sealed: bytes, _about: str) -> bytes:
        return sealed

    def fingerprint(self, secret: bytes, about: str) -> bytes:
        return sha256(b"%b|%b" % (about.encode(), secret)).digest()

    def fingerprints(self, secret: bytes, about: str) -> tuple[bytes, ...]:
        return (self.fingerprint(secret, about),)


class Wakes:
    """The WakeupSender port, counting."""

    def __init__(self) -> None:
        self.count = 0

    def wake(self) -> None:
        self.count += 1


class WorkerHarness:
    """One store, one set of endpoints, and as many sessions as a test begins."""

    def __init__(self, *, slots: int = 16, schedule: Sequence[float] = (5.0, 300.0), timeout: float = 15.0) -> None:
        self.clock = VirtualClock()
        self.store = FakeStore(self.clock.monotonic, default_slots=slots)
        self.endpoints = Endpoints()
        self.log = NullLog()
        self.wakes = Wakes()
        self.sealer: Sealer = NoSealing()
        self.lines = NullLog()
        self.tokens = FakeTokens()
        self.slots = slots
        self.schedule = tuple(schedule)
        self.timeout = timeout
        self.stop = asyncio.Event()
        self.sessions: list[WorkerSession] = []
        self.workers: list[Worker] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._count = 0

    def watch(
        self, address: str, *, slots: int | None = None, paused: bool = False, **definition: object
    ) -> WatchRecord:
        """Add a watch on every shop."""
        self._count += 1
        self.store.version += 1
        if slots is not None:
            definition.setdefault("concurrency", slots)
        row = WatchRecord(
            id=WatchId(uuid7(self._count, bytes(10))),
            account=AccountId(1),
            resource_type=SHOP.name,
            status=WatchStatus.PAUSED if paused else WatchStatus.ENABLED,
            definition=msgspec.json.encode(WatchDefinition(address=address, **definition)),  # type: ignore[arg-type]
            secrets=None,
            lane=self._count,
            active_since=self.store.version,
            version=self.store.version + 1,
        )
        self.store.add_watch(row, slots=slots, paused=paused)
        return row

    def change(self, watch: WatchRecord, **changes: Any) -> None:
        """Change a watch behind everybody's back."""
        self.store.version += 1
        row = self.store.watches[watch.id]
        self.store.watches[watch.id] = msgspec.structs.replace(row, version=self.store.version, **changes)

    def pause(self, watch: WatchRecord) -> None:
        """Let a lane give nothing more."""
        self.store.lanes[watch.lane].paused = True
        self.store.lanes[watch.lane].wake_at = None
        self.change(watch, status=WatchStatus.PAUSED)

    def reopen(self, watch: WatchRecord, *, lane: int = 100) -> None:
        """Disable a watch and enable it again, in one go: it gets a new lane."""
        self.store.lanes[watch.lane].closing = "the watch was disabled"
        self.store.lanes[watch.lane].wake_at = self.clock.monotonic()
        self.store.lanes[lane] = LaneRow()
        self.change(watch, lane=lane, active_since=self.store.version + 1)

    def resume(self, lane: int) -> None:
        """Let a paused lane go on."""
        self.store.lanes[lane].paused = False
        self.store.lanes[lane].wake_at = self.clock.monotonic()
        [watch] = [each for each in self.store.watches.values() if each.lane == lane]
        self.change(watch, status=WatchStatus.ENABLED)

    def event(self, body: bytes = b'{"id":"1"}') -> ChangeEvent:
        """An event of a shop, not yet published."""
        self._count += 1
        return ChangeEvent(
            id=EventId(uuid7(1_780_000_000_000 + self._count, self._count.to_bytes(10, "big"))),
            account=AccountId(1),
            resource_type=SHOP.name,
            type_version=1,
            kind=ChangeKind.UPDATED,
            scope={"shopId": "7"},
            resource_id="1",
            body=body,
            version=self.store.version,
        )

    def publish(
        self,
        count: int = 1,
        *,
        together: bool = True,
        body: bytes = b'{"id":"1"}',
        kind: ChangeKind = ChangeKind.UPDATED,
    ) -> list[ChangeEvent]:
        """Put events into the outbox, in one row or in one each."""
        events = [msgspec.structs.replace(self.event(body), kind=kind) for _ in range(count)]
        if together:
            self.store.publish(*events)
        else:
            for event in events:
                self.store.publish(event)
        for session in self.sessions:
            session.dispatcher.wake()
        for worker in self.workers:
            worker.wake()
        return events

    async def start_session(
        self, *, lease: float = 45.0, in_flight: int = 1024, room: int | None = None, grace: float = 20.0,
        load: int = 16 << 20, fan_out: int = 256, fan_outs: int = 256,
    ) -> WorkerSession:  # fmt: skip
        """Start a session and let it work."""
        began = await Lease.begin(self.store, "worker", seconds=lease, clock=self.clock, log=self.log)
        registry = WatchRegistry(self.store, {SHOP.name: SHOP})
        await registry.refresh()
        limits = WorkerLimits(
            lease=lease, slots=self.slots, in_flight=in_flight, room=room or in_flight, grace=grace, load=load,
            fan_out=fan_out, fan_outs=fan_outs,
        )  # fmt: skip
        session = WorkerSession(
            self._stores(), began, registry, self._executor(registry),
            waker=self.wakes, limits=limits, clock=self.clock, log=self.log,
        )  # fmt: skip
        self.sessions.append(session)
        self.tasks.append(asyncio.create_task(self._work(session), name="harness.work"))
        return session

    def start_worker(self, *, lease: float = 45.0, grace: float = 20.0) -> Worker:
        """Start a worker: one session after the other."""
        registry = WatchRegistry(self.store, {SHOP.name: SHOP})
        limits = WorkerLimits(lease=lease, slots=self.slots, grace=grace)
        worker = Worker(
            "worker", self._stores(), registry, self._executor(registry),
            waker=self.wakes, limits=limits, clock=self.clock, log=self.log,
        )  # fmt: skip
        self.workers.append(worker)
        self.tasks.append(asyncio.create_task(worker.run(self.stop), name="harness.worker"))
        return worker

    def _executor(self, registry: WatchRegistry) -> AttemptExecutor:
        return AttemptExecutor(
            EndpointCache(registry, self.sealer, CipherSigningKeys(), clock=self.clock, user_agent="Hookward/test"),
            self.endpoints,
            self.tokens,
            timeout=self.timeout, schedule=self.schedule, clock=self.clock, random=FixedRandom(), log=self.lines,
        )  # fmt: skip

    def _stores(self) -> WorkerStores:
        store = self.store
        return WorkerStores(leases=store, outbox=store, results=store, slots=store, waiting=store)

    async def _work(self, session: WorkerSession) -> None:
        try:
            await session.work(self.stop)
        except LeaseLost:
            self.log.warning("harness.lease_lost")
        else:
            await session.finish(self.stop)

    async def kill(self, session: WorkerSession) -> None:
        """End a session as ``kill -9`` would: nothing more of it reaches the store."""
        store, self.store.down = self.store.down, True
        task = self.tasks[self.sessions.index(session)]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.store.down = store

    async def until(self, condition: Callable[[], bool], *, seconds: float = 100_000.0) -> None:
        """Wait for a condition; time jumps."""
        end = self.clock.monotonic() + seconds
        while not condition():
            for task in self.tasks:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    task.result()
            assert self.clock.monotonic() < end, "it never came to be"
            await asyncio.sleep(0.01)

    async def settled(self, *, seconds: float = 1_000_000.0) -> None:
        """Wait until nothing is left to do."""
        await self.until(lambda: not self.store.outbox and not self.store.waiting, seconds=seconds)

    def statuses(self) -> Counter[DeliveryStatus]:
        """How many deliveries stand where."""
        return Counter(logged.status for logged in self.store.log.values())

    async def close(self) -> None:
        """Stop all sessions in good order."""
        self.stop.set()
        self.store.down = False
        await asyncio.wait(self.tasks)


__all__ = ["Endpoints", "StoreUnavailable", "WorkerHarness", "hang", "ok", "status"]
