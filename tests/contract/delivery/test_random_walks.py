"""The same random steps on PostgreSQL and on the store in memory leave the same state, step by step."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hookward.domain.delivery.model import Attempt, DeliveryStatus, DeliveryUpdate, Payload, Wait, WatchEffect
from hookward.domain.ids import DeliveryId
from tests.contract.delivery.worlds import DeliveryWorld, MemoryWorld, PostgresWorld
from tests.contract.world import World, moved, new_attempt, new_entry, new_event, new_id, new_watch

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
WORKERS = ("one", "two")
STEPS = 150


class Both:
    """The two stores side by side, and what is known of both: watches by their index, deliveries by their id."""

    def __init__(self, stores: tuple[DeliveryWorld, MemoryWorld], choice: random.Random) -> None:
        self.stores = stores
        self.choice = choice
        self.tokens: list[dict[str, int]] = [{}, {}]
        self.watches: list[list[Any]] = [[], []]
        self.claims: list[dict[str, list[Any]]] = [{}, {}]
        self.updates: list[dict[bytes, DeliveryUpdate]] = [{}, {}]
        self.pulled: dict[str, list[tuple[bytes, int]]] = {worker: [] for worker in WORKERS}
        self.recorded: list[tuple[list[DeliveryUpdate], dict[int, int]]] = [([], {}), ([], {})]

    async def set_up(self) -> None:
        for slots in (1, 2, 3):
            row = new_watch()
            for store, watches in zip(self.stores, self.watches, strict=True):
                added = await store.add_watch(row, slots=slots, paused=False)
                store.lanes[added.lane] = added.id
                watches.append(added)
        for worker in WORKERS:
            await self.start(worker)

    async def start(self, worker: str) -> None:
        for store, tokens, claims in zip(self.stores, self.tokens, self.claims, strict=True):
            tokens[worker], claims[worker] = await store.lease(worker), []
        self.pulled[worker] = []

    @property
    def worker(self) -> str:
        return self.choice.choice(WORKERS)

    async def accept(self) -> None:
        events = [new_event().change for _ in range(self.choice.randint(1, 3))]
        for store in self.stores:
            await store.accept(*events)

    async def claim(self) -> None:
        worker, limit = self.worker, self.choice.randint(1, 4)
        got = []
        for store, tokens, claims in zip(self.stores, self.tokens, self.claims, strict=True):
            taken = await store.outbox.claim(tokens[worker], limit=limit)
            claims[worker] += taken
            got.append([(each.events, each.claims, each.crashes, each.alone, each.fanned) for each in taken])
        assert got[0] == got[1]

    async def split(self) -> None:
        worker = self.worker
        for store, tokens, claims in zip(self.stores, self.tokens, self.claims, strict=True):
            if claims[worker]:
                await store.outbox.split(tokens[worker], claims[worker].pop())

    async def begin_deliveries(self) -> None:
        """Record what came of fresh deliveries, with the outbox row that they come from."""
        worker, index, event = self.worker, self.choice.randrange(3), new_event()
        status = self.choice.choice([PENDING, PENDING, RETRYING, DELIVERED, FAILED])
        seconds, held = self.choice.choice([0, 0, 60]), self.choice.random() < 0.3
        attempt = None if status is PENDING else new_attempt(code=self.choice.choice([200, 500]))
        payload = Payload(method="POST", address="", body=b"1") if status is RETRYING else None
        effect = self.effect()
        for number, store in enumerate(self.stores):
            await store.store_events(event.change)
            watch = self.watches[number][index]
            update = new_entry(
                event, watch, status, attempts=int(attempt is not None), attempt=attempt, payload=payload,
                wait=Wait(seconds=seconds, number=2, held=held and status is PENDING) if status.open else None,
                watch_effect=None if effect is None else WatchEffect(**effect, version=watch.version),
            )  # fmt: skip
            self.updates[number][update.id] = update
            claims = self.claims[number][worker]
            await self.record(number, worker, [update], done=[claims.pop(0).seq] if claims else [])
            if number == 0 and held and status is PENDING:
                self.pulled[worker].append((update.id, 2))

    def effect(self) -> dict[str, Any] | None:
        return self.choice.choice([None] * 12 + [{"hold": 60.0}] * 3 + [{"pause": "p"}, {"disable": "d"}])

    async def pull(self) -> None:
        worker, lanes = self.worker, self.choice.randint(1, 3)
        got = []
        for store, tokens in zip(self.stores, self.tokens, strict=True):
            pulled = await store.waiting.pull(tokens[worker], lanes=lanes)
            got.append(
                {each.id: (each.watch, each.number, each.crashes, each.alone, each.base, each.replay_of, each.payload)
                 for each in pulled}
            )  # fmt: skip
        assert got[0] == got[1]
        self.pulled[worker] += [(id_, each[1]) for id_, each in got[0].items()]

    async def settle(self) -> None:
        worker = self.worker
        taken = self.pulled[worker][: self.choice.randint(1, 3)]
        self.pulled[worker] = self.pulled[worker][len(taken) :]
        ends = {id_: self.outcome(number) for id_, number in taken if id_ in self.updates[0]}
        for number in range(2):
            updates = [moved(self.updates[number][id_], status, **values) for id_, (status, values) in ends.items()]
            slots: dict[int, int] = {}
            for each in updates:
                slots[each.lane] = slots.get(each.lane, 0) + 1
            await self.record(number, worker, updates, slots=slots)

    def outcome(self, number: int) -> tuple[DeliveryStatus, dict[str, Any]]:
        attempt: Attempt | None = new_attempt(number, code=self.choice.choice([200, 500]))
        status = self.choice.choice([DELIVERED, RETRYING, RETRYING, CANCELLED])
        if status is CANCELLED:
            return status, {"attempts": number - 1, "reason": "why"}
        wait = Wait(seconds=self.choice.choice([0, 60]), number=number + 1)
        return status, {"attempts": number, "attempt": attempt, "wait": wait if status is RETRYING else None}

    async def record(self, number: int, worker: str, updates: list[DeliveryUpdate], *, done=(), slots=None) -> None:
        self.recorded[number] = updates, slots or {}
        await self.stores[number].results.record(self.tokens[number][worker], updates, done=done, slots=slots or {})

    async def record_again(self) -> None:
        """Send the last record once more, perhaps under another lease, as after an answer that was lost."""
        worker = self.worker
        for number in range(2):
            updates, slots = self.recorded[number]
            await self.stores[number].results.record(self.tokens[number][worker], updates, done=[], slots=slots)

    async def acquire_and_release(self) -> None:
        worker, wanted = self.worker, {index: self.choice.randint(1, 3) for index in self.choice.sample(range(3), 2)}
        back = self.choice.randint(0, 3)
        got = []
        for number, store in enumerate(self.stores):
            lanes = {self.watches[number][index].lane: count for index, count in wanted.items()}
            granted = await store.slots.acquire(self.tokens[number][worker], lanes)
            stopped = await store.slots.stopped(list(lanes))
            got.append([(granted[lane], stopped.get(lane)) for lane in lanes])
            await self.record(number, worker, [], slots=dict.fromkeys(lanes, back))
        assert got[0] == got[1]

    async def die(self) -> None:
        worker = self.worker
        freed = []
        for store, tokens in zip(self.stores, self.tokens, strict=True):
            await store.leases.abandon(tokens[worker])
            freed.append(await store.leases.take_over())
        assert freed[0] == freed[1]
        await self.start(worker)

    async def leave(self) -> None:
        worker = self.worker
        for store, tokens in zip(self.stores, self.tokens, strict=True):
            await store.leases.end(tokens[worker])
        await self.start(worker)

    async def replay(self) -> None:
        known = sorted(self.updates[0])
        if not known:
            return
        id_, mine = DeliveryId(self.choice.choice(known)), DeliveryId(new_id()) if self.choice.random() < 0.3 else None
        account = self.updates[0][id_].account
        came = [await store.replays.replay(account, id_, owner=None, new_id=mine) for store in self.stores]
        assert came[0] == came[1]

    async def cancel(self) -> None:
        if self.choice.random() < 0.2:
            index = self.choice.randrange(3)
            for store, watches in zip(self.stores, self.watches, strict=True):
                await store.delete(watches[index], reason="deleted")
        counts = [await store.waiting.cancel_some(limit=2) for store in self.stores]
        assert counts[0] == counts[1]

    async def time_passes(self) -> None:
        for store in self.stores:
            await store.let_pass(60)

    async def step(self) -> str:
        step = self.choice.choice(MOVES)
        await step(self)
        for store in self.stores:
            if isinstance(store, MemoryWorld):
                store.tick()
        return step.__name__


MOVES = (
    [Both.accept] * 2 + [Both.claim] * 3 + [Both.split] + [Both.begin_deliveries] * 6 + [Both.pull] * 5
    + [Both.settle] * 5 + [Both.record_again, Both.acquire_and_release, Both.acquire_and_release, Both.replay]
    + [Both.die, Both.leave, Both.time_passes, Both.time_passes, Both.cancel]
)  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
async def test_the_same_steps_leave_the_same_state(world: World, seed: int) -> None:
    both = Both((PostgresWorld(world), MemoryWorld()), random.Random(seed))
    await both.set_up()
    for number in range(STEPS):
        name = await both.step()
        real, memory = [await store.snapshot() for store in both.stores]
        assert memory == real, f"after step {number}, {name}"
