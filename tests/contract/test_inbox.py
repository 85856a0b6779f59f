"""What every EventStore does: PostgreSQL's and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from hookward.adapters.clock import SystemClock
from hookward.application.events.publisher import Accepted, EventStore, NewEvent, Publisher
from hookward.domain.errors import HookwardError
from tests.contract.world import World, ids, new_event
from tests.fakes.null_log import NullLog
from tests.fakes.stores import FakeInbox


class EventStoreCase:
    """An inbox, and what the suite must know and do beside it. ``unstorable`` is an event that it cannot store."""

    def __init__(
        self, inbox: EventStore, *, stored: Callable[[], Awaitable[list[bytes]]],
        expire: Callable[[], Awaitable[object]],
        unstorable: NewEvent,
    ) -> None:  # fmt: skip
        self.inbox = inbox
        self.stored = stored
        self.expire_keys = expire
        self.unstorable = unstorable

    @property
    def publisher(self) -> Publisher:
        return Publisher(self.inbox, NullLog(), clock=SystemClock(), log=NullLog())


def case_of_postgres(world: World) -> EventStoreCase:
    async def stored() -> list[bytes]:
        return [row[0] for row in await world.rows("SELECT id FROM event ORDER BY id")]

    async def expire() -> object:
        return await world.rows("UPDATE idempotency SET until = now()")

    return EventStoreCase(
        world.events, stored=stored, expire=expire, unstorable=new_event(resource_type="nothing\0of the kind")
    )


def case_of_fake() -> EventStoreCase:
    inbox = FakeInbox()
    bad = new_event(body=b"bad")
    inbox.refused.add(b"bad")

    async def stored() -> list[bytes]:
        return sorted(inbox.stored)

    async def expire() -> None:
        inbox.expire_keys()

    return EventStoreCase(inbox, stored=stored, expire=expire, unstorable=bad)


@pytest.fixture
async def case(world_or_none: World | None) -> AsyncIterator[EventStoreCase]:
    if world_or_none is None:
        yield case_of_fake()
        return
    yield case_of_postgres(world_or_none)


async def test_a_group_is_stored_and_nothing_is_known_of_it(case):
    events = [new_event(account) for account in (1, 2, 1)] + [new_event(key=b"k")]

    known = await case.inbox.accept(events)

    assert (known, await case.stored()) == ({}, ids(events))


async def test_a_known_key_is_answered_with_what_took_it_first(case):
    first, second, neighbour = new_event(key=b"k"), new_event(key=b"k", body=b"{}"), new_event()
    await case.inbox.accept([first])

    known = await case.inbox.accept([second, neighbour])

    assert known == {second.id: Accepted(id=first.id, digest=first.digest or b"")}
    assert await case.stored() == ids([first, neighbour])


async def test_a_key_of_another_account_is_another_key(case):
    events = [new_event(1, key=b"k"), new_event(2, key=b"k")]
    await case.inbox.accept(events[:1])

    known = await case.inbox.accept(events[1:])

    assert (known, await case.stored()) == ({}, ids(events))


async def test_an_expired_key_can_be_used_again(case):
    first, second, third = (new_event(key=b"k", body=body) for body in (b"1", b"2", b"3"))
    await case.inbox.accept([first])
    await case.expire_keys()

    assert await case.inbox.accept([second]) == {}
    assert await case.inbox.accept([third]) == {third.id: Accepted(id=second.id, digest=second.digest or b"")}
    assert await case.stored() == ids([first, second])


async def test_a_group_whose_answer_was_lost_is_sent_again_and_answers_as_accepted(case):
    events = [new_event(), new_event(key=b"k")]
    await case.inbox.accept(events)

    known = await case.inbox.accept(events)

    assert {id_: known.get(id_, Accepted(id=id_, digest=b"")).id for id_ in ids(events)} == {
        id_: id_ for id_ in ids(events)
    }
    assert await case.stored() == ids(events)


async def test_one_event_that_cannot_be_stored_fails_alone(case):
    events = [new_event() for _ in range(7)]
    given = [*events[:3], case.unstorable, *events[3:]]

    outcomes = await case.publisher.publish_all(given)

    assert [outcome for outcome in outcomes if not isinstance(outcome, HookwardError)] == ids(events)
    assert str(outcomes[3]) == "this event cannot be stored"
    assert await case.stored() == ids(events)


async def test_publishers_with_the_same_keys_agree_on_one_event_a_key(case):
    keys = [b"key %d" % number for number in range(40)]
    groups = [[new_event(key=key) for key in order] for order in (keys, keys[::-1], keys[20:] + keys[:20]) * 3]

    answers = await asyncio.gather(*(case.publisher.publish_all(group) for group in groups))

    by_key = [
        {event.key: answer for event, answer in zip(group, answered, strict=True)}
        for group, answered in zip(groups, answers, strict=True)
    ]
    assert all(each == by_key[0] for each in by_key)
    assert await case.stored() == sorted(by_key[0].values())
