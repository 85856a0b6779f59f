"""What PostgreSQL holds after a group was accepted."""

from datetime import UTC, datetime

from hookward.application.events.publisher import NewEvent
from tests.contract.world import ids, new_event


async def test_an_event_is_stored_as_it_came_with_the_version_that_applies(world):
    await world.watch()
    given = new_event(
        body=b'{"text": "\\u0000"}', previous=b"1", extra=b"2", zone="Asia/Tokyo", resource_id="a\0b", scope={"s": "\0"}
    )
    occurred = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)

    await world.accept(NewEvent(change=given.change, occurred=occurred))

    columns = "account_id, resource_type, type_version, kind, version, scope, resource_id, body, previous, extra, zone"
    assert await world.rows(f"SELECT {columns}, occurred FROM event") == [
        (1, "appointment", 1, 2, 2, b'{"s":"\\u0000"}', b"a\0b", given.change.body, b"1", b"2", "Asia/Tokyo", occurred)
    ]


async def test_what_only_some_events_of_a_group_have_is_stored_with_those_alone(world):
    plain, last = new_event(), new_event(body=b"3")
    full = new_event(body=b"2", previous=b"1", extra=b"4", zone="Asia/Tokyo")
    occurred = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)

    await world.accept(
        plain, NewEvent(change=full.change, occurred=occurred, key=b"k", digest=b"d" * 32, own_type=False), last
    )

    rows = await world.rows("SELECT id, body, previous, extra, zone, occurred FROM event")
    assert {row[0]: tuple(row)[1:] for row in rows} == {
        plain.id: (plain.change.body, None, None, None, None),
        full.id: (b"2", b"1", b"4", "Asia/Tokyo", occurred),
        last.id: (b"3", None, None, None, None),
    }
    assert await world.rows("SELECT key, event_id FROM idempotency") == [(b"k", full.id)]


async def test_a_group_makes_one_outbox_row_an_account_in_the_order_of_its_events(world):
    events = await world.accept(*(new_event(account, body=b"12345") for account in (7, 3, 7, 3, 3)))

    rows = await world.rows("SELECT account_id, events, bytes, version, token, claims FROM outbox ORDER BY seq")

    assert rows == [
        (account, ids([event for event in events if event.account == account]), size, 1, None, 0)
        for account, size in ((7, 10), (3, 15))
    ]


async def test_many_events_are_spread_over_rows_that_one_claim_can_hold(world):
    await world.accept(*(new_event() for _ in range(150)))

    assert await world.rows("SELECT cardinality(events) FROM outbox ORDER BY seq") == [(64,), (64,), (22,)]


async def test_events_and_their_outbox_rows_are_of_one_transaction(world):
    await world.accept(new_event(1, key=b"k"), new_event(2))

    tables = ("event", "outbox", "idempotency")
    stamps = {stamp for table in tables for stamp in await world.rows(f"SELECT xmin::text FROM {table}")}

    assert len(stamps) == 1


async def test_only_fresh_events_of_a_group_get_an_outbox_row(world):
    first = await world.accept(new_event(key=b"k"))
    group = await world.accept(new_event(), new_event(key=b"k"), new_event())

    rows = await world.rows("SELECT events FROM outbox ORDER BY seq")

    assert rows == [(ids(first),), ([group[0].id, group[2].id],)]


async def test_a_group_that_is_sent_again_changes_nothing(world):
    events = await world.accept(new_event(), new_event(key=b"k"), new_event(2))
    before = await world.everything()

    await world.events.accept(events)

    assert await world.everything() == before


async def test_a_key_that_is_forgotten_while_it_is_looked_up_is_taken_again(world):
    await world.accept(new_event(key=b"k"))
    async with world.session() as other:
        await other.execute(FORGET_ONCE)
    second = new_event(key=b"k")

    known = await world.events.accept([second])

    assert known.get(second.id) is None
    assert await world.value("SELECT count(*) FROM event WHERE id = $1", second.id) == 1


async def test_a_key_finds_its_event(world):
    [event] = await world.accept(new_event(key=b"k"))

    assert [await world.events.find(account, b"k") for account in (1, 2)] == [event.id, None]


# Deletes a key between the two statements of an accept, as upkeep may when it has just expired.
FORGET_ONCE = """
CREATE SEQUENCE forgets;
CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('forgets') = 1 THEN DELETE FROM idempotency; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER forget AFTER INSERT ON idempotency FOR EACH STATEMENT EXECUTE FUNCTION forget();
"""
