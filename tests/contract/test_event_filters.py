"""Events found by what their deliveries are like: alone and together, both ways, whatever bound ends a page."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from hookward.adapters.postgres.history.events import PostgresEventHistory
from hookward.adapters.postgres.history.search import MAX_SCANS
from hookward.application.events.publisher import NewEvent
from hookward.application.history.model import EventPage, EventQuery
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Wait
from hookward.domain.ids import DeliveryId, EventId, IdPrefix, WatchId, delivery_id_of, to_text, unix_ms_of, uuid7
from hookward.domain.resource_types.operations import ChangeKind
from tests.contract.world import ACCOUNT, World, new_attempt, new_entry, new_event, new_id, new_watch

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
HOUR_MS = 3_600_000
HOSTS = ("a.example", "b.example", "ab.example")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A delivery, as the test remembers it."""

    id: DeliveryId
    event: NewEvent
    watch: WatchId
    status: DeliveryStatus
    code: int | None
    error: str | None
    owner: str | None
    host: str


@dataclass
class ResultStore:
    """Events, several of a millisecond, with several deliveries and replays each, and the same in memory."""

    world: World
    scan: int = 50_000
    limit: int = 4
    now: int = 0
    events: list[NewEvent] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    async def fill(self, *, moments: int = 8) -> None:
        self.now = await self.world.value("SELECT (extract(epoch FROM now()) * 1000)::bigint")
        await self.world.rows("INSERT INTO account (name) VALUES ('other')")
        self.token = await self.world.lease()
        self.watches = []
        for number, owner in enumerate((None, "north", "south", "north")):
            definition = f'{{"address":"https://{HOSTS[number % 3]}/hooks"}}'.encode()
            row = msgspec.structs.replace(new_watch(), owner=owner, definition=definition)
            row = await self.world.definitions.add_watch(row, slots=None, paused=False, key=None)
            self.watches.append((row, owner, HOSTS[number % 3]))
        self.strange = await self.world.watch(2)
        for number in range(moments):
            for _ in range(self.chance.choice([1, 1, 4])):
                await self.add(self.now - (moments - number) * 2 * HOUR_MS)

    async def add(self, ms: int) -> None:
        """An event with deliveries to some watches, some of which were replayed, and the like in another account."""
        pick = self.chance.choice
        event = new_event(
            id=EventId(uuid7(ms, self.chance.randbytes(10))), resource_id=pick(["7", "8"]), kind=pick(list(ChangeKind)),
            body=b'{"note": "%s"}' % pick([b"needle", b"hay"]),
        )  # fmt: skip
        await self.world.events.accept([event])
        self.events.append(event)
        foreign = msgspec.structs.replace(self.entry(event, self.strange, FAILED, 418, None), account=2)
        await self.world.results.record(self.token, [foreign], done=[], slots={})
        for watch, owner, host in self.chance.sample(self.watches, pick([0, 1, 2, 4])):
            facts: dict[str, Any] = {"event": event, "watch": watch.id, "owner": owner, "host": host}
            status, code, error = self.outcome()
            entry = self.entry(event, watch, status, code, error)
            await self.world.results.record(self.token, [entry], done=[], slots={})
            self.facts.append(Fact(id=entry.id, status=status, code=code, error=error, **facts))
            for _ in range(pick([0, 0, 2])):
                status, code, error = self.outcome()
                replay = DeliveryId(new_id(self.now + len(self.facts)))
                await self.world.rows(
                    "INSERT INTO delivery SELECT $2, account_id, event_id, watch_id, resource_type, kind, resource_id, "
                    "$3, NULL, 1, $4, $5, now(), id FROM delivery WHERE id = $1",
                    entry.id, replay, int(status), code, error,
                )  # fmt: skip
                self.facts.append(Fact(id=replay, status=status, code=code, error=error, **facts))

    def outcome(self) -> tuple[DeliveryStatus, int | None, str | None]:
        status = self.chance.choice([*DeliveryStatus, DELIVERED, DELIVERED])
        bad: list[tuple[int | None, str | None]] = [(503, None), (418, None), (None, "dns")]
        return (status, 200, None) if status is DELIVERED else (status, *self.chance.choice(bad))

    def entry(
        self, event: NewEvent, watch: Any, status: DeliveryStatus, code: int | None, error: str | None
    ) -> DeliveryUpdate:
        attempt = new_attempt(code=code, error=error)
        wait = Wait(seconds=60, number=2) if status.open else None
        return new_entry(event, watch, status, attempts=1, wait=wait, attempt=attempt)

    async def page(self, **query: Any) -> EventPage:
        log = PostgresEventHistory(self.world.database, scan=self.scan, text_scan=self.scan)
        return await log.events(EventQuery(account=ACCOUNT, **{"limit": self.limit, **query}), now_ms=self.now)

    async def down(self, **query: Any) -> list[EventPage]:
        pages = [await self.page(**query)]
        while pages[-1].older is not None:
            pages.append(await self.page(before=pages[-1].older, **query))
        return pages

    async def up(self, last: EventPage, **query: Any) -> list[EventPage]:
        pages = [last]
        while pages[-1].newer is not None:
            pages.append(await self.page(after=pages[-1].newer, **query))
        return pages[::-1]

    def expected(self, **query: Any) -> set[bytes]:
        return {event.id for event in self.events if self.matches(event, query)}

    def matches(self, event: NewEvent, query: dict[str, Any]) -> bool:
        mine = {"event": event.id, "resource_id": event.change.resource_id, "kind": event.change.kind}
        in_time = query.get("since_ms", 0) <= unix_ms_of(event.id) < query.get("until_ms", 1 << 48)
        text = query.get("search", "")
        asked = {"watch", "status", "code", "error", "owner"} & set(query)
        about_deliveries = text[:4] in ("dlv_", "wat_") or any(host.startswith(text) for host in HOSTS if text)
        if text[:4] == "evt_":
            in_time = in_time and to_text(IdPrefix.EVENT, event.id).startswith(text)
        elif text and not about_deliveries:
            recent = unix_ms_of(event.id) >= self.now - 24 * HOUR_MS + 60_000
            in_time = in_time and recent and text.encode() in event.change.body
        if not in_time or any(query.get(name, value) != value for name, value in mine.items()):
            return False
        if not asked and not about_deliveries:
            return True
        return any(
            all(getattr(fact, name) == query[name] for name in asked)
            and (not about_deliveries or self.named(fact, text))
            for fact in self.facts
            if fact.event is event
        )

    def named(self, fact: Fact, text: str) -> bool:
        names = (to_text(IdPrefix.DELIVERY, fact.id), to_text(IdPrefix.WATCH, fact.watch), fact.host)
        return any(name.startswith(text) for name in names)


def filters_of(ledger: ResultStore) -> dict[str, list[Any]]:
    some = next(fact for fact in ledger.facts if fact.id == delivery_id_of(fact.event.id, fact.watch))
    replay = next(fact for fact in ledger.facts if fact.id != delivery_id_of(fact.event.id, fact.watch))
    return {
        "watch": [*(row.id for row, _, _ in ledger.watches), ledger.strange.id, new_id()],
        "event": [some.event.id, EventId(new_id())],
        "resource_id": ["7", "none"],
        "kind": [ChangeKind.UPDATED],
        "status": list(DeliveryStatus),
        "code": [200, 418, 599],
        "error": ["dns", "timeout"],
        "since_ms": [ledger.now - 9 * HOUR_MS],
        "until_ms": [ledger.now - 5 * HOUR_MS],
        "owner": ["north", "unknown"],
        "search": [
            "needle", "a", "b.ex", "nothing has this", to_text(IdPrefix.DELIVERY, some.id)[:20],
            to_text(IdPrefix.DELIVERY, replay.id), to_text(IdPrefix.EVENT, some.event.id)[:14],
            to_text(IdPrefix.WATCH, some.watch), to_text(IdPrefix.WATCH, new_id()),
        ],
    }  # fmt: skip


def found(pages: list[EventPage]) -> list[bytes]:
    return [row.id for page in pages for row in page.rows]


async def check(ledger: ResultStore, query: dict[str, Any]) -> bool:
    """Down and up again: each once, newest first; whether anything was found."""
    down = await ledger.down(**query)
    up = await ledger.up(down[-1], **query)
    expected = sorted(ledger.expected(**query))
    moments = [unix_ms_of(id_) for id_ in found(down)]
    assert (query, sorted(found(down)), moments) == (query, expected, sorted(moments, reverse=True))
    assert (query, sorted(found(up))) == (query, expected)
    return bool(expected)


@pytest.mark.parametrize(("scan", "limit"), [(50_000, 2), (6, 1), (2, 4)])
async def test_each_filter_alone_finds_the_events_with_such_a_delivery(world, scan, limit):
    ledger = ResultStore(world, scan, limit)
    await ledger.fill()
    queries = [{name: value} for name, values in filters_of(ledger).items() for value in values]

    hits = [await check(ledger, query) for query in queries]

    assert sum(hits) > len(queries) // 2


@pytest.mark.parametrize("scan", [50_000, 5])
async def test_filters_together_speak_of_one_delivery(world, scan):
    ledger = ResultStore(world, scan)
    await ledger.fill()
    known = filters_of(ledger)
    names = list(known)
    pairs = [(first, second) for first in names for second in names if first < second]
    queries = [{name: ledger.chance.choice(known[name]) for name in pair} for pair in pairs]
    queries += [{name: ledger.chance.choice(known[name]) for name in ledger.chance.sample(names, 3)} for _ in range(20)]

    hits = [await check(ledger, query) for query in queries]

    assert sum(hits) > 10


async def test_an_event_with_more_replays_than_a_page_looks_at_is_found_by_any_of_them(world):
    ledger = ResultStore(world, 2)
    await ledger.fill(moments=3)
    [first, *_] = ledger.facts
    for number in range(30):
        await world.rows(
            "INSERT INTO delivery SELECT $2, account_id, event_id, watch_id, resource_type, kind, resource_id, $3, "
            "NULL, 1, 200, NULL, now(), id FROM delivery WHERE id = $1",
            first.id, new_id(ledger.now + 100 + number), int(FAILED if number == 15 else CANCELLED),
        )  # fmt: skip

    pages = await ledger.down(limit=1, watch=first.watch, status=FAILED, code=200)

    assert found(pages) == [first.event.id]


@pytest.mark.parametrize("scan", [50_000, 3])
async def test_events_of_more_watches_than_a_page_can_name_are_found_by_what_these_are(world, scan):
    ledger = ResultStore(world, scan)
    await ledger.fill()
    await world.rows(
        "INSERT INTO watch (id, account_id, owner, resource_type, status, definition, lane_id, active_since, version) "
        "SELECT gen_random_uuid(), account_id, owner, resource_type, 1, definition, lane_id, active_since, version "
        "FROM watch, generate_series(1, $2) WHERE id = ANY($1::uuid[])",
        [row.id for row, owner, _ in ledger.watches if owner != "north"], MAX_SCANS,
    )  # fmt: skip
    queries: list[dict[str, Any]] = [
        {"owner": "south"}, {"search": "a.example"}, {"owner": "south", "code": 418}, {"search": "a", "status": FAILED},
        {"search": "a", "owner": "south"},
    ]  # fmt: skip

    hits = [await check(ledger, query) for query in queries]

    assert hits == [True, True, True, True, True]
