"""Whatever happens to a lane, in whatever order: its slots add up, and due work is never left asleep."""

import random

import pytest

from hookward.application.delivery.poller import DueDelivery
from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Wait
from tests.contract.world import World, moved, new_attempt, new_entry, new_event

ASLEEP = """
SELECT id FROM lane l WHERE wake_at IS NULL AND NOT paused AND closing IS NULL AND in_use < slots
AND EXISTS (SELECT 1 FROM waiting w WHERE w.lane_id = l.id AND w.token IS NULL AND w.due_at <= now())"""
NOT_CANCELLING = """
SELECT id FROM lane l WHERE (wake_at IS NULL OR wake_at > now()) AND closing IS NOT NULL
AND EXISTS (SELECT 1 FROM waiting w WHERE w.lane_id = l.id AND w.token IS NULL)"""
MISCOUNTED = """
SELECT id FROM lane l WHERE in_use <> coalesce((SELECT sum(n) FROM lane_grant g WHERE g.lane_id = l.id), 0)
OR in_use < 0 OR in_use > slots"""
LATE = "SELECT id FROM lane WHERE wake_at <= now() AND NOT paused"


class Life:
    """A few lanes, two workers that may die, and what they hold."""

    def __init__(self, world: World, choice: random.Random) -> None:
        self.world = world
        self.choice = choice
        self.watches: list[WatchRecord] = []
        self.tokens: dict[str, int] = {}
        self.pulled: dict[str, list[DueDelivery]] = {"one": [], "two": []}
        self.slots: dict[str, dict[int, int]] = {"one": {}, "two": {}}
        self.entries: dict[bytes, DeliveryUpdate] = {}

    async def begin(self) -> None:
        self.watches = [await self.world.watch(slots=slots) for slots in (1, 2, 3)]
        self.tokens = {worker: await self.world.lease(worker) for worker in ("one", "two")}

    @property
    def worker(self) -> str:
        return self.choice.choice(["one", "two"])

    @property
    def watch(self) -> WatchRecord:
        return self.choice.choice(self.watches)

    async def park(self) -> None:
        entry = new_entry(
            new_event(), self.watch, DeliveryStatus.PENDING, wait=Wait(seconds=self.choice.choice([0, 0, 60]), number=1)
        )
        self.entries[entry.id] = entry
        await self.world.results.record(self.tokens[self.worker], [entry], done=[], slots={})

    async def pull(self) -> None:
        worker = self.worker
        self.pulled[worker] += await self.world.lanes.pull(self.tokens[worker], lanes=self.choice.randint(1, 3))

    async def settle(self) -> None:
        """Some pulled deliveries end, some fail again; their slots go back with the record."""
        worker = self.worker
        taken = self.pulled[worker][: self.choice.randint(1, 3)]
        self.pulled[worker] = self.pulled[worker][len(taken) :]
        entries = [self.outcome(each) for each in taken]
        slots: dict[int, int] = {}
        for each in taken:
            slots[each.lane] = slots.get(each.lane, 0) + 1
        for _ in range(self.choice.choice([1, 1, 2])):  # the answer may be lost
            await self.world.results.record(self.tokens[worker], entries, done=[], slots=slots)
            slots = {}

    def outcome(self, each: DueDelivery) -> DeliveryUpdate:
        entry, number = self.entries[each.id], each.number
        if self.choice.random() < 0.5:
            return moved(entry, DeliveryStatus.DELIVERED, attempts=number, attempt=new_attempt(number))
        wait = Wait(seconds=self.choice.choice([0, 60]), number=number + 1)
        attempt = new_attempt(number, code=500)
        return moved(entry, DeliveryStatus.RETRYING, attempts=number, attempt=attempt, wait=wait)

    async def acquire(self) -> None:
        worker = self.worker
        wanted = {self.watch.lane: self.choice.randint(1, 3)}
        for lane, count in (await self.world.lanes.acquire(self.tokens[worker], wanted)).items():
            self.slots[worker][lane] = self.slots[worker].get(lane, 0) + count

    async def release(self) -> None:
        worker = self.worker
        slots, self.slots[worker] = self.slots[worker], {}
        await self.world.results.record(self.tokens[worker], [], done=[], slots=slots)

    async def die(self) -> None:
        worker = self.worker
        await self.world.leases.expire(worker)
        await self.world.leases.take_over()
        await self.reborn(worker)

    async def leave(self) -> None:
        worker = self.worker
        await self.world.leases.end(self.tokens[worker])
        await self.reborn(worker)

    async def reborn(self, worker: str) -> None:
        self.tokens[worker] = await self.world.lease(worker)
        self.pulled[worker], self.slots[worker] = [], {}

    async def time_passes(self) -> None:
        await self.world.rows("UPDATE waiting SET due_at = due_at - interval '60 seconds'")
        await self.world.rows("UPDATE lane SET wake_at = wake_at - interval '60 seconds'")

    async def close(self) -> None:
        if self.choice.random() < 0.1:
            watch = self.watches[0]
            await self.world.definitions.delete_watch(watch.account, watch.id, reason="deleted")
        await self.world.lanes.cancel_some(limit=2)


STEPS = (
    [Life.park] * 6 + [Life.pull] * 5 + [Life.settle] * 5 + [Life.acquire] * 2 + [Life.release] * 2
    + [Life.die, Life.leave, Life.time_passes, Life.close]
)  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
async def test_slots_add_up_and_no_wake_up_is_lost(world, seed):
    choice = random.Random(seed)
    life = Life(world, choice)
    await life.begin()
    for number in range(120):
        step = choice.choice(STEPS)
        await step(life)

        broken = {name: await world.rows(rows) for name, rows in BROKEN.items()}
        assert not any(broken.values()), f"{broken} after step {number}, {step.__name__}"


@pytest.mark.parametrize("seed", range(2))
async def test_a_lane_that_is_left_alone_with_time_is_emptied(world, seed):
    choice = random.Random(seed)
    life = Life(world, choice)
    await life.begin()
    for _ in range(60):
        await choice.choice(STEPS)(life)
    for worker in ("one", "two"):
        await world.leases.end(life.tokens[worker])
    token = await world.lease("last")

    while await world.value("SELECT count(*) FROM waiting"):
        await life.time_passes()
        pulled = await world.lanes.pull(token, lanes=10)
        ended = [moved(life.entries[each.id], DeliveryStatus.DELIVERED, attempts=each.number) for each in pulled]
        slots: dict[int, int] = {}
        for each in pulled:
            slots[each.lane] = slots.get(each.lane, 0) + 1
        await world.results.record(token, ended, done=[], slots=slots)
        cancelled = await world.lanes.cancel_some(limit=10)
        assert pulled or cancelled or not await world.rows(LATE)

    assert await world.rows("SELECT DISTINCT in_use FROM lane") == [(0,)]
    assert await world.rows("SELECT status FROM delivery WHERE status < 3") == []


BROKEN = {"asleep": ASLEEP, "not cancelling": NOT_CANCELLING, "miscounted": MISCOUNTED}
