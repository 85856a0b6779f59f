"""How events are accepted: validated by the right version of their type, given an id, published."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from hookward.adapters.json_schema import JsonSchemas
from hookward.application.events.intake import MAX_EVENT_BYTES, EventIntake
from hookward.application.events.publisher import NewEvent, Publisher
from hookward.application.resource_types.cache import MAX_TYPE_CHANGES, ResourceTypeCache
from hookward.application.resource_types.service import row_of
from hookward.domain.errors import (
    HookwardError,
    Invalid,
    Malformed,
    Problem,
    StoreUnavailable,
    TooLarge,
    TooManyPending,
    TypeChanged,
)
from hookward.domain.events.mirrored import MirroredEvent
from hookward.domain.events.rules import validate_event
from hookward.domain.ids import AccountId, EventId, unix_ms_of
from hookward.domain.resource_types.model import CompiledType, ResourceType
from tests.fakes.null_log import NullLog
from tests.fakes.resource_types import FakeTypes
from tests.fakes.stores import FakeInbox
from tests.fakes.virtual_time import FixedRandom, VirtualClock
from tests.fakes.worker_harness import Wakes
from tests.unit.events.events import Seats
from tests.unit.resource_types.resource_types import made_up

pytestmark = pytest.mark.virtual_time

ACCOUNT = AccountId(1)
BUILT_IN = CompiledType(made_up(name="built.in"), Seats())
OWN = "shop.order"
EVENT: dict[str, Any] = {
    "resourceType": "built.in",
    "scope": {"shopId": "9"},
    "event": "updated",
    "resource": {"id": "o-1"},
}
OWN_EVENT = {**EVENT, "resourceType": OWN}
NUMBERS_ONLY = {"properties": {"seats": {"type": "integer"}}}
TEXTS_ONLY = {"properties": {"seats": {"type": "string"}}}


class Checked:
    """A bound on undelivered events that refuses while ``full``."""

    full = False

    def check(self, _account: AccountId) -> None:
        if self.full:
            raise TooManyPending("full", retry_after=1)


class Api:
    """An intake on fakes; account 1 may have added a type of its own."""

    def __init__(self) -> None:
        clock, log = VirtualClock(), NullLog()
        self.backlogs, self.inbox, self.store = Checked(), FakeInbox(), FakeTypes()
        self.cache = ResourceTypeCache({"built.in": BUILT_IN}, self.store, JsonSchemas())
        self.intake = EventIntake(
            Publisher(self.inbox, Wakes(), clock=clock, log=log),
            cast("Any", self.backlogs),
            self.cache,
            clock=clock,
            random=FixedRandom(),
        )
        self.clock = clock

    async def add(self, schema: dict[str, Any] = NUMBERS_ONLY) -> None:
        assert await self.store.add_type(row_of(ACCOUNT, own_type(schema)))
        self.inbox.types[ACCOUNT, OWN] = 1

    async def replace(self, schema: dict[str, Any] = TEXTS_ONLY) -> None:
        assert await self.store.replace_type(row_of(ACCOUNT, own_type(schema)), scope=("shopId",))
        self.inbox.types[ACCOUNT, OWN] += 1

    @property
    def taken(self) -> list[NewEvent]:
        return list(self.inbox.stored.values())

    async def publish(self, event: Any, key: str | None = None) -> EventId:
        return await self.intake.publish(ACCOUNT, body_of(event), key=key)

    async def publish_many(self, *events: Any) -> list[EventId | HookwardError]:
        async def read() -> list[bytes]:
            return [each if isinstance(each, bytes) else json.dumps(each).encode() for each in events]

        return await self.intake.publish_many(ACCOUNT, read)

    async def publish_mirrored(self, event: dict[str, Any]) -> EventId:
        async def read() -> MirroredEvent:
            return mirrored(event)

        return await self.intake.publish_mirrored(ACCOUNT, read)


def own_type(schema: dict[str, Any]) -> ResourceType:
    return replace(made_up(name=OWN, sample={"id": "1"}), schema=schema)


def body_of(event: Any) -> Callable[[], Any]:
    async def read() -> bytes:
        return event if isinstance(event, bytes) else json.dumps(event).encode()

    return read


def mirrored(event: dict[str, Any]) -> MirroredEvent:
    return MirroredEvent(event, validate_event(event, BUILT_IN))


@pytest.fixture
def api() -> Api:
    return Api()


def wrong(caught: pytest.ExceptionInfo[Invalid]) -> list[tuple[str | None, str | None]]:
    return [(each.pointer, each.parameter) for each in caught.value.problems]


async def test_an_event_of_a_built_in_type_is_published_with_an_id_of_now(api: Api) -> None:
    id_ = await api.publish({**EVENT, "resource": {"id": "o-1", "price": 1.10}, "extraFull": {"a": 1}})
    [event] = api.taken
    assert (event.id, unix_ms_of(id_), event.own_type, event.key) == (id_, api.clock.now_us() // 1000, False, None)
    change = event.change
    assert (change.body, change.extra, change.previous) == (b'{"id":"o-1","price":1.1}', b'{"a":1}', None)
    assert (change.account, change.scope, change.resource_id) == (ACCOUNT, {"shopId": "9"}, "o-1")


@pytest.mark.parametrize("event", [[], {}, {**EVENT, "resourceType": 7}, {**EVENT, "resourceType": "no.type"}])
async def test_an_event_of_no_type_is_refused_with_the_names_that_there_are(api: Api, event: Any) -> None:
    with pytest.raises(Invalid) as caught:
        await api.publish(event)
    assert wrong(caught)[0] == ("" if event == [] else "/resourceType", None)
    assert event == [] or "built.in" in caught.value.problems[0].message


async def test_what_is_not_json_is_refused(api: Api) -> None:
    with pytest.raises(Malformed):
        await api.publish(b"{")


async def test_nothing_is_read_of_a_request_over_the_backlog(api: Api) -> None:
    api.backlogs.full = True

    async def read() -> Any:
        raise AssertionError

    for refused in (
        api.intake.publish(ACCOUNT, read), api.intake.publish_many(ACCOUNT, read),
        api.intake.publish_mirrored(ACCOUNT, read), api.intake.publish_mirrored_batch(ACCOUNT, read, mirrored),
    ):  # fmt: skip
        with pytest.raises(TooManyPending):
            await refused


async def test_a_key_of_the_header_stands_for_the_same_event_as_an_id(api: Api) -> None:
    ids = [
        await api.publish(EVENT, "k"),
        await api.publish({**EVENT, "id": "k"}),
        await api.publish({"id": "k", **EVENT}, "k"),
    ]
    assert len(set(ids)) == 1


@pytest.mark.parametrize("key", ["é", "used"])
async def test_what_is_wrong_with_a_key_is_told_of_where_it_came_from(api: Api, key: str) -> None:
    await api.publish({**EVENT, "id": "used"})
    other = {**EVENT, "event": "deleted"}
    with pytest.raises(Invalid) as of_header:
        await api.publish(other, key)
    with pytest.raises(Invalid) as of_body:
        await api.publish({**other, "id": key}, key)
    assert (wrong(of_header), wrong(of_body)) == ([(None, "Idempotency-Key")], [("/id", None)])
    assert of_header.value.problems[0].message.startswith(("Idempotency-Key must be", "this id or Idempotency-Key"))


async def test_other_problems_than_of_the_key_keep_their_place(api: Api) -> None:
    with pytest.raises(Invalid) as caught:
        await api.publish({**EVENT, "event": "exploded"}, "k")
    assert wrong(caught) == [("/event", None)]


async def test_an_id_and_a_key_that_differ_are_refused(api: Api) -> None:
    with pytest.raises(Invalid) as caught:
        await api.publish({**EVENT, "id": "a"}, "b")
    assert wrong(caught) == [("/id", None)]


async def test_a_key_beside_what_is_no_event_changes_nothing(api: Api) -> None:
    with pytest.raises(Invalid, match="an event must be a JSON object"):
        await api.publish([], "k")


async def test_a_type_of_the_account_is_looked_up_once_and_then_known(api: Api) -> None:
    await api.add()
    await api.publish(OWN_EVENT)
    await api.publish(OWN_EVENT)
    assert [each.own_type for each in api.taken] == [True, True]
    assert len(api.store.asked) == 1


async def test_an_event_is_refused_by_the_newest_version_alone(api: Api) -> None:
    await api.add()
    await api.publish({**OWN_EVENT, "resource": {"id": "1", "seats": 1}})
    await api.replace()
    await api.publish({**OWN_EVENT, "resource": {"id": "1", "seats": "one"}})
    assert [each.change.type_version for each in api.taken] == [1, 2]


async def test_an_event_that_is_wrong_by_the_version_just_looked_up_is_refused_at_once(api: Api) -> None:
    await api.add()
    with pytest.raises(Invalid):
        await api.publish({**OWN_EVENT, "resource": {"id": "1", "seats": "one"}})
    assert len(api.store.asked) == 1


async def test_an_event_is_validated_again_when_its_type_changes_before_it_is_stored(api: Api) -> None:
    await api.add()
    await api.cache.learn(ACCOUNT, OWN)
    await api.replace()
    await api.publish(OWN_EVENT)
    assert [each.change.type_version for each in api.taken] == [2]


async def test_a_type_that_keeps_changing_refuses_an_event_in_the_end(api: Api) -> None:
    await api.add()
    api.inbox.types.clear()
    with pytest.raises(StoreUnavailable):
        await api.publish(OWN_EVENT)
    outcomes = await api.publish_many(OWN_EVENT, EVENT)
    assert [type(each) for each in outcomes] == [StoreUnavailable, bytes]
    assert len(api.store.asked) == 2 * MAX_TYPE_CHANGES


async def test_each_event_of_a_batch_is_accepted_or_refused_alone(api: Api) -> None:
    await api.add()
    large = b" " * (MAX_EVENT_BYTES + 1)
    outcomes = await api.publish_many(
        EVENT, b"{", OWN_EVENT, large, {**EVENT, "event": "x"}, {**OWN_EVENT, "event": "x"}
    )
    assert [type(each) for each in outcomes] == [bytes, Malformed, bytes, TooLarge, Invalid, Invalid]
    assert [each.id for each in api.taken] == [outcomes[0], outcomes[2]]
    assert len(api.store.asked) == 1


async def test_those_events_of_a_batch_whose_type_has_changed_are_validated_again(api: Api) -> None:
    await api.add()
    await api.cache.learn(ACCOUNT, OWN)
    await api.replace()
    outcomes = await api.publish_many(OWN_EVENT, EVENT)
    assert {each.change.resource_type: each.change.type_version for each in api.taken} == {OWN: 2, "built.in": 1}
    assert {each.id for each in api.taken} == set(outcomes)


async def test_a_mirrored_operation_is_published_as_the_event_that_was_read(api: Api) -> None:
    id_ = await api.publish_mirrored({**EVENT, "id": "k"})
    assert [each.id for each in api.taken] == [id_]
    with pytest.raises(Invalid) as caught:
        await api.publish_mirrored({**EVENT, "id": "k", "event": "deleted"})
    assert wrong(caught) == [(None, "Idempotency-Key")]


async def test_each_operation_of_a_mirrored_batch_is_accepted_or_refused_alone(api: Api) -> None:
    def read_item(given: dict[str, Any]) -> MirroredEvent:
        if given.get("wrong"):
            raise Invalid("wrong", (Problem(message="wrong"),))
        return mirrored({**EVENT, "resource": given})

    async def read() -> list[bytes]:
        return [b'{"id": "1"}', b'{"wrong": true}', b" " * (MAX_EVENT_BYTES + 1)]

    outcomes = await api.intake.publish_mirrored_batch(ACCOUNT, read, read_item)
    assert [type(each) for each in outcomes] == [bytes, Invalid, TooLarge]


async def test_a_mirrored_operation_of_a_type_that_has_changed_says_so(api: Api) -> None:
    own = CompiledType(made_up(name=OWN), Seats())

    async def read() -> MirroredEvent:
        return MirroredEvent(OWN_EVENT, validate_event(OWN_EVENT, own))

    with pytest.raises(TypeChanged):
        await api.intake.publish_mirrored(ACCOUNT, read)
