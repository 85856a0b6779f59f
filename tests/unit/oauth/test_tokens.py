"""Tokens: asked for once however many want them, shared, and kept while they are good."""

from __future__ import annotations

import asyncio

import pytest

from hookward.application.oauth import tokens as tokens_module
from hookward.domain.ids import CredentialId
from hookward.domain.oauth.model import AccessToken, AuthorizationRequired, NoToken, TokenGrant
from tests.fakes.oauth import FakeCredentials, client_credentials, new_grant
from tests.fakes.token_harness import TokenHarness, value
from tests.fakes.virtual_time import VirtualTimeLoop

LOOP_FACTORIES = {"virtual": VirtualTimeLoop}


async def test_many_who_want_a_token_ask_once(office: TokenHarness) -> None:
    tokens = office.process()
    assert set(await asyncio.gather(*(value(tokens) for _ in range(50)))) == {"a1"}
    assert (office.endpoint.asked, office.store.takes) == (["r1"], 1)


async def test_a_token_is_used_from_memory_until_shortly_before_its_end(office: TokenHarness) -> None:
    tokens = office.process()
    first = await value(tokens)
    office.shelf.flush()
    await asyncio.sleep(89.0)
    kept = await value(tokens)
    await asyncio.sleep(1.5)
    assert (first, kept, await value(tokens)) == ("a1", "a1", "a2")
    assert office.endpoint.asked == ["r1", "r2"]


async def test_processes_share_a_token(office: TokenHarness) -> None:
    one, other = office.process(), office.process()
    assert (await value(one), await value(other)) == ("a1", "a1")
    assert (len(office.endpoint.asked), office.store.takes) == (1, 1)


async def test_processes_that_want_a_token_at_the_same_time_ask_once(office: TokenHarness) -> None:
    found = await asyncio.gather(*(value(office.process()) for _ in range(8)))
    assert (set(found), len(office.endpoint.asked), office.endpoint.most_in_flight) == ({"a1"}, 1, 1)


async def test_without_valkey_processes_ask_one_after_the_other(office: TokenHarness) -> None:
    office.shelf.away = True
    found = await asyncio.gather(*(value(office.process()) for _ in range(4)))
    assert (sorted(found), office.endpoint.most_in_flight) == (["a1", "a2", "a3", "a4"], 1)
    assert office.endpoint.asked == ["r1", "r2", "r3", "r4"]


async def test_a_rotated_refresh_token_is_written_before_its_token_is_shared(office: TokenHarness) -> None:
    seen: list[tuple[str | None, int]] = []
    put = office.shelf.put_token

    async def note(grant: TokenGrant, token: AccessToken) -> None:
        seen.append((office.store.state.token, office.store.generation))
        await put(grant, token)

    office.shelf.put_token = note  # type: ignore[method-assign]
    await value(office.process())
    assert (seen, office.store.state.given) == ([("r2", 2)], "r1")


async def test_a_row_is_let_go_of_when_the_token_is_there(office: TokenHarness) -> None:
    tokens = office.process()
    await value(tokens)
    await tokens.close(seconds=1.0)
    assert office.store.holder is None


async def test_an_endpoint_that_gives_no_new_refresh_token_keeps_the_old_one(office: TokenHarness) -> None:
    office.endpoint.rotates = False
    await value(office.process())
    assert (office.store.state.token, office.store.generation) == ("r1", 1)


async def test_variants_share_a_refresh_token_and_no_access_token(office: TokenHarness) -> None:
    tokens, other = office.process(), new_grant(scope="more")
    first, second = await asyncio.gather(value(tokens), tokens.get(other, seconds=15.0))
    assert {first, second.value} == {"a1", "a2"}
    assert (office.endpoint.asked, office.endpoint.most_in_flight) == (["r1", "r2"], 1)


async def test_client_credentials_need_no_refresh_token_and_keep_none(office: TokenHarness) -> None:
    office.store = FakeCredentials(office.clock.monotonic, None)
    got = await office.process().get(client_credentials(), seconds=15.0)
    assert (got.value, office.endpoint.asked) == ("a1", [None])
    assert (office.store.state.token, office.store.generation) == (None, 1)


async def test_what_is_refused_to_client_credentials_marks_nothing(office: TokenHarness) -> None:
    office.endpoint.fails = [AuthorizationRequired("no")]
    with pytest.raises(AuthorizationRequired):
        await office.process().get(client_credentials(), seconds=15.0)
    assert office.store.refused is None


@pytest.mark.parametrize("lifetime", [0.0, -1.0, float("nan")])
async def test_a_token_without_a_life_is_good_for_those_who_wait_for_it_alone(
    office: TokenHarness, lifetime: float
) -> None:
    office.endpoint.lifetime = lifetime
    tokens = office.process()
    assert [await value(tokens) for _ in range(2)] == ["a1", "a2"]


async def test_as_many_tokens_are_kept_as_fit(office: TokenHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "_KEPT", 2)
    tokens = office.process()
    for scope in ("a", "b", "c"):
        await tokens.get(new_grant(scope=scope), seconds=15.0)
    office.shelf.flush()
    for scope in ("c", "b", "a"):
        await tokens.get(new_grant(scope=scope), seconds=15.0)
    assert len(office.endpoint.asked) == 4


async def test_credentials_do_not_meet(office: TokenHarness) -> None:
    tokens, other = office.process(), new_grant(credential=CredentialId(b"another---------"))
    office.endpoint.rotates = False
    first, second = await asyncio.gather(value(tokens), tokens.get(other, seconds=15.0))
    assert {first, second.value} == {"a1", "a2"}


async def test_a_hundred_expiries_take_a_hundred_requests_and_lose_nothing(office: TokenHarness) -> None:
    processes = [office.process() for _ in range(4)]
    for _ in range(100):
        found = await asyncio.gather(*(value(tokens) for tokens in processes for _ in range(5)))
        assert len(set(found)) == 1
        await asyncio.sleep(91.0)
    assert (len(office.endpoint.asked), office.endpoint.revoked) == (100, False)


async def test_a_process_that_ends_lets_its_request_come_to_its_end(office: TokenHarness) -> None:
    office.endpoint.takes = 5.0
    tokens = office.process()
    waiting = asyncio.create_task(value(tokens, seconds=1.0))
    await asyncio.gather(waiting, return_exceptions=True)
    await tokens.close(seconds=10.0)
    assert (office.store.state.token, office.store.holder) == ("r2", None)


async def test_a_process_that_ends_waits_for_no_turn(office: TokenHarness) -> None:
    office.hold()
    tokens = office.process()
    waiting = asyncio.create_task(value(tokens))
    await asyncio.sleep(1.0)
    began = office.clock.monotonic()
    await tokens.close(seconds=10.0)
    with pytest.raises(NoToken):
        await waiting
    assert office.clock.monotonic() - began < 1.0


async def test_what_takes_longer_than_the_grace_time_is_broken_off(office: TokenHarness) -> None:
    office.endpoint.takes = 9.0
    tokens = office.process()
    waiting = asyncio.create_task(value(tokens))
    await asyncio.sleep(1.0)
    await tokens.close(seconds=2.0)
    with pytest.raises(NoToken, match="being stopped"):
        await waiting


async def test_a_bug_is_logged_and_heard_of(office: TokenHarness) -> None:
    office.endpoint.fails = [ZeroDivisionError()]  # type: ignore[list-item]
    with pytest.raises(ZeroDivisionError):
        await value(office.process())
    await asyncio.sleep(0)
    assert office.log.events == ["chore.failed"]
    office.log.events.clear()
