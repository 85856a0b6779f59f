"""Requests that cannot be made, and answers that are too much for the log."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome, Response
from hookward.domain.errors import HookwardError
from tests.fakes.worker_harness import NoSealing, WorkerHarness, status

pytestmark = pytest.mark.virtual_time


class WrongKey(NoSealing):
    """A sealer that opens nothing."""

    def unseal(self, _sealed: bytes, _about: str) -> bytes:
        raise HookwardError("sealed with another key")


def with_secrets(harness: WorkerHarness) -> None:
    row = harness.watch("http://a.test/")
    harness.store.watches[row.id] = msgspec.structs.replace(row, secrets=b"{}")


async def test_a_watch_whose_secrets_do_not_open_waits_visibly_and_spends_no_attempt(harness: WorkerHarness) -> None:
    with_secrets(harness)
    harness.sealer = WrongKey()
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {DeliveryStatus.PENDING: 1})
    (logged,) = harness.store.log.values()
    assert (logged.reason, logged.attempts) == ("its request cannot be made: sealed with another key", [])


async def test_with_the_right_key_again_it_goes_out(harness: WorkerHarness) -> None:
    with_secrets(harness)
    harness.sealer = WrongKey()
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {DeliveryStatus.PENDING: 1})
    harness.stop.set()
    await asyncio.wait(harness.tasks)
    harness.stop.clear()
    harness.sealer = NoSealing()
    await harness.start_session()
    await harness.settled()
    assert harness.statuses() == {DeliveryStatus.DELIVERED: 1}


async def test_a_retry_that_cannot_be_made_any_more_waits_for_the_same_attempt(harness: WorkerHarness) -> None:
    with_secrets(harness)
    harness.endpoints.script["http://a.test/"] = status(500)
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {DeliveryStatus.RETRYING: 1})
    harness.stop.set()
    await asyncio.wait(harness.tasks)
    harness.stop.clear()
    harness.sealer = WrongKey()
    await harness.start_session()
    (logged,) = harness.store.log.values()
    await harness.until(lambda: logged.reason is not None)
    assert (logged.status, len(logged.attempts)) == (DeliveryStatus.RETRYING, 1)
    assert [row.number for row in harness.store.waiting.values()] == [2]


async def test_the_log_keeps_a_bounded_part_of_an_answer_s_headers_and_masks_what_is_secret(
    harness: WorkerHarness,
) -> None:
    harness.watch("http://a.test/")
    headers = (("Set-Cookie", "canary"), *((f"X-{number}", "x" * 1000) for number in range(90)))
    answer = Outcome(duration_us=1, response=Response(status=200, headers=headers, body=b""))
    harness.endpoints.script["http://a.test/"] = lambda _request: answer
    await harness.start_session()
    harness.publish()
    await harness.settled()
    (attempt,) = next(iter(harness.store.log.values())).attempts
    assert attempt.response is not None
    assert (attempt.truncated, b"canary" in attempt.response, len(attempt.response) < 18_000) == (True, False, True)
