"""The group commit, on an inbox in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from hookward.application.events.publisher import Accepted, NewEvent, Publisher, StaleType
from hookward.domain.errors import HookwardError, Invalid, StoreUnavailable, TypeChanged
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, EventId, uuid7
from hookward.domain.resource_types.operations import ChangeKind
from tests.fakes.null_log import NullLog
from tests.fakes.stores import FakeInbox
from tests.fakes.virtual_time import VirtualClock
from tests.fakes.worker_harness import Wakes

pytestmark = pytest.mark.virtual_time


class GatedInbox(FakeInbox):
    """Commits when it is let, or fails while ``away``; remembers its groups."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = 0
        self.lose_answer = False
        self.groups: list[int] = []

    async def accept(self, events: Sequence[NewEvent]) -> dict[EventId, Accepted | StaleType]:
        self.groups.append(len(events))
        await self.gate.wait()
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")
        known = await super().accept(events)
        if self.lose_answer:
            self.lose_answer = False
            raise StoreUnavailable("the answer was lost")
        return known


def event(number: int, *, body: bytes = b"{}", key: str | None = None, digest: bytes = b"d") -> NewEvent:
    change = ChangeEvent(
        id=EventId(uuid7(number, number.to_bytes(10, "big"))), account=AccountId(1), resource_type="t", type_version=1,
        kind=ChangeKind.CREATED, scope={}, resource_id="1", body=body,
    )  # fmt: skip
    return NewEvent(change=change, key=None if key is None else key.encode(), digest=digest)


@pytest.fixture
def inbox() -> GatedInbox:
    return GatedInbox()


@pytest.fixture
def wakes() -> Wakes:
    return Wakes()


@pytest.fixture
def log() -> NullLog:
    return NullLog()


@pytest.fixture
def publisher(inbox: GatedInbox, wakes: Wakes, log: NullLog) -> Publisher:
    return Publisher(inbox, wakes, clock=VirtualClock(), log=log)


async def test_an_event_is_answered_only_after_its_commit(publisher: Publisher, inbox: GatedInbox) -> None:
    inbox.gate.clear()
    publishing = asyncio.create_task(publisher.publish(event(1)))
    await asyncio.sleep(10)
    assert not publishing.done()
    inbox.gate.set()
    assert await publishing == event(1).id


async def test_requests_that_arrive_during_a_commit_share_the_next_one(publisher: Publisher, inbox: GatedInbox) -> None:
    inbox.gate.clear()
    publishing = [asyncio.create_task(publisher.publish(event(number))) for number in range(100)]
    await asyncio.sleep(1)
    publishing += [asyncio.create_task(publisher.publish(event(number))) for number in range(100, 150)]
    await asyncio.sleep(1)
    inbox.gate.set()
    await asyncio.gather(*publishing)
    assert inbox.groups == [100, 50]


async def test_a_group_is_bounded(publisher: Publisher, inbox: GatedInbox) -> None:
    await publisher.publish_all([event(number) for number in range(600)])
    assert inbox.groups == [256, 256, 88]


async def test_a_lost_commit_answer_is_asked_again_with_the_same_ids(publisher: Publisher, inbox: GatedInbox) -> None:
    inbox.lose_answer = True
    assert await publisher.publish(event(1, key="k")) == event(1).id
    assert list(inbox.stored) == [event(1).id]


async def test_a_store_that_stays_away_fails_the_group(publisher: Publisher, inbox: GatedInbox) -> None:
    inbox.away = 1000
    with pytest.raises(StoreUnavailable):
        await publisher.publish(event(1))


async def test_a_row_that_the_store_refuses_spares_its_neighbours(
    publisher: Publisher, inbox: GatedInbox, log: NullLog
) -> None:
    inbox.refused.add(b"guilty")
    outcomes = await publisher.publish_all([event(n, body=b"guilty" if n == 37 else b"{}") for n in range(100)])
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, HookwardError)] == [37]
    assert log.events == ["publish.refused_by_store"]


async def test_a_known_key_answers_the_first_event(publisher: Publisher) -> None:
    first = await publisher.publish(event(1, key="k"))
    assert await publisher.publish(event(2, key="k")) == first


async def test_a_key_used_for_another_body_is_refused(publisher: Publisher) -> None:
    await publisher.publish(event(1, key="k"))
    with pytest.raises(Invalid, match="another body"):
        await publisher.publish(event(2, key="k", digest=b"other"))


async def test_one_key_many_times_at_once_gives_one_event(publisher: Publisher, inbox: GatedInbox) -> None:
    outcomes = await publisher.publish_all([event(number, key="k") for number in range(20)])
    assert set(outcomes) == {event(0).id}
    assert len(inbox.stored) == 1


async def test_every_group_wakes_the_workers(publisher: Publisher, wakes: Wakes) -> None:
    await publisher.publish(event(1))
    await publisher.publish(event(2))
    await publisher.close()
    assert wakes.count == 2


async def test_closing_waits_for_what_was_taken(publisher: Publisher, inbox: GatedInbox) -> None:
    inbox.gate.clear()
    publishing = asyncio.create_task(publisher.publish(event(1)))
    await asyncio.sleep(1)
    closing = asyncio.create_task(publisher.close())
    await asyncio.sleep(1)
    assert not closing.done()
    inbox.gate.set()
    await closing
    assert publishing.done()


async def test_a_caller_that_went_away_does_not_hurt_its_group(publisher: Publisher, inbox: GatedInbox) -> None:
    inbox.gate.clear()
    gone = asyncio.create_task(publisher.publish(event(1)))
    stays = asyncio.create_task(publisher.publish(event(2)))
    await asyncio.sleep(1)
    gone.cancel()
    inbox.gate.set()
    assert await stays == event(2).id


async def test_a_caller_that_went_away_does_not_hurt_a_group_that_fails(
    publisher: Publisher, inbox: GatedInbox
) -> None:
    inbox.away = 1000
    gone = asyncio.create_task(publisher.publish(event(1)))
    stays = asyncio.create_task(publisher.publish(event(2)))
    await asyncio.sleep(1)
    gone.cancel()
    with pytest.raises(StoreUnavailable):
        await stays


async def test_bytes_waiting_for_a_slow_store_are_bounded(inbox: GatedInbox, wakes: Wakes, log: NullLog) -> None:
    publisher = Publisher(inbox, wakes, clock=VirtualClock(), log=log, max_pending_bytes=10)
    inbox.gate.clear()
    first = asyncio.create_task(publisher.publish(event(1, body=b"x" * 11)))
    await asyncio.sleep(1)
    second = asyncio.create_task(publisher.publish(event(2, body=b"x" * 11)))
    await asyncio.sleep(1)
    with pytest.raises(StoreUnavailable):
        await publisher.publish(event(3))
    inbox.gate.set()
    assert [await first, await second] == [event(1).id, event(2).id]


async def test_publishing_nothing_answers_nothing(publisher: Publisher) -> None:
    assert await publisher.publish_all([]) == []


async def test_an_event_judged_by_an_old_version_of_its_type_is_not_taken(
    publisher: Publisher, inbox: GatedInbox
) -> None:
    inbox.types[1, "t"] = 2
    old = msgspec.structs.replace(event(1, key="k"), own_type=True)
    [outcome, neighbour] = await publisher.publish_all([old, event(2)])
    assert (type(outcome), neighbour, list(inbox.stored)) == (TypeChanged, event(2).id, [event(2).id])
