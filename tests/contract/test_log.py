"""The delivery log, page by page."""

from typing import Any

import msgspec
import pytest

from hookward.adapters.postgres.history.deliveries import read_attempts
from hookward.application.history.model import LogPage, LogQuery
from hookward.domain.delivery.model import NOT_KEPT, DeliveryStatus, Payload, Wait
from hookward.domain.ids import AccountId, DeliveryId, EventId
from tests.contract.world import ACCOUNT, World, moved, new_attempt, new_entry, new_event, new_id, new_watch

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
DAY_MS = 86_400_000


async def filled(world: World) -> dict[bytes, tuple[bytes, bytes, DeliveryStatus]]:
    """Deliveries of two accounts over several days; answers event, watch and status of each of the first account."""
    await world.rows("INSERT INTO account (name) VALUES ('other')")
    token = await world.lease()
    watches = [await world.watch(), await world.watch(), await world.watch(2)]
    now = await world.value("SELECT (extract(epoch FROM now()) * 1000)::bigint")
    known: dict[bytes, tuple[bytes, bytes, DeliveryStatus]] = {}
    for number in range(24):
        # Several of one millisecond; some of them older than any partition.
        event = new_event(id=EventId(new_id(now - number // 4 * DAY_MS)))
        status = list(DeliveryStatus)[number % 5]
        wait = Wait(seconds=60, number=1) if status.open else None
        entries = [new_entry(event, watch, status, wait=wait) for watch in watches]
        entries[2] = msgspec.structs.replace(entries[2], account=AccountId(2))
        await world.results.record(token, entries, done=[], slots={})
        known |= {entry.id: (entry.event, entry.watch, status) for entry in entries[:2]}
    return known


async def listed(world: World, account: AccountId = ACCOUNT, **query: Any) -> LogPage:
    now_ms = await world.value("SELECT (extract(epoch FROM now()) * 1000)::bigint")
    return await world.log.deliveries(LogQuery(account=account, **query), now_ms=now_ms)


async def pages(world: World, limit: int, **filters: Any) -> list[list[bytes]]:
    found: list[list[bytes]] = []
    before: bytes | None = None
    while True:
        page = await listed(world, limit=limit, before=before, **filters)
        found.append([each.id for each in page.rows])
        before = page.older
        if before is None:
            return found


async def test_lists_hold_every_delivery_once_newest_first_whatever_the_filter(world):
    known = await filled(world)
    event, watch, _ = next(iter(known.values()))
    filters: list[dict[str, Any]] = [{}, {"watch": watch}, {"event": event}, {"watch": watch, "status": RETRYING}]
    filters += [{"status": status} for status in DeliveryStatus]

    listed_ids = [[id_ for page in await pages(world, 5, **each) for id_ in page] for each in filters]

    assert listed_ids == [
        sorted(
            (id_ for id_, facts in known.items() if set(each.values()) <= set(facts)),
            reverse=True,
        )
        for each in filters
    ]


async def test_a_page_holds_as_many_as_asked_for(world):
    await filled(world)

    assert [len(page) for page in await pages(world, 20)] == [20, 20, 8]


async def test_deliveries_that_come_between_pages_move_no_page(world):
    known = await filled(world)
    first = await listed(world, limit=10)
    watch = await world.watch()
    entry = new_entry(new_event(id=EventId(new_id())), watch, DELIVERED)
    await world.results.record(await world.lease(), [entry], done=[], slots={})

    second = await listed(world, limit=100, before=first.older)

    assert [each.id for each in [*first.rows, *second.rows]] == sorted(known, reverse=True)


async def test_another_account_sees_nothing(world):
    known = await filled(world)
    event, watch, status = next(iter(known.values()))
    stranger = AccountId(3)
    filters: list[dict[str, Any]] = [{}, {"watch": watch}, {"event": event}, {"status": status}]

    seen = [(await listed(world, stranger, limit=9, **each)).rows for each in filters]

    assert seen == [[], [], [], []]
    assert [await world.log.delivery(stranger, DeliveryId(id_)) for id_ in known] == [None] * len(known)


async def test_a_listed_delivery_says_where_it_stands(world):
    watch = await world.watch()
    entry = await world.wait(watch, due=3600, number=2, status=RETRYING, attempt=new_attempt(code=503, error="timeout"))

    [found] = (await listed(world, limit=9)).rows

    due = await world.value("SELECT due_at FROM waiting")
    assert (found.id, found.event, found.watch, found.watch_definition) == (
        entry.id, entry.event, watch.id, watch.definition,
    )  # fmt: skip
    assert (found.status, found.attempts, found.last_code, found.last_error) == (RETRYING, 1, 503, "timeout")
    assert (found.next_attempt, found.finished, found.resource_id) == (due, None, "7")


async def test_a_delivery_of_a_deleted_watch_is_still_told(world):
    watch = await world.watch()
    entry = await world.wait(watch)
    await world.definitions.delete_watch(ACCOUNT, watch.id, reason="the watch was deleted")
    await world.lanes.cancel_some(limit=1)

    found = await world.log.delivery(ACCOUNT, entry.id)

    assert found is not None
    assert (found[0].status, found[0].reason, found[0].next_attempt) == (CANCELLED, "the watch was deleted", None)


async def test_attempts_come_in_order_each_with_the_body_it_sent(world):
    watch, token = await world.watch(), await world.lease()
    payload = Payload(method="POST", address="", body=b"first")
    first = new_attempt(1, code=500, request_body=b"first", response_body=b"\0")
    entry = await world.wait(watch, number=2, status=RETRYING, attempt=first, payload=payload)
    await world.lanes.pull(token, lanes=1)
    await world.results.record(
        token, [moved(entry, DELIVERED, attempts=2, attempt=new_attempt(2))], done=[], slots={watch.lane: 1}
    )

    found = await world.log.delivery(ACCOUNT, entry.id)

    assert found is not None
    assert [(each.number, each.code, each.request_body, each.response_body) for each in found[1]] == [
        (1, 500, b"first", b"\0"),
        (2, 200, b"first", None),
    ]


async def test_after_an_attempt_without_a_kept_body_no_earlier_one_is_shown_in_its_stead(world):
    watch, token = await world.watch(), await world.lease()
    bodies = [b"first", NOT_KEPT, None, NOT_KEPT]
    entry = new_entry(new_event(), watch, DELIVERED)
    for number, body in enumerate(bodies, 1):
        attempt = new_attempt(number, request_body=body)
        await world.results.record(token, [moved(entry, DELIVERED, waited=False, attempt=attempt)], done=[], slots={})

    found = await world.log.delivery(ACCOUNT, entry.id)

    assert found is not None
    assert [each.request_body for each in found[1]] == [b"first", None, None, None]


OMITTED = "omitted"


@pytest.mark.parametrize(
    ("most", "shown"),
    [
        (99, [b"one", b"one", b"three", b"three", None, b"six"]),
        (12, [OMITTED, b"one", OMITTED, b"three", None, b"six"]),
        (8, [OMITTED, OMITTED, OMITTED, b"three", None, b"six"]),
        (0, [OMITTED, OMITTED, OMITTED, OMITTED, None, b"six"]),
    ],
)
async def test_of_many_bodies_the_newest_are_told_as_far_as_there_is_room(world, most, shown):
    watch, token = await world.watch(), await world.lease()
    entry = new_entry(new_event(), watch, DELIVERED)
    for number, body in enumerate([b"one", None, b"three", None, NOT_KEPT, b"six"], 1):
        attempt = new_attempt(number, request_body=body)
        await world.results.record(token, [moved(entry, DELIVERED, waited=False, attempt=attempt)], done=[], slots={})

    async with world.database.connection() as connection:
        found = await read_attempts(connection, entry.id, body_bytes=most)

    assert [OMITTED if each.body_omitted else each.request_body for each in found] == shown


@pytest.mark.parametrize("known", [True, False])
async def test_a_delivery_without_attempts_is_told_where_there_is_one(world, known):
    entry = await world.wait(await world.watch())

    found = await world.log.delivery(ACCOUNT, entry.id if known else DeliveryId(new_id()))

    assert (found and found[1]) == ([] if known else None)


@pytest.mark.parametrize("deleted", [False, True])
async def test_an_owner_is_told_of_the_deliveries_of_their_own_watches_alone(world, deleted):
    mine = await world.definitions.add_watch(
        msgspec.structs.replace(new_watch(), owner="one"), slots=None, paused=False, key=None
    )
    entries = {
        "one": await world.wait(mine),
        None: await world.wait(await world.watch()),
    }
    if deleted:
        await world.definitions.delete_watch(ACCOUNT, mine.id, reason="why")
    whole = {entry.id for entry in entries.values()}
    for owner, told in ((None, whole), ("one", {entries["one"].id}), ("other", set())):
        assert {each.id for each in (await listed(world, limit=9, owner=owner)).rows} == told
        found = [await world.log.delivery(ACCOUNT, id_, owner=owner) for id_ in whole]
        assert {each[0].id for each in found if each is not None} == told
