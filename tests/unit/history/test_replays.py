"""Replays: sent again as the watch is now, counted on, scheduled from the start."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from hookward.application.history.replays import MAX_ATTEMPTS, Replays
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.errors import Conflict, NotFound
from hookward.domain.ids import AccountId, DeliveryId, IdPrefix, to_text
from hookward.domain.watches.model import WatchDefinition, WatchStatus
from tests.fakes.virtual_time import FixedRandom
from tests.fakes.worker_harness import WorkerHarness, ok, status

pytestmark = pytest.mark.virtual_time

DELIVERED, FAILED = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED
ACCOUNT = AccountId(1)


async def replay(harness: WorkerHarness, id_: DeliveryId | None, *, new_id: bool = False, **more: Any) -> DeliveryId:
    given = {"owner": None, **more}
    return await Replays(harness.store, clock=harness.clock, random=FixedRandom()).replay(
        ACCOUNT, id_, new_id=new_id, **given
    )


async def failed(harness: WorkerHarness) -> DeliveryId:
    """A delivery that all attempts have failed of."""
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = status(500)
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {FAILED: 1})
    [id_] = harness.store.log
    return id_


def sent(harness: WorkerHarness) -> list[tuple[str, str]]:
    headers = [dict(request.changing) for request in harness.endpoints.received]
    return [(each["webhook-id"], each["hookward-attempt"]) for each in headers]


async def test_a_replay_goes_on_counting_and_keeps_its_id(harness: WorkerHarness) -> None:
    id_ = await failed(harness)
    harness.endpoints.script["http://a.test/"] = ok

    assert await replay(harness, id_) == id_

    await harness.until(lambda: harness.statuses() == {DELIVERED: 1})
    text = to_text(IdPrefix.DELIVERY, id_)
    assert sent(harness) == [(text, str(number)) for number in (1, 2, 3, 4)]


async def test_the_schedule_of_a_replay_starts_again(harness: WorkerHarness) -> None:
    id_ = await failed(harness)

    await replay(harness, id_)

    await harness.until(lambda: harness.statuses() == {FAILED: 1} and len(harness.endpoints.received) == 6)
    assert harness.store.log[id_].reason == "no success in 3 attempts"
    assert [attempt.number for attempt in harness.store.log[id_].attempts] == [1, 2, 3, 4, 5, 6]


async def test_a_replay_that_waits_for_its_first_attempt_is_pending(harness: WorkerHarness) -> None:
    id_ = await failed(harness)
    harness.endpoints.script["http://a.test/"] = lambda _request: 3.0

    await replay(harness, id_)
    await harness.until(lambda: harness.endpoints.in_flight == 1)

    assert harness.store.log[id_].status is DeliveryStatus.PENDING


async def test_a_replay_is_rendered_with_the_watch_as_it_is_now(harness: WorkerHarness) -> None:
    id_ = await failed(harness)
    [watch] = harness.store.watches.values()
    definition = WatchDefinition(address="http://b.test/", method="PUT", schema={"now": "${$.resource.id}"})
    harness.change(watch, definition=msgspec.json.encode(definition))

    await replay(harness, id_)

    await harness.until(lambda: harness.statuses() == {DELIVERED: 1})
    last = harness.endpoints.received[-1]
    assert (last.address, last.method, last.body) == ("http://b.test/", "PUT", b'{"now":"1"}')
    assert harness.store.log[id_].attempts[-1].request_body == b'{"now":"1"}'


async def test_a_replay_without_a_body_does_not_show_that_of_the_attempt_before(harness: WorkerHarness) -> None:
    id_ = await failed(harness)
    [watch] = harness.store.watches.values()
    harness.change(watch, definition=msgspec.json.encode(WatchDefinition(address="http://b.test/", method="GET")))

    await replay(harness, id_)

    await harness.until(lambda: harness.statuses() == {DELIVERED: 1})
    assert harness.store.log[id_].attempts[-1].request_body == b""


async def test_a_replay_with_an_id_of_its_own_names_the_first(harness: WorkerHarness) -> None:
    id_ = await failed(harness)
    harness.endpoints.script["http://a.test/"] = ok

    mine = await replay(harness, id_, new_id=True)

    await harness.until(lambda: harness.statuses() == {FAILED: 1, DELIVERED: 1})
    headers = dict(harness.endpoints.received[-1].changing)
    assert mine != id_
    assert headers["webhook-id"] == to_text(IdPrefix.DELIVERY, mine)
    assert headers["hookward-replay-of"] == to_text(IdPrefix.DELIVERY, id_)
    assert headers["hookward-attempt"] == "1"
    assert all("hookward-replay-of" not in dict(each.changing) for each in harness.endpoints.received[:-1])


async def test_an_id_that_is_none_and_one_that_nothing_has_are_not_found(harness: WorkerHarness) -> None:
    for id_ in (None, DeliveryId(bytes(16))):
        with pytest.raises(NotFound):
            await replay(harness, id_)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"status": WatchStatus.DISABLED}, "disabled; enable it"),
    ({"deleted": True}, "deleted; create one"),
]


@pytest.mark.parametrize(("change", "words"), REFUSALS)
async def test_a_refusal_says_what_to_do_first(harness: WorkerHarness, change: dict[str, Any], words: str) -> None:
    id_ = await failed(harness)
    [watch] = harness.store.watches.values()
    harness.change(watch, **change)

    with pytest.raises(Conflict, match=re.escape(words)):
        await replay(harness, id_)


async def test_a_delivery_with_many_attempts_is_replayed_with_an_id_of_its_own(harness: WorkerHarness) -> None:
    id_ = await failed(harness)
    logged = harness.store.log[id_]
    logged.made = MAX_ATTEMPTS
    with pytest.raises(Conflict, match="newId"):
        await replay(harness, id_)


async def test_what_has_no_event_is_a_conflict(harness: WorkerHarness) -> None:
    id_ = await failed(harness)
    harness.store.event_rows.clear()
    with pytest.raises(Conflict, match="erased"):
        await replay(harness, id_)


async def test_what_waits_is_sent_at_once_and_its_schedule_starts_again(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", retry=("1h", "1h"))
    harness.endpoints.script["http://a.test/"] = status(500)
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {DeliveryStatus.RETRYING: 1})
    [id_] = harness.store.log

    await replay(harness, id_)

    await harness.until(
        lambda: harness.statuses() == {DeliveryStatus.RETRYING: 1} and len(harness.endpoints.received) == 2
    )
    await replay(harness, id_)
    await harness.until(
        lambda: harness.statuses() == {DeliveryStatus.RETRYING: 1} and len(harness.endpoints.received) == 3
    )
    assert [attempt.number for attempt in harness.store.log[id_].attempts] == [1, 2, 3]
    assert sent(harness) == [(to_text(IdPrefix.DELIVERY, id_), str(number)) for number in (1, 2, 3)]


async def test_what_is_in_flight_is_a_conflict(harness: WorkerHarness) -> None:
    id_ = await failed(harness)
    harness.endpoints.script["http://a.test/"] = lambda _request: 3.0
    await replay(harness, id_)
    await harness.until(lambda: harness.endpoints.in_flight == 1)
    with pytest.raises(Conflict, match="being sent just now"):
        await replay(harness, id_)
