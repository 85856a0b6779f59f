"""Tokens that were refused, and refresh tokens that were: asked for once more, and then no more."""

from __future__ import annotations

import asyncio

import pytest

from hookward.domain.oauth.model import AuthorizationRequired, NoToken
from tests.fakes.oauth import FakeCredentials
from tests.fakes.token_harness import GRANT, TokenHarness, token, value

pytestmark = pytest.mark.virtual_time


async def test_a_token_that_was_refused_is_renewed_once_for_all(harness: TokenHarness) -> None:
    tokens = harness.process()
    first = await tokens.get(GRANT, seconds=15.0)
    found = await asyncio.gather(*(tokens.renew(GRANT, first, seconds=15.0) for _ in range(20)))
    assert ({each.value for each in found}, harness.endpoint.asked) == ({"a2"}, ["r1", "r2"])
    assert await value(tokens) == "a2"


async def test_a_renewal_takes_the_token_that_another_worker_has_got_by_now(harness: TokenHarness) -> None:
    one, other = harness.process(), harness.process()
    first = await one.get(GRANT, seconds=15.0)
    assert await value(other) == "a1"
    await one.renew(GRANT, first, seconds=15.0)
    assert (await other.renew(GRANT, first, seconds=15.0)).value == "a2"
    assert harness.endpoint.asked == ["r1", "r2"]


async def test_who_joins_a_request_that_finds_the_refused_token_asks_again(harness: TokenHarness) -> None:
    tokens, refused = harness.process(), token("stale")
    harness.lock(1.0)
    waiting = asyncio.create_task(value(tokens))
    await asyncio.sleep(0.5)
    renewing = asyncio.create_task(tokens.renew(GRANT, refused, seconds=15.0))
    await harness.cache.put_token(GRANT, refused)
    assert (await waiting, (await renewing).value) == ("stale", "a1")


async def test_an_endpoint_that_gives_the_refused_token_again_is_not_asked_for_ever(harness: TokenHarness) -> None:
    tokens = harness.process()
    first = await tokens.get(GRANT, seconds=15.0)
    harness.endpoint.asked.clear()
    assert ((await tokens.renew(GRANT, first, seconds=15.0)).value, len(harness.endpoint.asked)) == ("a1", 1)


async def test_invalid_grant_marks_the_credential_and_no_request_follows(harness: TokenHarness) -> None:
    harness.endpoint.revoked = True
    for _ in range(3):
        with pytest.raises(AuthorizationRequired, match="invalid_grant"):
            await value(harness.process())
    assert (harness.endpoint.asked, harness.store.refused, harness.store.holder) == (["r1"], "invalid_grant", None)


async def test_who_authorizes_again_takes_the_mark_away(harness: TokenHarness) -> None:
    harness.endpoint.revoked = True
    tokens = harness.process()
    with pytest.raises(AuthorizationRequired):
        await value(tokens)
    harness.store.authorize("fresh")
    harness.endpoint.revoked, harness.endpoint.current = False, "fresh"
    assert await value(tokens) == "a2"


async def test_a_refresh_token_that_came_while_the_old_one_was_refused_is_tried(harness: TokenHarness) -> None:
    async def authorize() -> None:
        harness.endpoint.on_ask = None
        harness.store.authorize("fresh")
        harness.endpoint.current = "fresh"
        harness.endpoint.fails = [AuthorizationRequired("invalid_grant")]

    harness.endpoint.on_ask = authorize
    assert await value(harness.process()) == "a2"
    assert (harness.endpoint.asked, harness.store.state.token, harness.store.refused) == (["r1", "fresh"], "r3", None)


async def test_the_newer_refresh_token_is_tried_once_and_marked_too(harness: TokenHarness) -> None:
    async def authorize() -> None:
        harness.endpoint.on_ask = None
        harness.store.authorize("fresh")

    harness.endpoint.on_ask = authorize
    harness.endpoint.revoked = True
    with pytest.raises(AuthorizationRequired):
        await value(harness.process())
    assert (harness.endpoint.asked, harness.store.refused) == (["r1", "fresh"], "invalid_grant")


async def test_a_mark_is_not_put_on_what_has_just_been_authorized(harness: TokenHarness) -> None:
    harness.endpoint.revoked = True
    refuse = harness.store.refuse

    async def late(lock: object, **values: object) -> bool:
        harness.store.authorize("fresh")
        return await refuse(lock, **values)  # type: ignore[arg-type]

    harness.store.refuse = late  # type: ignore[method-assign]
    with pytest.raises(NoToken) as said:
        await value(harness.process())
    assert (isinstance(said.value, AuthorizationRequired), harness.store.refused) == (False, None)


async def test_who_was_refused_after_its_hold_had_ended_leaves_the_mark_to_others(harness: TokenHarness) -> None:
    async def steal() -> None:
        harness.lock()

    harness.endpoint.on_ask = steal
    harness.endpoint.revoked = True
    with pytest.raises(NoToken) as said:
        await value(harness.process())
    assert (isinstance(said.value, AuthorizationRequired), harness.store.refused) == (False, None)


async def test_without_a_refresh_token_no_request_is_made(harness: TokenHarness) -> None:
    harness.store = FakeCredentials(harness.clock.monotonic, None)
    with pytest.raises(AuthorizationRequired, match="no refresh token"):
        await value(harness.process())
    assert harness.endpoint.asked == []
