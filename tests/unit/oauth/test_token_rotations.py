"""Refresh tokens that were granted and could not be written: none is lost."""

from __future__ import annotations

import asyncio

import pytest

from hookward.domain.oauth.model import AuthorizationRequired
from tests.fakes.oauth import CREDENTIAL
from tests.fakes.token_harness import GRANT, TokenHarness, value
from tests.fakes.virtual_time import VirtualTimeLoop

LOOP_FACTORIES = {"virtual": VirtualTimeLoop}


async def test_a_rotation_that_cannot_be_written_is_used_and_written_as_soon_as_that_can_be(
    office: TokenHarness,
) -> None:
    office.store.down = {"write"}
    assert await value(office.process()) == "a1"
    assert (office.store.state.token, office.shelf.rotations[CREDENTIAL].token) == ("r1", "r2")
    office.store.down = set()
    await asyncio.sleep(20.0)
    assert (office.store.state.token, office.store.generation, office.store.holder) == ("r2", 2, None)
    assert office.shelf.rotations == {}


async def test_who_takes_the_row_meanwhile_uses_what_could_not_be_written(office: TokenHarness) -> None:
    office.store.down = {"write"}
    one, other = office.process(), office.process()
    await value(one)
    await one.close(seconds=0.0)  # and it is gone
    await asyncio.sleep(91.0)
    office.store.down = set()
    assert (await value(other), office.endpoint.asked) == ("a2", ["r1", "r2"])
    assert (office.store.state.token, office.store.generation, office.shelf.rotations) == ("r3", 3, {})


async def test_who_uses_what_could_not_be_written_writes_it_where_none_newer_comes(office: TokenHarness) -> None:
    office.store.down = {"write"}
    one, other = office.process(), office.process()
    await value(one)
    await one.close(seconds=0.0)
    await asyncio.sleep(91.0)
    office.store.down, office.endpoint.rotates = set(), False
    await value(other)
    assert (office.store.state.token, office.store.generation, office.shelf.rotations) == ("r2", 2, {})


async def test_without_valkey_and_without_a_write_the_process_itself_remembers(office: TokenHarness) -> None:
    office.store.down, office.shelf.away = {"write"}, True
    tokens = office.process()
    await value(tokens)
    await asyncio.sleep(91.0)
    assert (await value(tokens), office.endpoint.asked) == ("a2", ["r1", "r2"])
    office.store.down = set()
    await asyncio.sleep(20.0)
    assert (office.store.state.token, office.store.generation) == ("r3", 3)


async def test_what_valkey_forgot_is_put_there_again_while_it_cannot_be_written(office: TokenHarness) -> None:
    office.store.down = {"take", "write", "release"}
    tokens = office.process()
    office.store.down.discard("take")
    await value(tokens)
    office.store.down.add("take")
    office.shelf.flush()
    await asyncio.sleep(10.0)
    assert office.shelf.rotations[CREDENTIAL].token == "r2"
    office.store.down = set()
    await asyncio.sleep(20.0)
    assert office.store.state.token == "r2"


async def test_a_later_rotation_in_valkey_is_written_in_place_of_the_own(office: TokenHarness) -> None:
    office.store.down = {"write"}
    one, other = office.process(), office.process()
    await value(one)
    await asyncio.sleep(91.0)
    await value(other)
    office.store.down = set()
    await asyncio.sleep(30.0)
    assert (office.store.state.token, office.endpoint.current, office.shelf.rotations) == ("r3", "r3", {})


async def test_a_rotation_is_given_up_when_somebody_has_authorized_meanwhile(office: TokenHarness) -> None:
    office.store.down = {"write"}
    tokens = office.process()
    await value(tokens)
    office.store.authorize("fresh")
    office.endpoint.current = "fresh"
    office.store.down = set()
    await asyncio.sleep(91.0)
    assert office.store.state.token == "fresh"
    assert (await value(tokens), office.endpoint.asked) == ("a2", ["r1", "fresh"])


async def test_a_rotation_of_a_credential_that_is_gone_is_given_up(office: TokenHarness) -> None:
    office.store.down = {"write"}
    await value(office.process())
    office.store.there = False
    await asyncio.sleep(30.0)
    takes = office.store.takes
    await asyncio.sleep(30.0)
    assert office.store.takes == takes


async def test_a_rotation_waits_for_who_holds_the_row(office: TokenHarness) -> None:
    async def steal() -> None:
        office.hold(20.0)

    office.endpoint.on_ask = steal
    assert await value(office.process()) == "a1"
    await asyncio.sleep(10.0)
    assert office.store.state.token == "r1"
    await asyncio.sleep(20.0)
    assert office.store.state.token == "r2"


async def test_a_rotation_that_the_next_request_writes_is_written_once(office: TokenHarness) -> None:
    office.store.down = {"write"}
    tokens = office.process()
    first = await tokens.get(GRANT, seconds=15.0)
    office.store.down = set()
    await tokens.renew(GRANT, first, seconds=15.0)
    await asyncio.sleep(30.0)
    assert (office.store.state.token, office.store.generation, office.shelf.rotations) == ("r3", 3, {})
    assert office.endpoint.asked == ["r1", "r2"]


async def test_a_refused_rotation_is_tried_no_more(office: TokenHarness) -> None:
    office.store.down = {"write"}
    one, other = office.process(), office.process()
    await value(one)
    await one.close(seconds=0.0)
    await asyncio.sleep(91.0)
    office.store.down, office.endpoint.revoked = set(), True
    with pytest.raises(AuthorizationRequired):
        await value(other)
    with pytest.raises(AuthorizationRequired):
        await value(other)
    assert (office.endpoint.asked, office.shelf.rotations) == (["r1", "r2"], {})
