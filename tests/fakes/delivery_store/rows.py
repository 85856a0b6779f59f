"""The rows of the store, what tests put into them, and what all ports share: the fence and outages on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.watches.registry import DefinitionDelta
from hookward.domain.delivery.model import Attempt, DeliveryStatus, DeliveryUpdate, Payload
from hookward.domain.errors import LeaseLost, StoreUnavailable
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, DeliveryId, EventId, WatchId

ABANDONED = float("-inf")


@dataclass(slots=True)
class OutboxRow:
    """Events that one transaction accepted for one account."""

    seq: int
    account: AccountId
    events: tuple[EventId, ...]
    token: int | None = None
    claims: int = 0
    crashes: int = 0
    alone: int = 0
    fanned: WatchId | None = None


@dataclass(slots=True)
class LaneRow:
    """A lane. Times are on the clock that the store was given."""

    slots: int | None = None
    in_use: int = 0
    paused: bool = False
    closing: str | None = None
    behind: bool = False
    held_until: float = float("-inf")
    wake_at: float | None = None
    watch: WatchId | None = None


@dataclass(slots=True)
class WaitingRow:
    """A waiting delivery; ``token`` is the lease under which it is in flight."""

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
    """A delivery in the log. ``made`` counts attempts, whether or not the log has them."""

    entry: DeliveryUpdate
    status: DeliveryStatus
    reason: str | None
    attempts: list[Attempt] = field(default_factory=list)
    made: int = 0
    last_code: int | None = None
    replay_of: DeliveryId | None = None


class FakeRows:
    """The tables.

    ``down`` makes each call fail, ``away`` those that it names; those in ``lost`` do their work and then fail, once.
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
        self.outbox: dict[int, OutboxRow] = {}
        self.lanes: dict[int, LaneRow] = {}
        self.grants: dict[tuple[int, int], int] = {}
        self.waiting: dict[DeliveryId, WaitingRow] = {}
        self.payloads: dict[DeliveryId, Payload] = {}
        self.log: dict[DeliveryId, Logged] = {}
        self.leases: dict[int, float] = {}
        self.groups: list[int] = []
        self.slow = 0.0
        self.last_seq = 0
        self.last_token = 0

    def add_watch(self, watch: WatchRecord, *, slots: int | None = None, paused: bool = False) -> None:
        """Add a watch and its lane."""
        self.version += 1
        self.watches[watch.id] = watch
        self.lanes.setdefault(watch.lane, LaneRow(slots=slots, paused=paused, watch=watch.id))

    def publish(self, *events: ChangeEvent) -> int:
        """Put events of one account into one outbox row; return its number."""
        self.last_seq += 1
        for event in events:
            self.event_rows[event.id] = event
        self.outbox[self.last_seq] = OutboxRow(self.last_seq, events[0].account, tuple(event.id for event in events))
        return self.last_seq

    async def changes_since(self, version: int) -> DefinitionDelta:
        self.reach("changes_since")
        watches = [watch for watch in self.watches.values() if watch.version > version]
        return DefinitionDelta(version=self.version, watches=watches, keys=self.keys, zones=self.zones)

    def fence(self, token: int) -> None:
        """Raise LeaseLost if the lease has ended."""
        if not self.is_live(token):
            raise LeaseLost

    def is_live(self, token: int) -> bool:
        return self.leases.get(token, ABANDONED) > self.now()

    def reach(self, name: str = "") -> None:
        """Raise StoreUnavailable if the call of that name is to fail."""
        if self.down or name in self.away or name in self.lost:
            self.lost.discard(name)
            raise StoreUnavailable("away")

    def free_slots(self, lane: LaneRow) -> int:
        slots = self.default_slots if lane.slots is None else lane.slots
        return max(0, slots - lane.in_use)

    def grant(self, lane: int, token: int, count: int) -> int:
        if count:
            self.lanes[lane].in_use += count
            self.grants[lane, token] = self.grants.get((lane, token), 0) + count
        return count

    def is_halted(self, lane: LaneRow) -> bool:
        """Whether nothing may be sent to the lane's endpoint at all."""
        return lane.paused or lane.closing is not None or lane.held_until > self.now()


def earlier(wake_at: float | None, moment: float) -> float:
    return moment if wake_at is None else min(wake_at, moment)
