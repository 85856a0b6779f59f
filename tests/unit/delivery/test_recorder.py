"""What the store refuses to record, and what definitions know."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from hookward.application.delivery.recorder import Recorder
from hookward.application.watches.registry import DefinitionDelta, WatchRegistry
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import CryptoKeyId
from tests.fakes.stores import FakeDefinitions
from tests.fakes.worker_harness import SHOP, WorkerHarness

pytestmark = pytest.mark.virtual_time

DELIVERED, FAILED = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED


async def test_an_attempt_that_the_store_refuses_ends_its_delivery_visibly_and_spares_the_rest(
    harness: WorkerHarness,
) -> None:
    watch = harness.watch("http://a.test/")
    guilty = harness.publish(40)[17]
    harness.store.refused = lambda entry: entry.event == guilty.id and entry.attempt is not None
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 39, FAILED: 1}
    reasons = {each.entry.event: each.reason for each in harness.store.log.values() if each.status is FAILED}
    assert reasons == {guilty.id: "its record was refused by the store"}
    assert watch.id in harness.store.watches


async def test_a_group_is_bounded(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", slots=1000)
    await harness.start_session()
    harness.publish(700)
    await harness.settled()
    assert max(harness.store.groups) == 512


async def test_a_look_for_slots_that_finds_none_writes_nothing(harness: WorkerHarness) -> None:
    asked: list[bool] = []
    recorder = Recorder(
        harness.store, 1, log=harness.log, slots=dict, on_recorded=asked.append, mark_uncertain=harness.stop.set
    )
    recording = asyncio.create_task(recorder.run())
    recorder.wake()
    await recorder.drained()
    recording.cancel()
    assert (asked, harness.store.groups) == ([False], [])


async def test_a_record_that_comes_after_the_lease_changes_nothing(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.5
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.endpoints.in_flight == 1)
    await harness.store.abandon(1)
    await harness.until(lambda: "harness.lease_lost" in harness.log.events, seconds=0.6)
    assert harness.statuses() == {}
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 1}


async def test_entries_that_nothing_can_record_end_the_shift_and_the_next_one_works(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", paused=True)
    harness.publish(1)
    harness.store.refused = lambda entry: entry.attempt is None
    await harness.start_session()
    await harness.until(lambda: any(task.done() for task in harness.tasks), seconds=100)
    assert type(harness.tasks[0].exception()) is ValueError
    harness.tasks.clear()
    harness.store.refused = lambda _entry: False
    for token in list(harness.store.leases):
        await harness.store.abandon(token)
    await harness.start_session()
    await harness.until(lambda: not harness.store.outbox)
    assert harness.statuses() == {DeliveryStatus.PENDING: 1}


async def test_definitions_are_asked_only_when_something_newer_may_exist() -> None:
    store = FakeDefinitions()
    definitions = WatchRegistry(store, {SHOP.name: SHOP})
    changes: list[int] = []
    definitions.on_change(lambda: changes.append(definitions.version))
    await definitions.refresh(until=1)
    await definitions.refresh(until=1)
    await definitions.refresh()
    assert (definitions.version, changes) == (1, [])
    assert definitions.key(CryptoKeyId(bytes(16))) is None


class SlowSource(FakeDefinitions):
    """Takes a second to answer, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def changes_since(self, version: int) -> DefinitionDelta:
        self.asked += 1
        await asyncio.sleep(1)
        return await super().changes_since(version)


async def test_what_many_want_to_know_at_once_is_asked_once() -> None:
    source = SlowSource()
    definitions = WatchRegistry(source, {})
    await asyncio.gather(*[definitions.refresh(until=1) for _ in range(5)])
    assert source.asked == 1


async def test_a_deleted_or_disabled_watch_matches_nothing(harness: WorkerHarness) -> None:
    row = harness.watch("http://a.test/")
    definitions = WatchRegistry(harness.store, {SHOP.name: SHOP})
    await definitions.refresh()
    event = harness.event()
    assert definitions.match(event) == [row.id]
    for change in ({"status": 3}, {"deleted": True}):
        harness.store.version += 1
        harness.store.watches[row.id] = msgspec.structs.replace(row, version=harness.store.version, **change)
        await definitions.refresh()
        assert definitions.match(event) == []
