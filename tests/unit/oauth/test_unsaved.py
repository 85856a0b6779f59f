"""Refresh tokens that were granted and could not be written: none is lost."""

from __future__ import annotations

import asyncio

import pytest

from hookward.domain.oauth.model import AuthorizationRequired
from tests.fakes.oauth import CREDENTIAL
from tests.fakes.token_harness import GRANT, TokenHarness, value

pytestmark = pytest.mark.virtual_time


async def test_a_rotation_that_cannot_be_written_is_used_and_written_as_soon_as_that_can_be(
    harness: TokenHarness,
) -> None:
    harness.store.down = {"write"}
    assert await value(harness.process()) == "a1"
    assert (harness.store.state.token, harness.cache.refresh_tokens[CREDENTIAL].token) == ("r1", "r2")
    harness.store.down = set()
    await asyncio.sleep(20.0)
    assert (harness.store.state.token, harness.store.generation, harness.store.holder) == ("r2", 2, None)
    assert harness.cache.refresh_tokens == {}


async def test_who_takes_the_row_meanwhile_uses_what_could_not_be_written(harness: TokenHarness) -> None:
    harness.store.down = {"write"}
    one, other = harness.process(), harness.process()
    await value(one)
    await one.close(seconds=0.0)  # and it is gone
    await asyncio.sleep(91.0)
    harness.store.down = set()
    assert (await value(other), harness.endpoint.asked) == ("a2", ["r1", "r2"])
    assert (harness.store.state.token, harness.store.generation, harness.cache.refresh_tokens) == ("r3", 3, {})


async def test_who_uses_what_could_not_be_written_writes_it_where_none_newer_comes(harness: TokenHarness) -> None:
    harness.store.down = {"write"}
    one, other = harness.process(), harness.process()
    await value(one)
    await one.close(seconds=0.0)
    await asyncio.sleep(91.0)
    harness.store.down, harness.endpoint.rotates = set(), False
    await value(other)
    assert (harness.store.state.token, harness.store.generation, harness.cache.refresh_tokens) == ("r2", 2, {})


async def test_without_valkey_and_without_a_write_the_process_itself_remembers(harness: TokenHarness) -> None:
    harness.store.down, harness.cache.away = {"write"}, True
    tokens = harness.process()
    await value(tokens)
    await asyncio.sleep(91.0)
    assert (await value(tokens), harness.endpoint.asked) == ("a2", ["r1", "r2"])
    harness.store.down = set()
    await asyncio.sleep(20.0)
    assert (harness.store.state.token, harness.store.generation) == ("r3", 3)


async def test_what_valkey_forgot_is_put_there_again_while_it_cannot_be_written(harness: TokenHarness) -> None:
    harness.store.down = {"acquire", "write", "release"}
    tokens = harness.process()
    harness.store.down.discard("acquire")
    await value(tokens)
    harness.store.down.add("acquire")
    harness.cache.flush()
    await asyncio.sleep(10.0)
    assert harness.cache.refresh_tokens[CREDENTIAL].token == "r2"
    harness.store.down = set()
    await asyncio.sleep(20.0)
    assert harness.store.state.token == "r2"


async def test_a_later_rotation_in_valkey_is_written_in_place_of_the_own(harness: TokenHarness) -> None:
    harness.store.down = {"write"}
    one, other = harness.process(), harness.process()
    await value(one)
    await asyncio.sleep(91.0)
    await value(other)
    harness.store.down = set()
    await asyncio.sleep(30.0)
    assert (harness.store.state.token, harness.endpoint.current, harness.cache.refresh_tokens) == ("r3", "r3", {})


async def test_a_rotation_is_given_up_after_an_authorization_in_between(harness: TokenHarness) -> None:
    harness.store.down = {"write"}
    tokens = harness.process()
    await value(tokens)
    harness.store.authorize("fresh")
    harness.endpoint.current = "fresh"
    harness.store.down = set()
    await asyncio.sleep(91.0)
    assert harness.store.state.token == "fresh"
    assert (await value(tokens), harness.endpoint.asked) == ("a2", ["r1", "fresh"])


async def test_a_rotation_of_a_credential_that_is_gone_is_given_up(harness: TokenHarness) -> None:
    harness.store.down = {"write"}
    await value(harness.process())
    harness.store.there = False
    await asyncio.sleep(30.0)
    acquisitions = harness.store.acquisitions
    await asyncio.sleep(30.0)
    assert harness.store.acquisitions == acquisitions


async def test_a_rotation_waits_for_who_holds_the_row(harness: TokenHarness) -> None:
    async def steal() -> None:
        harness.lock(20.0)

    harness.endpoint.on_ask = steal
    assert await value(harness.process()) == "a1"
    await asyncio.sleep(10.0)
    assert harness.store.state.token == "r1"
    await asyncio.sleep(20.0)
    assert harness.store.state.token == "r2"


async def test_a_rotation_that_the_next_request_writes_is_written_once(harness: TokenHarness) -> None:
    harness.store.down = {"write"}
    tokens = harness.process()
    first = await tokens.get(GRANT, seconds=15.0)
    harness.store.down = set()
    await tokens.renew(GRANT, first, seconds=15.0)
    await asyncio.sleep(30.0)
    assert (harness.store.state.token, harness.store.generation, harness.cache.refresh_tokens) == ("r3", 3, {})
    assert harness.endpoint.asked == ["r1", "r2"]


async def test_a_refused_rotation_is_tried_no_more(harness: TokenHarness) -> None:
    harness.store.down = {"write"}
    one, other = harness.process(), harness.process()
    await value(one)
    await one.close(seconds=0.0)
    await asyncio.sleep(91.0)
    harness.store.down, harness.endpoint.revoked = set(), True
    with pytest.raises(AuthorizationRequired):
        await value(other)
    with pytest.raises(AuthorizationRequired):
        await value(other)
    assert (harness.endpoint.asked, harness.cache.refresh_tokens) == (["r1", "r2"], {})
