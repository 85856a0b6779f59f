"""Who asks for a token: one holder at a time, for others to wait for, and what they hear when none comes."""

from __future__ import annotations

import asyncio

import pytest

from hookward.application.oauth.tokens import MARGIN
from hookward.domain.errors import StoreUnavailable
from hookward.domain.oauth.model import NoToken
from tests.fakes.token_harness import GRANT, TIMEOUT, TokenHarness, token, value

pytestmark = pytest.mark.virtual_time


async def test_who_cannot_wait_longer_gives_up_and_the_request_goes_on(harness: TokenHarness) -> None:
    harness.endpoint.seconds = 5.0
    tokens = harness.process()
    with pytest.raises(NoToken, match="did not answer within the attempt's timeout"):
        await value(tokens, seconds=1.0)
    await asyncio.sleep(5.0)
    assert (harness.store.state.token, await value(tokens, seconds=0.0)) == ("r2", "a1")


async def test_who_is_cancelled_while_waiting_cancels_no_other(harness: TokenHarness) -> None:
    harness.endpoint.seconds = 5.0
    tokens = harness.process()
    waiters = [asyncio.create_task(value(tokens)) for _ in range(2)]
    await asyncio.sleep(1.0)
    waiters[0].cancel()
    assert (await waiters[1], harness.endpoint.asked) == ("a1", ["r1"])


async def test_who_waits_for_another_worker_in_vain_says_so(harness: TokenHarness) -> None:
    harness.lock()
    tokens = harness.process()
    began = harness.clock.monotonic()
    with pytest.raises(NoToken, match="another worker is asking"):
        await value(tokens, seconds=3.0)
    assert (harness.clock.monotonic() - began, harness.endpoint.asked) == (3.0, [])
    await asyncio.sleep(1.0)
    acquisitions = harness.store.acquisitions
    await asyncio.sleep(60.0)
    assert harness.store.acquisitions == acquisitions


async def test_who_comes_later_waits_with_the_others_and_for_as_long_as_it_can(harness: TokenHarness) -> None:
    harness.lock(4.0)
    tokens = harness.process()
    soon = asyncio.create_task(value(tokens, seconds=2.0))
    await asyncio.sleep(1.0)
    assert await value(tokens, seconds=10.0) == "a1"
    with pytest.raises(NoToken):
        await soon


async def test_a_row_held_by_a_worker_that_died_is_free_when_its_hold_ends(harness: TokenHarness) -> None:
    harness.lock(TIMEOUT + MARGIN - 1.0)
    assert await value(harness.process()) == "a1"


async def test_who_waits_finds_the_token_that_another_worker_got(harness: TokenHarness) -> None:
    harness.lock()
    waiting = asyncio.create_task(value(harness.process()))
    await asyncio.sleep(1.0)
    await harness.cache.put_token(GRANT, token("theirs"))
    assert (await waiting, harness.endpoint.asked) == ("theirs", [])


async def test_a_token_that_came_just_before_the_row_was_taken_is_found(harness: TokenHarness) -> None:
    async def meanwhile() -> None:
        await harness.cache.put_token(GRANT, token("theirs"))

    harness.store.on_acquire = meanwhile
    tokens = harness.process()
    assert (await value(tokens), harness.endpoint.asked) == ("theirs", [])
    await tokens.close(seconds=1.0)
    assert harness.store.holder is None


async def test_no_request_begins_that_could_outlast_the_hold(harness: TokenHarness) -> None:
    acquisitions = iter([MARGIN + 1.0, 0.1])

    async def slowly() -> None:
        await asyncio.sleep(next(acquisitions))

    harness.store.on_acquire = slowly
    began = harness.clock.monotonic()
    assert await value(harness.process()) == "a1"
    assert (harness.store.acquisitions, harness.clock.monotonic() - began > MARGIN + 1.0) == (2, True)


async def test_who_can_never_take_the_row_in_time_lets_go_of_it(harness: TokenHarness) -> None:
    async def slowly() -> None:
        await asyncio.sleep(MARGIN + 1.0)

    harness.store.on_acquire = slowly
    tokens = harness.process()
    with pytest.raises(NoToken):
        await value(tokens, seconds=8.0)
    await asyncio.sleep(30.0)
    assert (harness.endpoint.asked, harness.store.holder) == ([], None)


async def test_what_the_endpoint_says_is_heard_by_all_who_wait_and_the_next_asks_again(harness: TokenHarness) -> None:
    harness.endpoint.fails = [NoToken("503")]
    tokens = harness.process()
    said = await asyncio.gather(*(value(tokens) for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in said] == ["503"] * 3
    assert (await value(tokens), harness.store.state.token) == ("a2", "r3")


async def test_a_credential_that_is_gone_gives_no_token(harness: TokenHarness) -> None:
    harness.store.there = False
    with pytest.raises(NoToken, match="gone"):
        await value(harness.process())


async def test_without_the_store_no_token_is_asked_for_and_one_that_is_known_is_used(harness: TokenHarness) -> None:
    one, other = harness.process(), harness.process()
    await value(one)
    harness.store.down = {"acquire", "release", "write", "refuse"}
    assert (await value(one), await value(other)) == ("a1", "a1")
    await asyncio.sleep(100.0)
    with pytest.raises(StoreUnavailable):
        await value(one)
    assert harness.endpoint.asked == ["r1"]


async def test_a_row_that_could_not_be_let_go_of_is_free_when_its_hold_ends(harness: TokenHarness) -> None:
    harness.endpoint.rotates = False
    harness.store.down = {"release"}
    one, other = harness.process(), harness.process()
    await value(one)
    harness.cache.flush()
    began = harness.clock.monotonic()
    assert await value(other, seconds=20.0) == "a2"
    assert harness.clock.monotonic() - began > TIMEOUT
