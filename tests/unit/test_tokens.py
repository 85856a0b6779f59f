"""Tokens: asked for once however many want them, by one holder at a time, and no refresh token lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hookward.application import tokens as tokens_module
from hookward.application.tokens import MARGIN, Tokens
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import CredentialId
from hookward.domain.oauth import AccessToken, AuthorizationRequired, Grant, NoToken
from tests.fake_tokens import (
    CREDENTIAL,
    FakeCredentials,
    FakeShelf,
    RotatingEndpoint,
    client_credentials,
    new_grant,
)
from tests.house import NoSealing
from tests.virtual_time import FixedChance, SilentLog, VirtualClock, VirtualTimeLoop

LOOP_FACTORIES = {"virtual": VirtualTimeLoop}

TIMEOUT = 10.0
GRANT = new_grant()
OTHER = b"somebody else---"


class Office:
    """One store, one shelf, one endpoint, and as many processes as a test begins."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = FakeCredentials(self.clock.monotonic)
        self.shelf = FakeShelf()
        self.endpoint = RotatingEndpoint()
        self.log = SilentLog()
        self.chance = FixedChance()
        self.processes: list[Tokens] = []

    def process(self) -> Tokens:
        tokens = Tokens(
            self.store, self.shelf, self.endpoint, NoSealing(),
            timeout=TIMEOUT, clock=self.clock, chance=self.chance, log=self.log,
        )  # fmt: skip
        self.processes.append(tokens)
        return tokens

    def hold(self, seconds: float = 1000.0) -> None:
        """Let somebody else hold the row."""
        self.store.holder, self.store.held_until = OTHER, self.clock.monotonic() + seconds


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """In the end nothing of it may be left behind."""
    office = Office()
    yield office
    for tokens in office.processes:
        await tokens.close(seconds=1.0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert "chore.failed" not in office.log.events


async def value(tokens: Tokens, *, seconds: float = 15.0) -> str:
    return (await tokens.get(GRANT, seconds=seconds)).value


def token(text: str) -> AccessToken:
    return AccessToken(value=text, until_us=9_000_000_000_000_000)


async def test_many_who_want_a_token_ask_once(office: Office) -> None:
    tokens = office.process()
    assert set(await asyncio.gather(*(value(tokens) for _ in range(50)))) == {"a1"}
    assert (office.endpoint.asked, office.store.takes) == (["r1"], 1)


async def test_a_token_is_used_from_memory_until_shortly_before_its_end(office: Office) -> None:
    tokens = office.process()
    first = await value(tokens)
    office.shelf.flush()
    await asyncio.sleep(89.0)
    kept = await value(tokens)
    await asyncio.sleep(1.5)
    assert (first, kept, await value(tokens)) == ("a1", "a1", "a2")
    assert office.endpoint.asked == ["r1", "r2"]


async def test_processes_share_a_token(office: Office) -> None:
    one, other = office.process(), office.process()
    assert (await value(one), await value(other)) == ("a1", "a1")
    assert (len(office.endpoint.asked), office.store.takes) == (1, 1)


async def test_processes_that_want_a_token_at_the_same_time_ask_once(office: Office) -> None:
    found = await asyncio.gather(*(value(office.process()) for _ in range(8)))
    assert (set(found), len(office.endpoint.asked), office.endpoint.most_in_flight) == ({"a1"}, 1, 1)


async def test_without_valkey_processes_ask_one_after_the_other(office: Office) -> None:
    office.shelf.away = True
    found = await asyncio.gather(*(value(office.process()) for _ in range(4)))
    assert (sorted(found), office.endpoint.most_in_flight) == (["a1", "a2", "a3", "a4"], 1)
    assert office.endpoint.asked == ["r1", "r2", "r3", "r4"]


async def test_a_rotated_refresh_token_is_written_before_its_token_is_shared(office: Office) -> None:
    seen: list[tuple[str | None, int]] = []
    put = office.shelf.put_token

    async def note(grant: Grant, token: AccessToken) -> None:
        seen.append((office.store.state.token, office.store.generation))
        await put(grant, token)

    office.shelf.put_token = note  # type: ignore[method-assign]
    await value(office.process())
    assert (seen, office.store.state.given) == ([("r2", 2)], "r1")


async def test_a_row_is_let_go_of_when_the_token_is_there(office: Office) -> None:
    tokens = office.process()
    await value(tokens)
    await tokens.close(seconds=1.0)
    assert office.store.holder is None


async def test_an_endpoint_that_gives_no_new_refresh_token_keeps_the_old_one(office: Office) -> None:
    office.endpoint.rotates = False
    await value(office.process())
    assert (office.store.state.token, office.store.generation) == ("r1", 1)


async def test_variants_share_a_refresh_token_and_no_access_token(office: Office) -> None:
    tokens, other = office.process(), new_grant(scope="more")
    first, second = await asyncio.gather(value(tokens), tokens.get(other, seconds=15.0))
    assert {first, second.value} == {"a1", "a2"}
    assert (office.endpoint.asked, office.endpoint.most_in_flight) == (["r1", "r2"], 1)


async def test_client_credentials_need_no_refresh_token_and_keep_none(office: Office) -> None:
    office.store = FakeCredentials(office.clock.monotonic, None)
    got = await office.process().get(client_credentials(), seconds=15.0)
    assert (got.value, office.endpoint.asked) == ("a1", [None])
    assert (office.store.state.token, office.store.generation) == (None, 1)


async def test_what_is_refused_to_client_credentials_marks_nothing(office: Office) -> None:
    office.endpoint.fails = [AuthorizationRequired("no")]
    with pytest.raises(AuthorizationRequired):
        await office.process().get(client_credentials(), seconds=15.0)
    assert office.store.refused is None


@pytest.mark.parametrize("lifetime", [0.0, -1.0, float("nan")])
async def test_a_token_without_a_life_is_good_for_those_who_wait_for_it_alone(office: Office, lifetime: float) -> None:
    office.endpoint.lifetime = lifetime
    tokens = office.process()
    assert [await value(tokens) for _ in range(2)] == ["a1", "a2"]


async def test_as_many_tokens_are_kept_as_fit(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "_KEPT", 2)
    tokens = office.process()
    for scope in ("a", "b", "c"):
        await tokens.get(new_grant(scope=scope), seconds=15.0)
    office.shelf.flush()
    for scope in ("c", "b", "a"):
        await tokens.get(new_grant(scope=scope), seconds=15.0)
    assert len(office.endpoint.asked) == 4


# Waiting.


async def test_who_cannot_wait_longer_gives_up_and_the_request_goes_on(office: Office) -> None:
    office.endpoint.takes = 5.0
    tokens = office.process()
    with pytest.raises(NoToken, match="did not answer within the attempt's timeout"):
        await value(tokens, seconds=1.0)
    await asyncio.sleep(5.0)
    assert (office.store.state.token, await value(tokens, seconds=0.0)) == ("r2", "a1")


async def test_who_is_cancelled_while_waiting_cancels_nobody_else(office: Office) -> None:
    office.endpoint.takes = 5.0
    tokens = office.process()
    waiters = [asyncio.create_task(value(tokens)) for _ in range(2)]
    await asyncio.sleep(1.0)
    waiters[0].cancel()
    assert (await waiters[1], office.endpoint.asked) == ("a1", ["r1"])


async def test_who_waits_for_another_worker_in_vain_says_so(office: Office) -> None:
    office.hold()
    tokens = office.process()
    began = office.clock.monotonic()
    with pytest.raises(NoToken, match="another worker is asking"):
        await value(tokens, seconds=3.0)
    assert (office.clock.monotonic() - began, office.endpoint.asked) == (3.0, [])
    await asyncio.sleep(1.0)
    takes = office.store.takes
    await asyncio.sleep(60.0)
    assert office.store.takes == takes


async def test_who_comes_later_waits_with_the_others_and_for_as_long_as_it_can(office: Office) -> None:
    office.hold(4.0)
    tokens = office.process()
    soon = asyncio.create_task(value(tokens, seconds=2.0))
    await asyncio.sleep(1.0)
    assert await value(tokens, seconds=10.0) == "a1"
    with pytest.raises(NoToken):
        await soon


async def test_a_row_held_by_a_worker_that_died_is_free_when_its_hold_ends(office: Office) -> None:
    office.hold(TIMEOUT + MARGIN - 1.0)
    assert await value(office.process()) == "a1"


async def test_who_waits_finds_the_token_that_another_worker_got(office: Office) -> None:
    office.hold()
    waiting = asyncio.create_task(value(office.process()))
    await asyncio.sleep(1.0)
    await office.shelf.put_token(GRANT, token("theirs"))
    assert (await waiting, office.endpoint.asked) == ("theirs", [])


async def test_a_token_that_came_just_before_the_row_was_taken_is_found(office: Office) -> None:
    async def meanwhile() -> None:
        await office.shelf.put_token(GRANT, token("theirs"))

    office.store.on_take = meanwhile
    tokens = office.process()
    assert (await value(tokens), office.endpoint.asked) == ("theirs", [])
    await tokens.close(seconds=1.0)
    assert office.store.holder is None


async def test_no_request_begins_that_could_outlast_the_hold(office: Office) -> None:
    takes = iter([MARGIN + 1.0, 0.1])

    async def slowly() -> None:
        await asyncio.sleep(next(takes))

    office.store.on_take = slowly
    began = office.clock.monotonic()
    assert await value(office.process()) == "a1"
    assert (office.store.takes, office.clock.monotonic() - began > MARGIN + 1.0) == (2, True)


async def test_who_can_never_take_the_row_in_time_lets_go_of_it(office: Office) -> None:
    async def slowly() -> None:
        await asyncio.sleep(MARGIN + 1.0)

    office.store.on_take = slowly
    tokens = office.process()
    with pytest.raises(NoToken):
        await value(tokens, seconds=8.0)
    await asyncio.sleep(30.0)
    assert (office.endpoint.asked, office.store.holder) == ([], None)


# Failures.


async def test_what_the_endpoint_says_is_heard_by_all_who_wait_and_the_next_asks_again(office: Office) -> None:
    office.endpoint.fails = [NoToken("503")]
    tokens = office.process()
    said = await asyncio.gather(*(value(tokens) for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in said] == ["503"] * 3
    assert (await value(tokens), office.store.state.token) == ("a2", "r3")


async def test_a_credential_that_is_gone_gives_no_token(office: Office) -> None:
    office.store.there = False
    with pytest.raises(NoToken, match="gone"):
        await value(office.process())


async def test_without_the_store_no_token_is_asked_for_and_one_that_is_known_is_used(office: Office) -> None:
    one, other = office.process(), office.process()
    await value(one)
    office.store.down = {"take", "release", "write", "refuse"}
    assert (await value(one), await value(other)) == ("a1", "a1")
    await asyncio.sleep(100.0)
    with pytest.raises(StoreUnavailable):
        await value(one)
    assert office.endpoint.asked == ["r1"]


async def test_a_row_that_could_not_be_let_go_of_is_free_when_its_hold_ends(office: Office) -> None:
    office.endpoint.rotates = False
    office.store.down = {"release"}
    one, other = office.process(), office.process()
    await value(one)
    office.shelf.flush()
    began = office.clock.monotonic()
    assert await value(other, seconds=20.0) == "a2"
    assert office.clock.monotonic() - began > TIMEOUT


# Renewal.


async def test_a_token_that_was_refused_is_renewed_once_for_all(office: Office) -> None:
    tokens = office.process()
    first = await tokens.get(GRANT, seconds=15.0)
    found = await asyncio.gather(*(tokens.renew(GRANT, first, seconds=15.0) for _ in range(20)))
    assert ({each.value for each in found}, office.endpoint.asked) == ({"a2"}, ["r1", "r2"])
    assert await value(tokens) == "a2"


async def test_a_renewal_takes_the_token_that_another_worker_has_got_by_now(office: Office) -> None:
    one, other = office.process(), office.process()
    first = await one.get(GRANT, seconds=15.0)
    assert await value(other) == "a1"
    await one.renew(GRANT, first, seconds=15.0)
    assert (await other.renew(GRANT, first, seconds=15.0)).value == "a2"
    assert office.endpoint.asked == ["r1", "r2"]


async def test_who_joins_a_request_that_finds_the_refused_token_asks_again(office: Office) -> None:
    tokens, refused = office.process(), token("stale")
    office.hold(1.0)
    waiting = asyncio.create_task(value(tokens))
    await asyncio.sleep(0.5)
    renewing = asyncio.create_task(tokens.renew(GRANT, refused, seconds=15.0))
    await office.shelf.put_token(GRANT, refused)
    assert (await waiting, (await renewing).value) == ("stale", "a1")


async def test_an_endpoint_that_gives_the_refused_token_again_is_not_asked_for_ever(office: Office) -> None:
    tokens = office.process()
    first = await tokens.get(GRANT, seconds=15.0)
    office.endpoint.asked.clear()
    assert ((await tokens.renew(GRANT, first, seconds=15.0)).value, len(office.endpoint.asked)) == ("a1", 1)


# Authorization.


async def test_invalid_grant_marks_the_credential_and_nobody_asks_any_more(office: Office) -> None:
    office.endpoint.revoked = True
    for _ in range(3):
        with pytest.raises(AuthorizationRequired, match="invalid_grant"):
            await value(office.process())
    assert (office.endpoint.asked, office.store.refused, office.store.holder) == (["r1"], "invalid_grant", None)


async def test_who_authorizes_again_takes_the_mark_away(office: Office) -> None:
    office.endpoint.revoked = True
    tokens = office.process()
    with pytest.raises(AuthorizationRequired):
        await value(tokens)
    office.store.authorize("fresh")
    office.endpoint.revoked, office.endpoint.current = False, "fresh"
    assert await value(tokens) == "a2"


async def test_a_refresh_token_that_came_while_the_old_one_was_refused_is_tried(office: Office) -> None:
    async def authorize() -> None:
        office.endpoint.on_ask = None
        office.store.authorize("fresh")
        office.endpoint.current = "fresh"
        office.endpoint.fails = [AuthorizationRequired("invalid_grant")]

    office.endpoint.on_ask = authorize
    assert await value(office.process()) == "a2"
    assert (office.endpoint.asked, office.store.state.token, office.store.refused) == (["r1", "fresh"], "r3", None)


async def test_the_newer_refresh_token_is_tried_once_and_marked_too(office: Office) -> None:
    async def authorize() -> None:
        office.endpoint.on_ask = None
        office.store.authorize("fresh")

    office.endpoint.on_ask = authorize
    office.endpoint.revoked = True
    with pytest.raises(AuthorizationRequired):
        await value(office.process())
    assert (office.endpoint.asked, office.store.refused) == (["r1", "fresh"], "invalid_grant")


async def test_a_mark_is_not_put_on_what_somebody_has_just_authorized(office: Office) -> None:
    office.endpoint.revoked = True
    refuse = office.store.refuse

    async def late(hold: object, **values: object) -> bool:
        office.store.authorize("fresh")
        return await refuse(hold, **values)  # type: ignore[arg-type]

    office.store.refuse = late  # type: ignore[method-assign]
    with pytest.raises(NoToken) as said:
        await value(office.process())
    assert (isinstance(said.value, AuthorizationRequired), office.store.refused) == (False, None)


async def test_who_was_refused_after_its_hold_had_ended_leaves_the_mark_to_others(office: Office) -> None:
    async def steal() -> None:
        office.hold()

    office.endpoint.on_ask = steal
    office.endpoint.revoked = True
    with pytest.raises(NoToken) as said:
        await value(office.process())
    assert (isinstance(said.value, AuthorizationRequired), office.store.refused) == (False, None)


async def test_without_a_refresh_token_nobody_asks(office: Office) -> None:
    office.store = FakeCredentials(office.clock.monotonic, None)
    with pytest.raises(AuthorizationRequired, match="no refresh token"):
        await value(office.process())
    assert office.endpoint.asked == []


# The end.


async def test_a_process_that_ends_lets_its_request_come_to_its_end(office: Office) -> None:
    office.endpoint.takes = 5.0
    tokens = office.process()
    waiting = asyncio.create_task(value(tokens, seconds=1.0))
    await asyncio.gather(waiting, return_exceptions=True)
    await tokens.close(seconds=10.0)
    assert (office.store.state.token, office.store.holder) == ("r2", None)


async def test_a_process_that_ends_waits_for_no_turn(office: Office) -> None:
    office.hold()
    tokens = office.process()
    waiting = asyncio.create_task(value(tokens))
    await asyncio.sleep(1.0)
    began = office.clock.monotonic()
    await tokens.close(seconds=10.0)
    with pytest.raises(NoToken):
        await waiting
    assert office.clock.monotonic() - began < 1.0


async def test_what_takes_longer_than_the_grace_time_is_broken_off(office: Office) -> None:
    office.endpoint.takes = 9.0
    tokens = office.process()
    waiting = asyncio.create_task(value(tokens))
    await asyncio.sleep(1.0)
    await tokens.close(seconds=2.0)
    with pytest.raises(NoToken, match="being stopped"):
        await waiting


async def test_a_bug_is_logged_and_heard_of(office: Office) -> None:
    office.endpoint.fails = [ZeroDivisionError()]  # type: ignore[list-item]
    with pytest.raises(ZeroDivisionError):
        await value(office.process())
    await asyncio.sleep(0)
    assert office.log.events == ["chore.failed"]
    office.log.events.clear()


# What could not be written.


async def test_a_rotation_that_cannot_be_written_is_used_and_written_as_soon_as_that_can_be(office: Office) -> None:
    office.store.down = {"write"}
    assert await value(office.process()) == "a1"
    assert (office.store.state.token, office.shelf.rotations[CREDENTIAL].token) == ("r1", "r2")
    office.store.down = set()
    await asyncio.sleep(20.0)
    assert (office.store.state.token, office.store.generation, office.store.holder) == ("r2", 2, None)
    assert office.shelf.rotations == {}


async def test_who_takes_the_row_meanwhile_uses_what_could_not_be_written(office: Office) -> None:
    office.store.down = {"write"}
    one, other = office.process(), office.process()
    await value(one)
    await one.close(seconds=0.0)  # and it is gone
    await asyncio.sleep(91.0)
    office.store.down = set()
    assert (await value(other), office.endpoint.asked) == ("a2", ["r1", "r2"])
    assert (office.store.state.token, office.store.generation, office.shelf.rotations) == ("r3", 3, {})


async def test_who_uses_what_could_not_be_written_writes_it_where_none_newer_comes(office: Office) -> None:
    office.store.down = {"write"}
    one, other = office.process(), office.process()
    await value(one)
    await one.close(seconds=0.0)
    await asyncio.sleep(91.0)
    office.store.down, office.endpoint.rotates = set(), False
    await value(other)
    assert (office.store.state.token, office.store.generation, office.shelf.rotations) == ("r2", 2, {})


async def test_without_valkey_and_without_a_write_the_process_itself_remembers(office: Office) -> None:
    office.store.down, office.shelf.away = {"write"}, True
    tokens = office.process()
    await value(tokens)
    await asyncio.sleep(91.0)
    assert (await value(tokens), office.endpoint.asked) == ("a2", ["r1", "r2"])
    office.store.down = set()
    await asyncio.sleep(20.0)
    assert (office.store.state.token, office.store.generation) == ("r3", 3)


async def test_what_valkey_forgot_is_put_there_again_while_it_cannot_be_written(office: Office) -> None:
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


async def test_a_later_rotation_in_valkey_is_written_in_place_of_the_own(office: Office) -> None:
    office.store.down = {"write"}
    one, other = office.process(), office.process()
    await value(one)
    await asyncio.sleep(91.0)
    await value(other)
    office.store.down = set()
    await asyncio.sleep(30.0)
    assert (office.store.state.token, office.endpoint.current, office.shelf.rotations) == ("r3", "r3", {})


async def test_a_rotation_is_given_up_when_somebody_has_authorized_meanwhile(office: Office) -> None:
    office.store.down = {"write"}
    tokens = office.process()
    await value(tokens)
    office.store.authorize("fresh")
    office.endpoint.current = "fresh"
    office.store.down = set()
    await asyncio.sleep(91.0)
    assert office.store.state.token == "fresh"
    assert (await value(tokens), office.endpoint.asked) == ("a2", ["r1", "fresh"])


async def test_a_rotation_of_a_credential_that_is_gone_is_given_up(office: Office) -> None:
    office.store.down = {"write"}
    await value(office.process())
    office.store.there = False
    await asyncio.sleep(30.0)
    takes = office.store.takes
    await asyncio.sleep(30.0)
    assert office.store.takes == takes


async def test_a_rotation_waits_for_who_holds_the_row(office: Office) -> None:
    async def steal() -> None:
        office.hold(20.0)

    office.endpoint.on_ask = steal
    assert await value(office.process()) == "a1"
    await asyncio.sleep(10.0)
    assert office.store.state.token == "r1"
    await asyncio.sleep(20.0)
    assert office.store.state.token == "r2"


async def test_a_rotation_that_the_next_request_writes_is_written_once(office: Office) -> None:
    office.store.down = {"write"}
    tokens = office.process()
    first = await tokens.get(GRANT, seconds=15.0)
    office.store.down = set()
    await tokens.renew(GRANT, first, seconds=15.0)
    await asyncio.sleep(30.0)
    assert (office.store.state.token, office.store.generation, office.shelf.rotations) == ("r3", 3, {})
    assert office.endpoint.asked == ["r1", "r2"]


async def test_a_refused_rotation_is_tried_no_more(office: Office) -> None:
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


async def test_credentials_do_not_meet(office: Office) -> None:
    tokens, other = office.process(), new_grant(credential=CredentialId(b"another---------"))
    office.endpoint.rotates = False
    first, second = await asyncio.gather(value(tokens), tokens.get(other, seconds=15.0))
    assert {first, second.value} == {"a1", "a2"}


async def test_a_hundred_expiries_take_a_hundred_requests_and_lose_nothing(office: Office) -> None:
    processes = [office.process() for _ in range(4)]
    for _ in range(100):
        found = await asyncio.gather(*(value(tokens) for tokens in processes for _ in range(5)))
        assert len(set(found)) == 1
        await asyncio.sleep(91.0)
    assert (len(office.endpoint.asked), office.endpoint.revoked) == (100, False)
