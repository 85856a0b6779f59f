"""The store's ports in memory: what the SQL of ``adapters/postgres`` does, in a few dictionaries."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from hookward.application.delivery.admission import DueDelivery
from hookward.application.delivery.dispatcher import Claim
from hookward.application.history.replays import MAX_ATTEMPTS, Replayed
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.watches.registry import DefinitionDelta
from hookward.domain.delivery.model import POISON_CRASHES, Attempt, DeliveryStatus, DeliveryUpdate, Payload, WatchEffect
from hookward.domain.errors import LeaseLost, StoreUnavailable
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, DeliveryId, EventId, WatchId
from hookward.domain.watches.model import WatchStatus

ABANDONED = float("-inf")


@dataclass(slots=True)
class Row:
    """An outbox row."""

    seq: int
    events: tuple[EventId, ...]
    token: int | None = None
    claims: int = 0
    crashes: int = 0
    alone: int = 0
    fanned: WatchId | None = None


@dataclass(slots=True)
class LaneRow:
    """A lane."""

    slots: int | None = None
    in_use: int = 0
    paused: bool = False
    closing: str | None = None
    behind: bool = False
    held_until: float = float("-inf")
    wake_at: float | None = None


@dataclass(slots=True)
class WaitingRow:
    """A waiting delivery."""

    lane: int
    event: EventId
    due: float
    number: int
    token: int | None = None
    crashes: int = 0
    alone: int = 0
    base: int = 0
    replay_of: DeliveryId | None = None


@dataclass(slots=True)
class Logged:
    """A delivery in the log."""

    entry: DeliveryUpdate
    status: DeliveryStatus
    reason: str | None
    attempts: list[Attempt] = field(default_factory=list)


class FakeStore:
    """Every port of a session. ``down`` makes each call fail, ``away`` those that it names; those in ``lost`` do their
    work and then fail, once.
    """

    def __init__(self, now: Callable[[], float], *, default_slots: int = 16) -> None:
        self.now = now
        self.default_slots = default_slots
        self.down = False
        self.away: set[str] = set()
        self.lost: set[str] = set()
        self.refused: Callable[[DeliveryUpdate], bool] = lambda _entry: False
        self.version = 1
        self.watches: dict[WatchId, WatchRecord] = {}
        self.keys: list[KeyRecord] = []
        self.zones: dict[AccountId, str | None] = {}
        self.event_rows: dict[EventId, ChangeEvent] = {}
        self.outbox: dict[int, Row] = {}
        self.lanes: dict[int, LaneRow] = {}
        self.grants: dict[tuple[int, int], int] = {}
        self.waiting: dict[DeliveryId, WaitingRow] = {}
        self.payloads: dict[DeliveryId, Payload] = {}
        self.log: dict[DeliveryId, Logged] = {}
        self.leases: dict[int, float] = {}
        self.groups: list[int] = []
        self.slow = 0.0
        self._seq = 0
        self._token = 0

    # What tests put in.

    def add_watch(self, watch: WatchRecord, *, slots: int | None = None, paused: bool = False) -> None:
        self.version += 1
        self.watches[watch.id] = watch
        self.lanes.setdefault(watch.lane, LaneRow(slots=slots, paused=paused))

    def publish(self, *events: ChangeEvent) -> int:
        self._seq += 1
        for event in events:
            self.event_rows[event.id] = event
        self.outbox[self._seq] = Row(self._seq, tuple(event.id for event in events))
        return self._seq

    # WatchRegistry.

    async def changes_since(self, version: int) -> DefinitionDelta:
        self._reach("changes_since")
        watches = [watch for watch in self.watches.values() if watch.version > version]
        return DefinitionDelta(version=self.version, watches=watches, keys=self.keys, zones=self.zones)

    # Leases.

    async def begin(self, _worker: str, seconds: float) -> int:
        self._reach("begin")
        self._token += 1
        self.leases[self._token] = self.now() + seconds
        return self._token

    async def renew(self, token: int, seconds: float) -> None:
        self._reach("renew")
        if self.leases.get(token, ABANDONED) <= self.now():
            raise LeaseLost
        self.leases[token] = self.now() + seconds

    async def end(self, token: int) -> None:
        self._reach("end")
        self.leases.pop(token, None)
        self._free(token, crashed=0)

    async def abandon(self, token: int) -> None:
        self._reach("abandon")
        self.leases[token] = ABANDONED

    async def take_over(self) -> tuple[int, int, int]:
        self._reach("take_over")
        dead = [token for token, until in self.leases.items() if until <= self.now()]
        for token in dead:
            del self.leases[token]
            self._free(token, crashed=1)
        return len(dead), 0, 0

    def _free(self, token: int, *, crashed: int) -> None:
        rows: list[Row | WaitingRow] = [*self.outbox.values(), *self.waiting.values()]
        held = [each for each in rows if each.token == token]
        suspects = [each for each in held if each.crashes >= POISON_CRASHES]
        for each in held:
            guilty = len(held) == 1 or (len(suspects) == 1 and suspects[0] is each)
            each.token = None
            each.crashes += crashed
            each.alone += crashed * guilty
            if isinstance(each, WaitingRow):
                lane = self.lanes[each.lane]
                lane.behind = True
                lane.wake_at = None if lane.paused else self.now()
        for (lane_id, holder), count in list(self.grants.items()):
            if holder == token:
                del self.grants[lane_id, holder]
                self.lanes[lane_id].in_use -= count
                if self.lanes[lane_id].behind and not self.lanes[lane_id].paused:
                    self.lanes[lane_id].wake_at = self.now()

    # Outbox.

    async def claim(self, token: int, *, limit: int) -> list[Claim]:
        self._reach()
        self._fence(token)
        claims: list[Claim] = []
        for row in sorted(self.outbox.values(), key=lambda row: row.seq):
            if row.token is None and sum(len(claim.events) for claim in claims) < limit:
                row.token = token
                row.claims += 1
                claims.append(
                    Claim(
                        seq=row.seq,
                        events=row.events,
                        claims=row.claims,
                        crashes=row.crashes,
                        alone=row.alone,
                        fanned=row.fanned,
                    )
                )
        self._reach("claim")
        return claims

    async def events(self, ids: Sequence[EventId]) -> Mapping[EventId, ChangeEvent]:
        self._reach("events")
        return {id_: self.event_rows[id_] for id_ in ids if id_ in self.event_rows}

    async def recorded(self, events: Sequence[EventId]) -> set[DeliveryId]:
        self._reach("recorded")
        return {id_ for id_, logged in self.log.items() if logged.entry.event in events}

    async def split(self, token: int, claim: Claim) -> None:
        self._reach("split")
        self._fence(token)
        row = self.outbox.pop(claim.seq)
        for event in claim.events:
            self._seq += 1
            self.outbox[self._seq] = Row(self._seq, (event,), claims=row.claims, crashes=row.crashes)

    async def fan(self, token: int, claim: Claim, watch: WatchId) -> None:
        self._reach("fan")
        self._fence(token)
        self.outbox[claim.seq].fanned = watch

    # ResultStore.

    async def record(
        self, token: int, entries: Sequence[DeliveryUpdate], *, done: Sequence[int], slots: Mapping[int, int]
    ) -> None:
        self._reach()
        self._fence(token)
        if self.slow:
            await asyncio.sleep(self.slow)
        if any(self.refused(entry) for entry in entries):
            raise ValueError("a value that the store refuses")
        self.groups.append(len(entries))
        for seq in done:
            self.outbox.pop(seq, None)
        for entry in entries:
            if entry.watch_effect is not None:
                self._feel(entry, entry.watch_effect)
        for entry in entries:
            self._write(token, entry)
        for lane, count in slots.items():
            taken = min(count, self.grants.get((lane, token), 0))
            self.grants[lane, token] = self.grants.get((lane, token), 0) - taken
            self.lanes[lane].in_use -= taken
            if self.lanes[lane].behind and not self.lanes[lane].paused:
                self._wake(lane, 0.0)
        self._reach("record")

    def _feel(self, entry: DeliveryUpdate, consequence: WatchEffect) -> None:
        lane, watch = self.lanes[entry.lane], self.watches[entry.watch]
        if consequence.disable is not None and watch.version == consequence.version:
            self.version += 1
            lane.closing, lane.wake_at = consequence.disable, self.now()
            self.watches[watch.id] = msgspec.structs.replace(
                watch, status=WatchStatus.DISABLED, status_reason=consequence.disable, version=self.version
            )
        elif consequence.pause is not None and watch.version == consequence.version:
            self.version += 1
            lane.paused, lane.wake_at = True, None
            self.watches[watch.id] = msgspec.structs.replace(
                watch, status=WatchStatus.PAUSED, status_reason=consequence.pause, version=self.version
            )
        if consequence.hold and lane.closing is None:
            lane.held_until = max(lane.held_until, self.now() + consequence.hold)
            if lane.wake_at is not None:
                lane.wake_at = max(lane.wake_at, lane.held_until)

    def _write(self, token: int, entry: DeliveryUpdate) -> None:
        logged = self.log.get(entry.id)
        if logged is None:
            logged = self.log[entry.id] = Logged(entry, entry.status, entry.reason)
        elif entry.waited and logged.status.open:
            logged.status, logged.reason = entry.status, entry.reason
        if entry.attempt is not None and all(each.number != entry.attempt.number for each in logged.attempts):
            logged.attempts.append(entry.attempt)
        if entry.payload is not None:
            self.payloads.setdefault(entry.id, entry.payload)
        held = self.waiting.get(entry.id)
        if entry.wait is None:
            if held is not None and held.token == token:
                del self.waiting[entry.id]
                self.payloads.pop(entry.id, None)
            return
        if entry.waited:
            if held is not None and held.token == token:
                held.token, held.due, held.number = None, self.now() + entry.wait.seconds, entry.wait.number
                if entry.attempt is not None:
                    held.crashes = held.alone = 0
        elif logged.status.open:
            holder = token if entry.wait.held else None
            self.waiting.setdefault(
                entry.id,
                WaitingRow(
                    entry.lane,
                    entry.event,
                    self.now() + entry.wait.seconds,
                    entry.wait.number,
                    holder,
                    entry.wait.crashes,
                ),
            )
        if not entry.wait.held:
            self._wake(entry.lane, entry.wait.seconds)

    def _wake(self, lane_id: int, seconds: float) -> None:
        lane = self.lanes[lane_id]
        lane.behind = lane.behind or seconds <= 0
        due = max(self.now() + seconds, lane.held_until)
        if lane.closing is not None:
            lane.wake_at = self.now()
        elif not lane.paused:
            lane.wake_at = min(lane.wake_at if lane.wake_at is not None else float("inf"), due)

    # Lanes.

    async def acquire(self, token: int, wanted: Mapping[int, int]) -> dict[int, int]:
        self._reach()
        self._fence(token)
        granted: dict[int, int] = {}
        for id_, count in wanted.items():
            lane = self.lanes[id_]
            free = 0 if self._halted(lane) or lane.behind else self._slots(lane) - lane.in_use
            granted[id_] = self._grant(id_, token, min(count, max(0, free)))
        self._reach("acquire")
        return granted

    async def stopped(self, lanes: Sequence[int]) -> dict[int, bool]:
        self._reach("stopped")
        rows = {id_: self.lanes[id_] for id_ in lanes}
        return {id_: self._halted(lane) for id_, lane in rows.items() if lane.behind or self._halted(lane)}

    def _halted(self, lane: LaneRow) -> bool:
        return lane.paused or lane.closing is not None or lane.held_until > self.now()

    async def pull(self, token: int, *, lanes: int) -> list[DueDelivery]:
        self._reach()
        self._fence(token)
        pulled: list[DueDelivery] = []
        free_rows: defaultdict[int, list[tuple[float, DeliveryId]]] = defaultdict(list)
        for key, row in self.waiting.items():
            if row.token is None:
                free_rows[row.lane].append((row.due, key))
        watches = {watch.lane: watch.id for watch in self.watches.values()}
        due = sorted(
            (lane.wake_at, id_)
            for id_, lane in self.lanes.items()
            if lane.wake_at is not None and lane.wake_at <= self.now() and not lane.paused and not lane.closing
        )
        for _, id_ in due[:lanes]:
            lane = self.lanes[id_]
            free = max(0, self._slots(lane) - lane.in_use)
            rows = sorted(free_rows[id_])
            held = lane.held_until > self.now()
            ready = [] if held else [key for when, key in rows if when <= self.now()][:free]
            pulled += [self._pull(key, token, watches[id_]) for key in ready]
            self._grant(id_, token, len(ready))
            rest = [when for when, key in rows if key not in ready]
            lane.behind = bool(rest) and rest[0] <= self.now()
            lane.wake_at = None if not rest else rest[0] if rest[0] > self.now() else None
            if held and rest:
                lane.wake_at = max(rest[0], lane.held_until)
        self._reach("pull")
        return pulled

    def _pull(self, key: DeliveryId, token: int, watch: WatchId) -> DueDelivery:
        row = self.waiting[key]
        row.token = token
        return DueDelivery(
            id=key, lane=row.lane, event_id=row.event, number=row.number, crashes=row.crashes, alone=row.alone,
            watch=watch, event=self.event_rows.get(row.event), payload=self.payloads.get(key),
            base=row.base, replay_of=row.replay_of,
        )  # fmt: skip

    async def next_wake(self) -> float | None:
        self._reach("next_wake")
        wakes = [lane.wake_at for lane in self.lanes.values() if lane.wake_at is not None and not lane.paused]
        return min(wakes) - self.now() if wakes else None

    async def cancel_some(self, *, limit: int) -> int:
        self._reach("cancel_some")
        for id_, lane in self.lanes.items():
            if lane.closing and lane.wake_at is not None:
                keys = [key for key, row in self.waiting.items() if row.lane == id_ and row.token is None][:limit]
                for key in keys:
                    del self.waiting[key]
                    self.log[key].status, self.log[key].reason = DeliveryStatus.CANCELLED, lane.closing
                if len(keys) < limit:
                    lane.wake_at, lane.behind = None, False
                return len(keys)
        return 0

    # Replays.

    async def replay(
        self, account: AccountId, id_: DeliveryId, *, owner: str | None, new_id: DeliveryId | None
    ) -> Replayed:
        self._reach("replay")
        logged = self.log.get(id_)
        if logged is None or logged.entry.account != account:
            return Replayed.UNKNOWN
        refusal = self._replay_refusal(logged, owner)
        if refusal is not None:
            return refusal
        if not new_id and len(logged.attempts) >= MAX_ATTEMPTS:
            return Replayed.SENT_OFTEN
        row = self.watches[logged.entry.watch]
        base = 0 if new_id else len(logged.attempts)
        if logged.status.open and not new_id:
            return self._sooner(id_, logged)
        if new_id:
            entry = msgspec.structs.replace(logged.entry, id=new_id)
            self.log[new_id] = Logged(entry, DeliveryStatus.PENDING, None)
        else:
            logged.status, logged.reason = DeliveryStatus.PENDING, None
        waiting = WaitingRow(row.lane, logged.entry.event, self.now(), base + 1, base=base)
        waiting.replay_of = id_ if new_id else None
        self.waiting[new_id or id_] = waiting
        self._wake(row.lane, 0.0)
        return Replayed.YES

    def _sooner(self, id_: DeliveryId, logged: Logged) -> Replayed:
        waiting = self.waiting.get(id_)
        if waiting is None or waiting.token is not None:
            return Replayed.IN_FLIGHT
        logged.status, logged.reason = DeliveryStatus.PENDING, None
        waiting.due, waiting.base = self.now(), waiting.number - 1
        self.payloads.pop(id_, None)
        self._wake(waiting.lane, 0.0)
        return Replayed.YES

    def _replay_refusal(self, logged: Logged, owner: str | None) -> Replayed | None:
        row = self.watches[logged.entry.watch]
        if owner not in (None, row.owner):
            return Replayed.UNKNOWN
        if row.deleted:
            return Replayed.WATCH_DELETED
        if row.status == WatchStatus.DISABLED:
            return Replayed.WATCH_DISABLED
        return None if logged.entry.event in self.event_rows else Replayed.EVENT_GONE

    # Common.

    def _slots(self, lane: LaneRow) -> int:
        return self.default_slots if lane.slots is None else lane.slots

    def _grant(self, lane: int, token: int, count: int) -> int:
        if count:
            self.lanes[lane].in_use += count
            self.grants[lane, token] = self.grants.get((lane, token), 0) + count
        return count

    def _fence(self, token: int) -> None:
        if self.leases.get(token, ABANDONED) <= self.now():
            raise LeaseLost

    def _reach(self, name: str = "") -> None:
        if self.down or name in self.away or name in self.lost:
            self.lost.discard(name)
            raise StoreUnavailable("away")
