from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.application.aio.limits import PER_ACCOUNT
from hookward.application.oauth.credentials import CredentialState, credential_subject, read_state
from hookward.application.records import WatchRecord
from hookward.application.watches.authorizations import WatchAuthorizations, _Flow
from hookward.application.watches.service import Watches
from hookward.domain.errors import Conflict, Invalid, NotFound, TokenNotGranted, TooManyPending
from hookward.domain.ids import AccountId
from hookward.domain.oauth.authorization_code import MOST_FLOWS, Return, authorization_url
from hookward.domain.oauth.model import (
    AUTHORIZATION_REQUIRED_REASON,
    AuthorizationRequired,
    NoToken,
    TokenGrant,
    TokenResponse,
)
from hookward.domain.watches.model import WatchStatus
from tests.fakes.authorizations import FakeFlows
from tests.fakes.stores import FakeDefinitions
from tests.fakes.virtual_time import FixedRandom, VirtualClock
from tests.fakes.watches import SHOP_TYPE, create_watch

ACCOUNT = AccountId(1)
SEALER = AesGcmSealer(bytes(32))
URL = "https://login.example.com/token"
OAUTH = {
    "clientId": "c", "clientSecret": "s", "accessTokenUrl": URL, "authUrl": "https://login.example.com/authorize",
}  # fmt: skip
GRANTED = TokenResponse(access_token="a", refresh_token="granted")


class FakeTokenEndpoint:
    """The TokenEndpoint port: gives what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[TokenGrant, str, str, str]] = []
        self.gives: TokenResponse | NoToken = GRANTED
        self.meanwhile: Any = None

    async def refresh(self, grant: TokenGrant, refresh_token: str | None) -> TokenResponse:
        raise NotImplementedError

    async def exchange(self, grant: TokenGrant, *, code: str, verifier: str, redirect_uri: str) -> TokenResponse:
        self.asked.append((grant, code, verifier, redirect_uri))
        if self.meanwhile is not None:
            await self.meanwhile()
        if isinstance(self.gives, NoToken):
            raise self.gives
        return self.gives


class WatchHarness:
    def __init__(self) -> None:
        random = FixedRandom()
        self.store = FakeDefinitions()
        self.flows = FakeFlows(self.store)
        self.endpoint = FakeTokenEndpoint()
        self.watches = Watches(self.store, SHOP_TYPE, SEALER, clock=VirtualClock(), random=random)
        self.authorizations = WatchAuthorizations(
            self.flows, self.store, self.endpoint, self.watches.credentials, SEALER,
            callback="http://127.0.0.1:8420/oauth2/callback", random=random,
        )  # fmt: skip

    async def make(self, *, owner: str | None = None, **changes: Any) -> WatchRecord:
        given = {"address": "https://a.example/", "oauth2Auth": {**OAUTH, **changes}}
        row, _ = await create_watch(self.watches, ACCOUNT, given, {}, owner=owner)
        return row

    async def state_of(self, row: WatchRecord) -> str:
        """The state with which a browser is sent away for a watch."""
        begun = await self.authorizations.begin(row)
        return dict(parse_qsl(urlsplit(begun.url).query))["state"]

    async def finish(self, state: str, **more: Any) -> WatchRecord:
        return await self.authorizations.finish(Return(code="the code", state=state), **more)

    def now(self, row: WatchRecord) -> WatchRecord:
        return self.store._watches[row.id]

    def token(self, row: WatchRecord) -> CredentialState:
        row = self.now(row)
        assert row.credential is not None
        sealed = self.store.credentials[row.credential].state
        opened = read_state(SEALER.unseal(sealed, credential_subject(row.account, row.credential)))
        return msgspec.structs.replace(opened, sharing_key=())


@pytest.fixture
def harness() -> WatchHarness:
    return WatchHarness()


async def test_an_authorization_lasts_ten_minutes(harness: WatchHarness) -> None:
    row = await harness.make(scope="a b")
    begun = await harness.authorizations.begin(row)
    query = dict(parse_qsl(urlsplit(begun.url).query))
    assert begun.url.startswith("https://login.example.com/authorize?response_type=code&client_id=c&")
    assert (query["redirect_uri"], query["scope"]) == ("http://127.0.0.1:8420/oauth2/callback", "a b")
    assert begun.expires == datetime.fromtimestamp(1_780_000_600, UTC)
    assert "state" not in repr(begun)


async def test_neither_state_nor_verifier_can_be_read_from_the_store(harness: WatchHarness) -> None:
    state = await harness.state_of(await harness.make())
    await harness.authorizations.begin(await harness.make())
    stored = repr(harness.flows.flows).encode()
    assert state.encode() not in stored
    assert b"verifier" not in stored


async def test_a_code_is_turned_into_tokens_with_the_verifier_that_belongs_to_its_state(harness: WatchHarness) -> None:
    row = await harness.make(redirectUri="https://b.example/back")
    begun = await harness.authorizations.begin(row)
    state = dict(parse_qsl(urlsplit(begun.url).query))["state"]
    await harness.finish(state)
    [(grant, code, verifier, redirect_uri)] = harness.endpoint.asked
    assert (grant.account, grant.client_secret, grant.definition.client_id, code) == (ACCOUNT, "s", "c", "the code")
    assert redirect_uri == "https://b.example/back"
    again = authorization_url(grant.definition, redirect_uri=redirect_uri, state=state, verifier=verifier)
    assert again == begun.url


async def test_a_public_client_has_no_secret_to_tell(harness: WatchHarness) -> None:
    row = await harness.make(clientAuthMethod="none", clientSecret=None)
    await harness.finish(await harness.state_of(row))
    assert harness.endpoint.asked[0][0].client_secret is None


async def test_an_authorized_watch_has_the_refresh_token_and_goes_on(harness: WatchHarness) -> None:
    row = await harness.make()
    after = await harness.finish(await harness.state_of(row))
    assert (after, after.status, after.status_reason) == (harness.now(row), WatchStatus.ENABLED, None)
    assert after.version > row.version
    assert (harness.token(row), len(harness.store.credentials)) == (CredentialState(token="granted"), 1)


async def test_all_of_the_owners_watches_that_shared_the_credential_go_on(harness: WatchHarness) -> None:
    rows = [await harness.make(refreshToken="old", owner=owner) for owner in ("one", "one", "two")]
    assert [row.credential == rows[0].credential for row in rows] == [True, True, False]
    for row in rows:
        waiting = msgspec.structs.replace(row, status=WatchStatus.PAUSED, status_reason=AUTHORIZATION_REQUIRED_REASON)
        harness.store.put(waiting)
    await harness.finish(await harness.state_of(rows[0]))
    assert [harness.now(row).status for row in rows] == [1, 1, 2]
    assert [harness.token(row).token for row in rows] == ["granted", "granted", "old"]


async def test_a_holder_of_the_former_token_does_not_get_the_new_one(harness: WatchHarness) -> None:
    row = await harness.make(refreshToken="old")
    await harness.finish(await harness.state_of(row))
    other = await harness.make(refreshToken="old")
    assert (harness.token(row).token, harness.token(other).token) == ("granted", "old")


@pytest.mark.parametrize("reason", [None, "gone"])
@pytest.mark.parametrize("status", [WatchStatus.PAUSED, WatchStatus.DISABLED])
async def test_a_watch_that_stands_still_for_another_reason_gets_its_token_and_stays(
    harness: WatchHarness, status: WatchStatus, reason: str | None
) -> None:
    row = await harness.make(refreshToken="old")
    harness.store.put(msgspec.structs.replace(row, status=status, status_reason=reason))
    after = await harness.finish(await harness.state_of(harness.now(row)))
    assert (after.status, after.status_reason, harness.token(row).token) == (status, reason, "granted")


@pytest.mark.parametrize(
    "oauth", [None, {"authUrl": None, "refreshToken": "x"}, {"grantType": "client_credentials", "authUrl": None}]
)
async def test_a_watch_without_an_address_to_authorize_at_says_so(
    harness: WatchHarness, oauth: dict[str, Any] | None
) -> None:
    if oauth is None:
        row, _ = await create_watch(harness.watches, ACCOUNT, {"address": "https://a.example/"}, {})
    else:
        row = await harness.make(**oauth)
    with pytest.raises(Conflict, match=r"has no oauth2Auth\.authUrl"):
        await harness.authorizations.begin(row)


async def test_a_watch_that_is_gone_cannot_be_authorized(harness: WatchHarness) -> None:
    row = await harness.make()
    await harness.store.delete_watch(ACCOUNT, row.id, reason="why")
    with pytest.raises(NotFound):
        await harness.authorizations.begin(row)


async def test_a_state_is_good_for_one_return(harness: WatchHarness) -> None:
    state = await harness.state_of(await harness.make())
    await harness.finish(state)
    with pytest.raises(Invalid) as refused:
        await harness.finish(state)
    assert [each.pointer for each in refused.value.problems] == ["/state"]
    assert len(harness.endpoint.asked) == 1


async def test_a_state_is_good_for_ten_minutes(harness: WatchHarness) -> None:
    state = await harness.state_of(await harness.make())
    harness.flows.elapsed = timedelta(seconds=600)
    with pytest.raises(Invalid):
        await harness.finish(state)


async def test_a_state_is_good_for_its_watch_and_not_spent_by_another(harness: WatchHarness) -> None:
    row, other = await harness.make(), await harness.make()
    state = await harness.state_of(row)
    with pytest.raises(Invalid):
        await harness.finish(state, watch=other.id)
    assert (await harness.finish(state, watch=row.id)).id == row.id


async def test_a_watch_has_a_few_authorizations_under_way_and_the_oldest_goes(harness: WatchHarness) -> None:
    row = await harness.make()
    first, second, *_ = [await harness.state_of(row) for _ in range(MOST_FLOWS + 1)]
    with pytest.raises(Invalid):
        await harness.finish(first)
    await harness.finish(second)


async def test_an_authorization_that_was_refused_is_over(harness: WatchHarness) -> None:
    state = await harness.state_of(await harness.make())
    assert (await harness.authorizations.refuse(state), await harness.authorizations.refuse(state)) == (True, False)


@pytest.mark.parametrize("when", ["before", "while the code is exchanged"])
@pytest.mark.parametrize("what", ["deleted", "another client"])
async def test_a_code_is_for_the_watch_as_it_was(harness: WatchHarness, what: str, when: str) -> None:
    row = await harness.make()
    state = await harness.state_of(row)

    async def change() -> None:
        if what == "deleted":
            await harness.store.delete_watch(ACCOUNT, row.id, reason="why")
        else:
            other = await harness.make(clientId="d")
            changed = msgspec.structs.replace(row, definition=other.definition, credential=other.credential)
            harness.store.put(changed)

    if when == "before":
        await change()
    else:
        harness.endpoint.meanwhile = change
    with pytest.raises((Conflict, Invalid)):  # the states of a watch go with it
        await harness.finish(state)
    assert len(harness.endpoint.asked) == (when != "before")


async def test_a_watch_that_goes_as_it_is_authorized_is_not_answered(harness: WatchHarness) -> None:
    row = await harness.make()
    state = await harness.state_of(row)
    authorized = harness.flows.authorized

    async def gone_then(*given: Any, **more: Any) -> bool:
        done = await authorized(*given, **more)
        await harness.store.delete_watch(ACCOUNT, row.id, reason="why")
        return done

    harness.flows.authorized = gone_then  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await harness.finish(state)


@pytest.mark.parametrize(
    ("gives", "kind", "told"),
    [
        (TokenResponse(access_token="a"), TokenNotGranted, "offline_access"),
        (NoToken("The server is away."), TokenNotGranted, "The server is away. Start again."),
        (AuthorizationRequired("The code was refused."), Invalid, "The code was refused. Start again."),
    ],
)
async def test_a_code_that_gives_no_lasting_token_says_what_to_do(
    harness: WatchHarness, gives: TokenResponse | NoToken, kind: type[Exception], told: str
) -> None:
    row = await harness.make()
    state = await harness.state_of(row)
    harness.endpoint.gives = gives
    with pytest.raises(kind, match=told):
        await harness.finish(state)
    assert (harness.now(row), harness.token(row)) == (row, CredentialState())


async def test_an_account_has_a_few_exchanges_under_way(harness: WatchHarness) -> None:
    states = [await harness.state_of(await harness.make()) for _ in range(PER_ACCOUNT + 1)]
    refused: list[str] = []

    async def another() -> None:
        if states:
            try:
                await harness.finish(states.pop())
            except TooManyPending as error:
                refused.append(error.detail)

    harness.endpoint.meanwhile = another
    await harness.finish(states.pop())
    assert refused == ["too many authorizations are under way; wait for their answers"]


def test_no_secret_is_in_a_repr() -> None:
    flow = _Flow(verifier="canary", redirect_uri="", client_id="", auth_url=None, access_token_url="")
    assert "canary" not in repr((Return(code="canary", state="canary"), flow))
