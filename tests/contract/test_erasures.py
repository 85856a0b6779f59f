"""Erasure: nothing that is stored shows the resource, whatever was in flight."""

from typing import Any

import msgspec
import pytest

from hookward.adapters.postgres.history.erasures import PostgresErasures
from hookward.application.events.publisher import NewEvent
from hookward.application.history.erasures import Erasure
from hookward.domain.delivery.model import Attempt, DeliveryStatus, DeliveryUpdate, Payload, Wait
from hookward.domain.ids import AccountId, DeliveryId
from hookward.domain.resource_types.operations import ChangeKind
from tests.contract.world import ACCOUNT, World, moved, new_attempt, new_entry, new_event, new_id

PENDING, RETRYING, DELIVERED, FAILED, CANCELLED = DeliveryStatus
CANARY = "canary-4711"
BODY = b'{"id": "canary-4711", "name": "canary-4711"}'
ALL: dict[str, Any] = {"previous": BODY, "extra": BODY, "scope": {"companyId": CANARY}, "resource_id": CANARY}


def new_canary() -> NewEvent:
    return new_event(body=BODY, **ALL)


def attempt(number: int = 1, code: int = 500) -> Attempt:
    request = b'{"method":"POST","address":"http://a.test/canary-4711","headers":{"x":"canary-4711"}}'
    return msgspec.structs.replace(
        new_attempt(number, code, request_body=BODY, response_body=BODY, message=CANARY), request=request,
        response=b'{"x":"canary-4711"}',
    )  # fmt: skip


PAYLOAD = Payload(method="POST", address="http://a.test/" + CANARY, body=BODY)


async def erase(world: World, account: int = ACCOUNT, resource_id: str = CANARY) -> bytes:
    id_ = new_id()
    await PostgresErasures(world.database).add(AccountId(account), id_, "appointment", resource_id)
    return id_


async def run(world: World, id_: bytes, **bounds: int) -> Erasure:
    """Do what can be done just now."""
    store = PostgresErasures(world.database, **bounds)
    while await store.step():
        pass
    await store.step()
    found = await store.get(ACCOUNT, id_)
    assert found is not None
    return found


async def dump(world: World) -> str:
    return repr(await world.everything())


def shows(text: str) -> bool:
    return CANARY in text or CANARY.encode().hex() in text


async def stored(world: World, status: DeliveryStatus) -> DeliveryUpdate:
    """A matched event with a delivery of every part."""
    watch = await world.watch()
    [event] = await world.accept(new_canary())
    await world.rows("DELETE FROM outbox WHERE events = ARRAY[$1::uuid]", event.id)
    wait = Wait(seconds=0, number=2) if status.open else None
    entry = new_entry(
        event, watch, status, attempts=1, attempt=attempt(), wait=wait, payload=PAYLOAD if status.open else None
    )
    await world.results.record(await world.lease(), [entry], done=[], slots={})
    return entry


@pytest.mark.parametrize("chunk", [5000, 1])
async def test_nothing_stored_shows_the_resource_and_all_else_stays(world, chunk):
    for status in DeliveryStatus:
        await stored(world, status)
    other = new_entry(await the_other(world), await world.watch(), FAILED, attempts=1, attempt=new_attempt())
    await world.results.record(await world.lease(), [other], done=[], slots={})
    kept = await world.rows(
        "SELECT d::text, e::text FROM delivery d JOIN event e ON e.id = d.event_id WHERE d.id = $1", other.id
    )
    assert shows(await dump(world))

    done = await run(world, await erase(world), chunk=chunk)

    assert (done.finished is not None, done.events, done.deliveries) == (True, 5, 5)
    assert not shows(await dump(world))
    assert kept == await world.rows(
        "SELECT d::text, e::text FROM delivery d JOIN event e ON e.id = d.event_id WHERE d.id = $1", other.id
    )
    log = await world.rows("SELECT status, reason FROM delivery WHERE resource_id = '' ORDER BY status, reason")
    assert log == [(3, None), (4, None), (5, "erased"), (5, "erased"), (5, None)]
    assert await world.rows("SELECT 1 FROM waiting UNION ALL SELECT 1 FROM payload") == []


async def the_other(world: World):
    [event] = await world.accept(new_event(resource_id=CANARY[:-1]))
    return event


async def test_an_event_that_is_not_matched_yet_is_never_delivered(world):
    [event] = await world.accept(new_canary())
    await run(world, await erase(world))

    claims = await world.outbox.claim(await world.lease(), limit=9)

    assert [claim.events for claim in claims] == [(event.id,)]
    assert await world.outbox.events([event.id]) == {}
    assert not shows(await dump(world))


async def test_what_a_worker_had_read_before_is_erased_once_it_is_recorded(world):
    watch, token = await world.watch(), await world.lease()
    [event] = await world.accept(new_canary())
    [claim] = await world.outbox.claim(token, limit=9)
    id_ = await erase(world)

    meanwhile = await run(world, id_)
    entry = new_entry(
        event, watch, RETRYING, attempts=1, attempt=attempt(), wait=Wait(seconds=60, number=2), payload=PAYLOAD
    )
    await world.results.record(token, [entry], done=[claim.seq], slots={})
    done = await run(world, id_)

    assert (meanwhile.finished, done.finished is None, done.deliveries) == (None, False, 1)
    assert not shows(await dump(world))


async def test_an_attempt_in_flight_is_erased_when_it_has_ended(world):
    watch, token = await world.watch(), await world.lease()
    [event] = await world.accept(new_canary())
    await world.rows("DELETE FROM outbox")
    entry = new_entry(event, watch, PENDING, wait=Wait(seconds=0, number=1))
    await world.results.record(token, [entry], done=[], slots={})
    await world.lanes.pull(token, lanes=9)
    id_ = await erase(world)

    meanwhile = await run(world, id_)
    again = moved(entry, RETRYING, attempts=1, attempt=attempt(), payload=PAYLOAD, wait=Wait(seconds=0, number=2))
    await world.results.record(token, [again], done=[], slots={watch.lane: 1})
    done = await run(world, id_)

    assert (meanwhile.finished, meanwhile.deliveries) == (None, 0)
    assert (done.finished is None, done.deliveries) == (False, 1)
    assert not shows(await dump(world))
    found = await world.log.delivery(ACCOUNT, DeliveryId(entry.id))
    assert found is not None
    assert (found[0].status, found[0].reason, found[1][0].code) == (CANCELLED, "erased", 500)


async def test_what_is_published_afterwards_is_kept(world):
    first = await erase(world)
    [[through]] = await world.rows("SELECT through FROM erasure")
    later = (int.from_bytes(through, "big") + (1 << 90)).to_bytes(16, "big")
    [event] = await world.accept(new_event(id=later, body=BODY, resource_id=CANARY))
    entry = new_entry(event, await world.watch(), DELIVERED, attempts=1, attempt=attempt())
    await world.results.record(await world.lease(), [entry], done=[], slots={})

    await run(world, first)

    assert (await world.outbox.events([event.id]))[event.id].body == BODY
    assert await world.value("SELECT resource_id FROM delivery") == CANARY.encode()


async def test_another_account_or_type_or_id_is_not_touched(world):
    await world.rows("INSERT INTO account (name) VALUES ('other')")
    changes: list[tuple[int, dict[str, Any]]] = [
        (2, {}), (1, {"resource_type": "queue.registration"}), (1, {"resource_id": "7"}),
    ]  # fmt: skip
    for account, change in changes:
        given: dict[str, Any] = {"kind": ChangeKind.CREATED, "body": BODY, "resource_id": CANARY, **change}
        await world.accept(new_event(account, **given))

    done = await run(world, await erase(world))

    assert (done.events, await world.value("SELECT count(*) FROM event WHERE body = ''")) == (0, 0)


async def test_an_erasure_is_its_accounts_own_and_may_be_asked_again(world):
    await stored(world, DELIVERED)
    first, second = await erase(world), await erase(world)

    assert (await run(world, first)).events == 1
    assert (await run(world, second)).finished is not None
    assert await PostgresErasures(world.database).get(AccountId(2), first) is None
    assert not shows(await dump(world))
