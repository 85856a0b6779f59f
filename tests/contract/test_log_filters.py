"""Every filter of the log, alone and together, and cursors both ways, whatever bound ends a page."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from hookward.adapters.postgres.history.deliveries import PostgresDeliveryHistory
from hookward.application.history.model import LogPage, LogQuery
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Wait
from hookward.domain.ids import EventId, IdPrefix, delivery_id_of, to_text, unix_ms_of
from hookward.domain.resource_types.operations import ChangeKind
from tests.contract.world import ACCOUNT, World, new_attempt, new_entry, new_event, new_id, new_watch

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
HOUR_MS = 3_600_000
HOSTS = ("a.example", "b.example:8080", "ab.example")


class Shelf:
    """A log with some of everything, and the same in memory."""

    def __init__(self, world: World, *, scan: int = 50_000) -> None:
        self.world = world
        self.log = PostgresDeliveryHistory(world.database, scan=scan, text_scan=scan)
        self.entries: dict[bytes, DeliveryUpdate] = {}
        self.owners: dict[bytes, str | None] = {}
        self.hosts: dict[bytes, str] = {}
        self.chance = random.Random(7)
        self.now = 0

    async def fill(self, count: int = 60) -> None:
        self.now = await self.world.value("SELECT (extract(epoch FROM now()) * 1000)::bigint")
        await self.world.rows("INSERT INTO account (name) VALUES ('other')")
        self.token = await self.world.lease()
        self.watches = []
        for number, owner in enumerate((None, "north", "south", "north")):
            host = HOSTS[number % 3]
            origin = f"https://{host}"
            definition = f'{{"address":"{origin.upper() if number % 2 else origin}/hooks"}}'.encode()
            row = msgspec.structs.replace(new_watch(), owner=owner, definition=definition)
            self.watches.append(await self.world.definitions.add_watch(row, slots=None, paused=False, key=None))
            self.owners[row.id], self.hosts[row.id] = owner, host
        self.strange = await self.world.watch(2)
        for number in range(count):
            await self.add(self.now - (count - number) * HOUR_MS // 4)

    async def add(self, ms: int) -> None:
        """A delivery of every kind that there can be, in the account, and the like of it in another."""
        pick = self.chance.choice
        resource = pick(["7", "8", "ü"])
        body = b'{"id": "%s", "note": "%s"}' % (resource.encode(), pick([b"needle", b"hay"]))
        event = new_event(
            id=EventId(new_id(ms)), resource_id=resource, kind=pick(list(ChangeKind)), body=body,
            resource_type=pick(["appointment", "queue.registration"]),
        )  # fmt: skip
        await self.world.events.accept([event])
        status = pick(list(DeliveryStatus))
        code, error = {DELIVERED: (200, None)}.get(status) or pick(
            [(503, None), (418, None), (None, "dns"), (None, "tls")]
        )
        attempt = new_attempt(code=code, error=error, request_body=body)
        wait = Wait(seconds=60, number=2) if status.open else None
        watch = pick(self.watches)
        for target in (watch, self.strange):
            entry = new_entry(event, target, status, attempts=1, wait=wait, attempt=attempt)
            entry = msgspec.structs.replace(entry, account=target.account)
            await self.world.results.record(self.token, [entry], done=[], slots={})
            if target is watch:
                self.entries[entry.id] = entry

    async def page(self, **query: Any) -> LogPage:
        return await self.log.deliveries(LogQuery(account=ACCOUNT, **{"limit": 7, **query}), now_ms=self.now)

    async def walk(self, **query: Any) -> list[bytes]:
        """All pages, newest first."""
        found: list[bytes] = []
        before: bytes | None = None
        while True:
            page = await self.page(before=before, **query)
            found += [row.id for row in page.rows]
            before = page.older
            if before is None:
                return found

    def expected(self, **query: Any) -> list[bytes]:
        return sorted((id_ for id_, entry in self.entries.items() if self._matches(entry, query)), reverse=True)

    def _matches(self, entry: DeliveryUpdate, query: dict[str, Any]) -> bool:
        attempt = entry.attempt
        assert attempt is not None
        facts = {
            "watch": entry.watch, "event": entry.event, "resource_type": entry.resource_type,
            "resource_id": entry.resource_id, "kind": entry.kind, "status": entry.status,
            "code": attempt.code, "error": attempt.error, "owner": self.owners[entry.watch],
        }  # fmt: skip
        ms = unix_ms_of(entry.id)
        same = all(facts[name] == value for name, value in query.items() if name in facts)
        in_time = query.get("since_ms", 0) <= ms < query.get("until_ms", 1 << 48)
        return same and in_time and self._found(entry, query.get("search"))

    def _found(self, entry: DeliveryUpdate, text: str | None) -> bool:
        assert entry.attempt is not None
        if text is None:
            return True
        ids = (
            to_text(IdPrefix.DELIVERY, entry.id),
            to_text(IdPrefix.EVENT, entry.event),
            to_text(IdPrefix.WATCH, entry.watch),
        )
        if text[:4] in ("dlv_", "evt_", "wat_") and text[4:]:
            return any(id_.startswith(text) for id_ in ids)
        if any(f"{host}/hooks".startswith(text) for host in HOSTS):
            return f"{self.hosts[entry.watch]}/hooks".startswith(text)
        recent = unix_ms_of(entry.id) >= self.now - 24 * HOUR_MS + 60_000
        return recent and text.encode() in (entry.attempt.request_body or b"")


def filters_of(shelf: Shelf) -> dict[str, list[Any]]:
    """Some values of every filter, one of which nothing has."""
    some = list(shelf.entries.values())[20]
    return {
        "watch": [some.watch, shelf.strange.id, new_id()],
        "event": [some.event, EventId(new_id())],
        "resource_type": ["appointment", "none"],
        "resource_id": ["7", "ü", "none"],
        "kind": [ChangeKind.UPDATED, ChangeKind.MERGED],
        "status": list(DeliveryStatus),
        "code": [200, 418, 599],
        "error": ["dns", "timeout"],
        "since_ms": [shelf.now - 10 * HOUR_MS, shelf.now + HOUR_MS],
        "until_ms": [shelf.now - 5 * HOUR_MS, 5],
        "owner": ["north", "unknown"],
        "search": [
            "needle", "ü", "a.example", "a", "b.example:8080/h", "no.example", to_text(IdPrefix.DELIVERY, some.id)[:20],
            to_text(IdPrefix.EVENT, some.event), to_text(IdPrefix.EVENT, some.event)[:14],
            to_text(IdPrefix.WATCH, some.watch), "wat_", "dlv_",
        ],
    }  # fmt: skip


@pytest.mark.parametrize("scan", [50_000, 3])
async def test_each_filter_alone_finds_what_it_says(world, scan):
    shelf = Shelf(world, scan=scan)
    await shelf.fill()
    queries = [{name: value} for name, values in filters_of(shelf).items() for value in values]

    found = [(query, await shelf.walk(**query)) for query in queries]

    assert found == [(query, shelf.expected(**query)) for query in queries]
    assert sum(bool(ids) for _, ids in found) > len(queries) // 2


@pytest.mark.parametrize("scan", [50_000, 5])
async def test_filters_together_find_what_all_of_them_say(world, scan):
    shelf = Shelf(world, scan=scan)
    await shelf.fill()
    known = filters_of(shelf)
    names = list(known)
    pairs = [(first, second) for first in names for second in names if first < second]
    queries = [{name: shelf.chance.choice(known[name]) for name in pair} for pair in pairs]
    queries += [{name: shelf.chance.choice(known[name]) for name in shelf.chance.sample(names, 3)} for _ in range(60)]

    found = [(query, await shelf.walk(**query)) for query in queries]

    assert found == [(query, shelf.expected(**query)) for query in queries]
    assert sum(bool(ids) for _, ids in found) > 10


@pytest.mark.parametrize("scan", [50_000, 4])
@pytest.mark.parametrize(
    "query", [{}, {"status": FAILED}, {"owner": "north"}, {"resource_id": "7"}, {"code": 418}], ids=str
)
async def test_cursors_walk_both_ways_and_show_each_delivery_once_whatever_comes_meanwhile(world, scan, query):
    shelf = Shelf(world, scan=scan)
    await shelf.fill(40)
    before = shelf.expected(**query)
    pages: list[LogPage] = [await shelf.page(limit=3, **query)]
    while (older := pages[-1].older) is not None:
        await shelf.add(shelf.now + len(pages))
        pages.append(await shelf.page(limit=3, before=older, **query))
    back: list[LogPage] = [pages[-1]]
    while (newer := back[-1].newer) is not None:
        back.append(await shelf.page(limit=3, after=newer, **query))

    down = [row.id for page in pages for row in page.rows]
    up = [row.id for page in reversed(back) for row in page.rows]
    assert down == before
    assert up == shelf.expected(**query)


async def test_a_page_reached_backwards_leads_forward_again(world):
    shelf = Shelf(world)
    await shelf.fill(20)
    everything = shelf.expected()
    first = await shelf.page(limit=5)
    second = await shelf.page(limit=5, before=first.older)
    again = await shelf.page(limit=5, after=second.newer)

    assert [row.id for row in again.rows] == everything[:5]
    assert (again.older, again.newer) == (first.older, None)


async def test_a_replay_under_its_own_id_is_listed_with_its_event(world):
    shelf = Shelf(world)
    await shelf.fill(4)
    entry = next(iter(shelf.entries.values()))
    mine = new_id(shelf.now)
    await world.rows(
        "INSERT INTO delivery SELECT $2, account_id, event_id, watch_id, resource_type, kind, resource_id, 3, NULL, 1, "
        "200, NULL, now(), id FROM delivery WHERE id = $1", entry.id, mine,
    )  # fmt: skip

    found = await shelf.page(event=entry.event)

    assert [(row.id, row.replay_of) for row in found.rows] == [(mine, entry.id), (entry.id, None)]


async def test_a_text_is_looked_for_in_a_day_and_the_page_says_which(world):
    shelf = Shelf(world)
    await shelf.fill(4)

    [free, bounded, none] = [
        (await shelf.page(search=text, **more)).searched_ms
        for text, more in (("needle", {}), ("needle", {"since_ms": 5, "until_ms": 90_000_000}), ("a.example", {}))
    ]

    assert free == (shelf.now + 60_000 - 24 * HOUR_MS, shelf.now + 60_000)
    assert bounded == (90_000_000 - 24 * HOUR_MS, 90_000_000)
    assert none is None


def test_the_expectation_knows_the_id_of_a_delivery():
    event, watch = EventId(new_id(5)), new_watch().id
    assert unix_ms_of(delivery_id_of(event, watch)) == 5
