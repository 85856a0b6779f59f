"""Tokens: asked for once however many want them, shared, and kept while they are good."""

from __future__ import annotations

import asyncio

import pytest

from hookward.domain.ids import CredentialId
from hookward.domain.oauth.model import AccessToken, AuthorizationRequired, NoToken, TokenGrant
from tests.fakes.oauth import FakeCredentials, client_credentials, new_grant
from tests.fakes.token_harness import TokenHarness, value

pytestmark = pytest.mark.virtual_time


async def test_many_who_want_a_token_ask_once(harness: TokenHarness) -> None:
    tokens = harness.process()
    assert set(await asyncio.gather(*(value(tokens) for _ in range(50)))) == {"a1"}
    assert (harness.endpoint.asked, harness.store.acquisitions) == (["r1"], 1)


async def test_a_token_is_used_from_memory_until_shortly_before_its_end(harness: TokenHarness) -> None:
    tokens = harness.process()
    first = await value(tokens)
    harness.cache.flush()
    await asyncio.sleep(89.0)
    kept = await value(tokens)
    await asyncio.sleep(1.5)
    assert (first, kept, await value(tokens)) == ("a1", "a1", "a2")
    assert harness.endpoint.asked == ["r1", "r2"]


async def test_processes_share_a_token(harness: TokenHarness) -> None:
    one, other = harness.process(), harness.process()
    assert (await value(one), await value(other)) == ("a1", "a1")
    assert (len(harness.endpoint.asked), harness.store.acquisitions) == (1, 1)


async def test_processes_that_want_a_token_at_the_same_time_ask_once(harness: TokenHarness) -> None:
    found = await asyncio.gather(*(value(harness.process()) for _ in range(8)))
    assert (set(found), len(harness.endpoint.asked), harness.endpoint.most_in_flight) == ({"a1"}, 1, 1)


async def test_without_valkey_processes_ask_one_after_the_other(harness: TokenHarness) -> None:
    harness.cache.away = True
    found = await asyncio.gather(*(value(harness.process()) for _ in range(4)))
    assert (sorted(found), harness.endpoint.most_in_flight) == (["a1", "a2", "a3", "a4"], 1)
    assert harness.endpoint.asked == ["r1", "r2", "r3", "r4"]


async def test_a_rotated_refresh_token_is_written_before_its_token_is_shared(harness: TokenHarness) -> None:
    seen: list[tuple[str | None, int]] = []
    put = harness.cache.put_token

    async def note(grant: TokenGrant, token: AccessToken) -> None:
        seen.append((harness.store.state.token, harness.store.generation))
        await put(grant, token)

    harness.cache.put_token = note  # type: ignore[method-assign]
    await value(harness.process())
    assert (seen, harness.store.state.original_token) == ([("r2", 2)], "r1")


async def test_a_row_is_let_go_of_when_the_token_is_there(harness: TokenHarness) -> None:
    tokens = harness.process()
    await value(tokens)
    await tokens.close(seconds=1.0)
    assert harness.store.holder is None


async def test_an_endpoint_that_gives_no_new_refresh_token_keeps_the_old_one(harness: TokenHarness) -> None:
    harness.endpoint.rotates = False
    await value(harness.process())
    assert (harness.store.state.token, harness.store.generation) == ("r1", 1)


async def test_variants_share_a_refresh_token_and_no_access_token(harness: TokenHarness) -> None:
    tokens, other = harness.process(), new_grant(scope="more")
    first, second = await asyncio.gather(value(tokens), tokens.get(other, seconds=15.0))
    assert {first, second.value} == {"a1", "a2"}
    assert (harness.endpoint.asked, harness.endpoint.most_in_flight) == (["r1", "r2"], 1)


async def test_client_credentials_need_no_refresh_token_and_keep_none(harness: TokenHarness) -> None:
    harness.store = FakeCredentials(harness.clock.monotonic, None)
    got = await harness.process().get(client_credentials(), seconds=15.0)
    assert (got.value, harness.endpoint.asked) == ("a1", [None])
    assert (harness.store.state.token, harness.store.generation) == (None, 1)


async def test_what_is_refused_to_client_credentials_marks_nothing(harness: TokenHarness) -> None:
    harness.endpoint.fails = [AuthorizationRequired("no")]
    with pytest.raises(AuthorizationRequired):
        await harness.process().get(client_credentials(), seconds=15.0)
    assert harness.store.refused is None


@pytest.mark.parametrize("lifetime", [0.0, -1.0, float("nan")])
async def test_a_token_without_a_life_is_good_for_those_who_wait_for_it_alone(
    harness: TokenHarness, lifetime: float
) -> None:
    harness.endpoint.lifetime = lifetime
    tokens = harness.process()
    assert [await value(tokens) for _ in range(2)] == ["a1", "a2"]


async def test_as_many_tokens_are_kept_as_fit(harness: TokenHarness) -> None:
    tokens = harness.process(max_tokens=2)
    for scope in ("a", "b", "c"):
        await tokens.get(new_grant(scope=scope), seconds=15.0)
    harness.cache.flush()
    for scope in ("c", "b", "a"):
        await tokens.get(new_grant(scope=scope), seconds=15.0)
    assert len(harness.endpoint.asked) == 4


async def test_credentials_do_not_meet(harness: TokenHarness) -> None:
    tokens, other = harness.process(), new_grant(credential=CredentialId(b"another---------"))
    harness.endpoint.rotates = False
    first, second = await asyncio.gather(value(tokens), tokens.get(other, seconds=15.0))
    assert {first, second.value} == {"a1", "a2"}


async def test_a_hundred_expiries_take_a_hundred_requests_and_lose_nothing(harness: TokenHarness) -> None:
    processes = [harness.process() for _ in range(4)]
    for _ in range(100):
        found = await asyncio.gather(*(value(tokens) for tokens in processes for _ in range(5)))
        assert len(set(found)) == 1
        await asyncio.sleep(91.0)
    assert (len(harness.endpoint.asked), harness.endpoint.revoked) == (100, False)


async def test_a_process_that_ends_lets_its_request_come_to_its_end(harness: TokenHarness) -> None:
    harness.endpoint.seconds = 5.0
    tokens = harness.process()
    waiting = asyncio.create_task(value(tokens, seconds=1.0))
    await asyncio.gather(waiting, return_exceptions=True)
    await tokens.close(seconds=10.0)
    assert (harness.store.state.token, harness.store.holder) == ("r2", None)


async def test_a_process_that_ends_waits_for_no_turn(harness: TokenHarness) -> None:
    harness.lock()
    tokens = harness.process()
    waiting = asyncio.create_task(value(tokens))
    await asyncio.sleep(1.0)
    began = harness.clock.monotonic()
    await tokens.close(seconds=10.0)
    with pytest.raises(NoToken):
        await waiting
    assert harness.clock.monotonic() - began < 1.0


async def test_what_takes_longer_than_the_grace_time_is_broken_off(harness: TokenHarness) -> None:
    harness.endpoint.seconds = 9.0
    tokens = harness.process()
    waiting = asyncio.create_task(value(tokens))
    await asyncio.sleep(1.0)
    await tokens.close(seconds=2.0)
    with pytest.raises(NoToken, match="being stopped"):
        await waiting


async def test_a_bug_is_logged_and_heard_of(harness: TokenHarness) -> None:
    harness.endpoint.fails = [ZeroDivisionError()]  # type: ignore[list-item]
    with pytest.raises(ZeroDivisionError):
        await value(harness.process())
    await asyncio.sleep(0)
    assert harness.log.events == ["chore.failed"]
    harness.log.events.clear()
