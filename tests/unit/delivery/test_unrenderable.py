"""Requests that cannot be made, and answers that are too much for the log."""

from __future__ import annotations

import asyncio

import msgspec

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import Outcome, Response
from hookward.domain.errors import HookwardError
from tests.fakes.worker_harness import LOOP_FACTORIES, NoSealing, WorkerHarness, status

__all__ = ["LOOP_FACTORIES"]


class WrongKey(NoSealing):
    """A sealer that opens nothing."""

    def unseal(self, _sealed: bytes, _about: str) -> bytes:
        raise HookwardError("sealed with another key")


def with_secrets(house: WorkerHarness) -> None:
    row = house.watch("http://a.test/")
    house.store.watches[row.id] = msgspec.structs.replace(row, secrets=b"{}")


async def test_a_watch_whose_secrets_do_not_open_waits_visibly_and_spends_no_attempt(house: WorkerHarness) -> None:
    with_secrets(house)
    house.sealer = WrongKey()
    await house.begin()
    house.publish()
    await house.until(lambda: house.statuses() == {DeliveryStatus.PENDING: 1})
    (logged,) = house.store.log.values()
    assert (logged.reason, logged.attempts) == ("its request cannot be made: sealed with another key", [])


async def test_with_the_right_key_again_it_goes_out(house: WorkerHarness) -> None:
    with_secrets(house)
    house.sealer = WrongKey()
    await house.begin()
    house.publish()
    await house.until(lambda: house.statuses() == {DeliveryStatus.PENDING: 1})
    house.stop.set()
    await asyncio.wait(house.tasks)
    house.stop.clear()
    house.sealer = NoSealing()
    await house.begin()
    await house.settled()
    assert house.statuses() == {DeliveryStatus.DELIVERED: 1}


async def test_a_retry_that_cannot_be_made_any_more_waits_for_the_same_attempt(house: WorkerHarness) -> None:
    with_secrets(house)
    house.endpoints.script["http://a.test/"] = status(500)
    await house.begin()
    house.publish()
    await house.until(lambda: house.statuses() == {DeliveryStatus.RETRYING: 1})
    house.stop.set()
    await asyncio.wait(house.tasks)
    house.stop.clear()
    house.sealer = WrongKey()
    await house.begin()
    (logged,) = house.store.log.values()
    await house.until(lambda: logged.reason is not None)
    assert (logged.status, len(logged.attempts)) == (DeliveryStatus.RETRYING, 1)
    assert [row.number for row in house.store.waiting.values()] == [2]


async def test_the_log_keeps_a_bounded_part_of_an_answer_s_headers_and_masks_what_is_secret(
    house: WorkerHarness,
) -> None:
    house.watch("http://a.test/")
    headers = (("Set-Cookie", "canary"), *((f"X-{number}", "x" * 1000) for number in range(90)))
    answer = Outcome(duration_us=1, answer=Response(status=200, headers=headers, body=b""))
    house.endpoints.script["http://a.test/"] = lambda _request: answer
    await house.begin()
    house.publish()
    await house.settled()
    (attempt,) = next(iter(house.store.log.values())).attempts
    assert attempt.response is not None
    assert (attempt.truncated, b"canary" in attempt.response, len(attempt.response) < 18_000) == (True, False, True)
