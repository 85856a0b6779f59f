"""Events as ops see them: listed, found, and what came of each."""

from typing import Any

import msgspec
import pytest

from hookward.adapters.postgres.history.events import PostgresEventHistory
from hookward.application.events.publisher import NewEvent
from hookward.application.history.model import EventPage, EventQuery
from hookward.domain.delivery.model import DeliveryStatus, Wait
from hookward.domain.ids import AccountId, EventId, IdPrefix, to_text
from hookward.domain.resource_types.operations import ChangeKind
from tests.contract.world import ACCOUNT, World, new_entry, new_event, new_id, new_watch

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
HOUR_MS = 3_600_000


async def now_ms(world: World) -> int:
    return int(await world.value("SELECT (extract(epoch FROM now()) * 1000)::bigint"))


async def page(world: World, account: int = ACCOUNT, **query) -> EventPage:
    given = {"limit": 50, **query}
    return await PostgresEventHistory(world.database).events(
        EventQuery(account=AccountId(account), **given), now_ms=await now_ms(world)
    )


def ids(found: EventPage) -> list[bytes]:
    return [row.id for row in found.rows]


async def test_events_are_listed_newest_first_page_by_page_both_ways(world):
    events = [event.id for event in await world.accept_each(7)][::-1]
    first = await page(world, limit=3)
    second = await page(world, limit=3, before=first.older)
    third = await page(world, limit=3, before=second.older)
    back = await page(world, limit=3, after=second.newer)

    assert [*ids(first), *ids(second), *ids(third)] == events
    assert (first.newer, third.older, ids(back), back.newer) == (None, None, ids(first), None)


async def test_each_filter_finds_what_it_says(world):
    now = await now_ms(world)
    old = new_event(id=EventId(new_id(now - 30 * HOUR_MS)), resource_id="8")
    kind = new_event(kind=ChangeKind.DELETED, resource_type="queue.registration")
    text = new_event(body=b'{"note": "needle"}')
    await world.accept(old, kind, text)
    cases: list[tuple[dict[str, Any], list[NewEvent]]] = [
        ({"resource_id": "8"}, [old]), ({"resource_type": "queue.registration"}, [kind]),
        ({"kind": ChangeKind.DELETED}, [kind]), ({"kind": ChangeKind.MERGED}, []),
        ({"until_ms": now - HOUR_MS}, [old]), ({"since_ms": now - 31 * HOUR_MS, "until_ms": now - 29 * HOUR_MS}, [old]),
        ({"search": "needle"}, [text]), ({"search": to_text(IdPrefix.EVENT, old.id)[:30]}, [old]),
        ({"search": "needle", "until_ms": now - HOUR_MS}, []), ({"resource_id": "8", "kind": ChangeKind.DELETED}, []),
    ]  # fmt: skip

    found = [ids(await page(world, **query)) for query, _ in cases]

    assert found == [[event.id for event in events] for _, events in cases]
    assert ids(await page(world, 2)) == []


async def test_an_event_says_what_came_of_it(world):
    pending, unmatched, matched = await world.accept_each(3)
    await world.rows("DELETE FROM outbox WHERE events[1] <> $1", pending.id)
    token = await world.lease()
    for status in (DELIVERED, DELIVERED, FAILED):
        await world.results.record(token, [new_entry(matched, await world.watch(), status)], done=[], slots={})

    found = {row.id: (row.waits, row.deliveries) for row in (await page(world)).rows}

    assert found == {
        pending.id: (True, {}), unmatched.id: (False, {}), matched.id: (False, {DELIVERED: 2, FAILED: 1}),
    }  # fmt: skip


async def test_an_event_in_a_workers_hands_still_waits(world):
    [event] = await world.accept(new_event())
    await world.outbox.claim(await world.lease(), limit=1)

    [found] = (await page(world)).rows

    assert (found.id, found.waits) == (event.id, True)


async def test_replays_count_as_deliveries_of_their_event(world):
    [event] = await world.accept(new_event())
    entry = new_entry(event, await world.watch(), FAILED)
    await world.results.record(await world.lease(), [entry], done=[], slots={})
    await world.rows(
        "INSERT INTO delivery SELECT $2, account_id, event_id, watch_id, resource_type, kind, resource_id, 3, NULL, 1, "
        "200, NULL, now(), id FROM delivery WHERE id = $1", entry.id, new_id(),
    )  # fmt: skip

    found = await PostgresEventHistory(world.database).event(ACCOUNT, event.id)

    assert found is not None
    assert found.deliveries == {FAILED: 1, DELIVERED: 1}


async def test_an_owner_sees_events_that_their_watches_have_deliveries_of(world):
    first, second = await world.accept_each(2)
    mine = await world.definitions.add_watch(
        msgspec.structs.replace(new_watch(), owner="north"), slots=None, paused=False, key=None
    )
    other, token = await world.watch(), await world.lease()
    entries = [new_entry(first, mine, RETRYING, wait=Wait(seconds=9, number=1))]
    entries += [new_entry(event, other, DELIVERED) for event in (first, second)]
    await world.results.record(token, entries, done=[], slots={})
    events = PostgresEventHistory(world.database)

    [seen] = (await page(world, owner="north")).rows

    assert (seen.id, seen.deliveries) == (first.id, {RETRYING: 1})
    assert ids(await page(world, owner="south")) == []
    assert await events.event(ACCOUNT, second.id, owner="north") is None
    whole = await events.event(ACCOUNT, first.id, owner="north")
    assert whole is not None
    assert whole.deliveries == {RETRYING: 1}


@pytest.mark.parametrize("known", [True, False])
async def test_an_event_is_found_by_the_key_of_its_publisher_while_that_is_remembered(world, known):
    [event] = await world.accept(new_event(key=b"mine"))
    if not known:
        await world.rows("UPDATE idempotency SET until = now()")
    events = PostgresEventHistory(world.database)

    assert await events.known(ACCOUNT, b"mine") == (event.id if known else None)
    assert await events.known(AccountId(2), b"mine") is None
    assert await events.event(AccountId(2), event.id) is None
    assert await events.event(ACCOUNT, EventId(new_id())) is None
