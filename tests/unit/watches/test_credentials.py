from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.application.oauth.credentials import (
    CredentialState,
    NewCredential,
    StoredCredential,
    credential_subject,
    digested,
    read_state,
)
from hookward.application.records import WatchRecord
from hookward.application.watches.changes import Target, WatchChanges
from hookward.application.watches.credentials import Credentials
from hookward.application.watches.service import Watches
from hookward.domain.errors import Invalid
from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.oauth.model import AUTHORIZATION_REQUIRED_REASON
from hookward.domain.watches.model import WatchStatus
from tests.fakes.stores import FakeDefinitions
from tests.fakes.virtual_time import FixedRandom, VirtualClock
from tests.fakes.watches import SHOP_TYPE, create_watch

ACCOUNT = AccountId(1)
OLD, NEW = bytes(32), bytes([1]) * 32
SEALER = AesGcmSealer(OLD)
URL, OTHER_URL = "https://login.example.com/token", "https://login.example.net/token"
BLOCK: dict[str, Any] = {"clientId": "c", "clientSecret": "s", "accessTokenUrl": URL}
GIVEN = {**BLOCK, "refreshToken": "first"}
INTERACTIVE = {**BLOCK, "authUrl": "https://login.example.com/authorize"}
MACHINE = {**BLOCK, "grantType": "client_credentials"}


class WatchHarness:
    """Watches on one store, and what is sealed of their credentials."""

    def __init__(self) -> None:
        self.store = FakeDefinitions()
        self.clock, self.random = VirtualClock(), FixedRandom()
        self.watches = self.with_keys(SEALER)
        self.changes = WatchChanges(self.store, self.watches, SEALER, clock=self.clock, random=self.random)

    def with_keys(self, sealer: AesGcmSealer) -> Watches:
        return Watches(self.store, SHOP_TYPE, sealer, clock=self.clock, random=self.random)

    async def make(
        self, oauth: Any, *, account: AccountId = ACCOUNT, owner: str | None = None, watches: Watches | None = None,
        **more: Any,
    ) -> WatchRecord:  # fmt: skip
        given = {"address": "https://a.example/", "oauth2Auth": oauth, **more}
        row, _ = await create_watch(watches or self.watches, account, given, {}, owner=owner)
        return row

    async def put(self, row: WatchRecord, oauth: Any, **more: Any) -> WatchRecord:
        given = {"address": "https://a.example/", "oauth2Auth": oauth, **more}
        return (await self.changes.replace(Target(account=row.account, id=row.id), given)).record

    def state(self, row: WatchRecord) -> CredentialState:
        """What is sealed, but what else it is shared by."""
        assert row.credential is not None
        held = self.store.credentials[row.credential]
        opened = read_state(SEALER.unseal(held.state, credential_subject(row.account, held.id)))
        return msgspec.structs.replace(opened, sharing_key=())

    def rotate(self, row: WatchRecord, token: str) -> None:
        """The authorization server gives another refresh token."""
        assert row.credential is not None
        held = self.store.credentials[row.credential]
        subject = credential_subject(row.account, held.id)
        state = msgspec.structs.replace(read_state(SEALER.unseal(held.state, subject)), token=token)
        self.store.credentials[held.id] = StoredCredential(
            id=held.id, state=SEALER.seal(msgspec.json.encode(state), subject), generation=held.generation + 1
        )


@pytest.fixture
def harness() -> WatchHarness:
    return WatchHarness()


def status_of(row: WatchRecord) -> tuple[int, str | None]:
    return row.status, row.status_reason


ENABLED = (WatchStatus.ENABLED, None)
WAITING = (WatchStatus.PAUSED, AUTHORIZATION_REQUIRED_REASON)


async def test_a_refresh_token_is_sealed_with_the_credential_and_nowhere_else(harness: WatchHarness) -> None:
    row = await harness.make(GIVEN)
    assert (status_of(row), harness.state(row)) == (ENABLED, CredentialState(original_token="first", token="first"))
    assert b"first" not in row.definition + (row.secrets or b"")


async def test_watches_with_the_same_server_client_and_refresh_token_share_a_credential(harness: WatchHarness) -> None:
    one = await harness.make(GIVEN)
    others = [
        await harness.make({**GIVEN, "clientSecret": "other", "scope": "a"}),
        await harness.make({**GIVEN, "refreshToken": "second"}),
        await harness.make({**GIVEN, "clientId": "d"}),
        await harness.make({**GIVEN, "accessTokenUrl": OTHER_URL}),
        await harness.make(GIVEN, account=AccountId(2)),
    ]
    assert [each.credential == one.credential for each in others] == [True, False, False, False, False]


async def test_a_rotated_refresh_token_is_found_by_what_was_first_given(harness: WatchHarness) -> None:
    one = await harness.make(GIVEN)
    harness.rotate(one, "rotated")
    other = await harness.make(GIVEN)
    assert (other.credential, harness.state(other).token) == (one.credential, "rotated")


@pytest.mark.parametrize("owner", ["two", None])
async def test_another_owner_who_knows_the_first_refresh_token_does_not_come_by_the_newest(
    harness: WatchHarness, owner: str | None
) -> None:
    one = await harness.make(GIVEN, owner="one")
    harness.rotate(one, "rotated")
    other = await harness.make(GIVEN, owner=owner)
    assert (other.credential == one.credential, harness.state(other).token) == (False, "first")
    moved = await harness.put(other, {**BLOCK, "accessTokenUrl": OTHER_URL})
    assert harness.state(moved).token == "first"
    assert (await harness.make(GIVEN, owner="one")).credential == one.credential


async def test_owners_who_use_one_client_do_not_wait_for_each_others_token_requests(harness: WatchHarness) -> None:
    owners = [await harness.make(MACHINE, owner=owner) for owner in ("one", "two", None)]
    assert len({each.credential for each in owners}) == 3


async def test_client_credentials_of_one_client_share_a_credential_without_a_token(harness: WatchHarness) -> None:
    one, other = await harness.make(MACHINE), await harness.make({**MACHINE, "scope": "a"})
    assert (status_of(one), one.credential, harness.state(one)) == (ENABLED, other.credential, CredentialState())


async def test_a_credential_is_found_after_the_master_key_was_rotated(harness: WatchHarness) -> None:
    one = await harness.make(GIVEN)
    other = await harness.make(GIVEN, watches=harness.with_keys(AesGcmSealer(NEW, OLD)))
    assert one.credential == other.credential


async def test_the_digest_can_be_made_again_of_what_is_sealed(harness: WatchHarness) -> None:
    for oauth in (GIVEN, MACHINE, INTERACTIVE):
        row = await harness.make(oauth)
        assert row.credential is not None
        held = harness.store.credentials[row.credential]
        state = read_state(SEALER.unseal(held.state, credential_subject(ACCOUNT, held.id)))
        assert harness.store.by_digest[ACCOUNT, SEALER.fingerprint(*digested(ACCOUNT, state))] == row.credential


@pytest.mark.parametrize("status", ["enabled", "paused"])
async def test_a_watch_without_authorization_waits_for_it_whatever_status_was_given(
    harness: WatchHarness, status: str
) -> None:
    row = await harness.make(INTERACTIVE, status=status)
    assert (status_of(row), harness.state(row)) == (WAITING, CredentialState())


async def test_a_disabled_watch_stays_so_and_waits_when_it_is_enabled(harness: WatchHarness) -> None:
    row = await harness.make(INTERACTIVE, status="disabled")
    assert status_of(row) == (WatchStatus.DISABLED, None)
    assert status_of(await harness.put(row, INTERACTIVE)) == WAITING


async def test_what_was_not_given_is_shared_with_no_watch(harness: WatchHarness) -> None:
    assert (await harness.make(INTERACTIVE)).credential != (await harness.make(INTERACTIVE)).credential


async def test_a_block_that_is_repeated_without_the_refresh_token_keeps_the_one_that_there_is_now(
    harness: WatchHarness,
) -> None:
    row = await harness.make(GIVEN)
    harness.rotate(row, "rotated")
    changed = await harness.put(row, {**BLOCK, "scope": "a"})
    assert (changed.credential, status_of(changed), harness.state(changed).token) == (
        row.credential,
        ENABLED,
        "rotated",
    )


async def test_nothing_is_stored_when_nothing_changes(harness: WatchHarness) -> None:
    for oauth, again in ((GIVEN, BLOCK), (MACHINE, MACHINE), (INTERACTIVE, INTERACTIVE)):
        row = await harness.make(oauth)
        assert (await harness.put(row, again)).version == row.version


@pytest.mark.parametrize("change", [{"accessTokenUrl": OTHER_URL}, {"clientId": "d"}])
async def test_another_server_or_client_goes_on_with_the_refresh_token_that_there_is_now(
    harness: WatchHarness, change: dict[str, str]
) -> None:
    row = await harness.make(GIVEN)
    harness.rotate(row, "rotated")
    changed = await harness.put(row, {**BLOCK, **change})
    assert changed.credential != row.credential
    assert harness.state(changed) == CredentialState(original_token="first", token="rotated")
    assert list(harness.store.credentials) == [changed.credential]


async def test_a_refresh_token_that_is_rotated_while_it_moves_is_not_lost(harness: WatchHarness) -> None:
    row = await harness.make(GIVEN)

    async def rotated_meanwhile(account: AccountId, id_: CredentialId) -> StoredCredential | None:
        harness.store.credential = original  # type: ignore[method-assign]
        held = await original(account, id_)
        harness.rotate(row, "rotated")
        return held

    original = harness.store.credential
    harness.store.credential = rotated_meanwhile  # type: ignore[method-assign]
    assert harness.state(await harness.put(row, {**BLOCK, "clientId": "d"})).token == "rotated"


async def test_another_refresh_token_is_another_credential(harness: WatchHarness) -> None:
    row = await harness.make(GIVEN)
    changed = await harness.put(row, {**BLOCK, "refreshToken": "second"})
    assert (changed.credential != row.credential, harness.state(changed).token) == (True, "second")
    assert list(harness.store.credentials) == [changed.credential]


async def test_a_change_asks_for_tokens_again(harness: WatchHarness) -> None:
    row = await harness.make(GIVEN)
    assert row.credential is not None
    harness.store.refused[row.credential] = "invalid_grant"
    harness.store.put(msgspec.structs.replace(row, status=WAITING[0], status_reason=WAITING[1]))
    assert status_of(await harness.put(row, BLOCK)) == ENABLED
    assert harness.store.refused == {}


async def test_the_reason_stays_while_a_watch_still_waits_and_goes_with_another_token(harness: WatchHarness) -> None:
    row = await harness.make(GIVEN)
    harness.store.put(msgspec.structs.replace(row, status=WAITING[0], status_reason=WAITING[1]))
    still = await harness.put(row, BLOCK, status="paused", name="renamed")
    assert status_of(still) == WAITING
    assert status_of(await harness.put(row, GIVEN | {"refreshToken": "second"}, status="paused")) == (
        WatchStatus.PAUSED, None,
    )  # fmt: skip


async def test_a_block_that_is_removed_takes_its_credential_along(harness: WatchHarness) -> None:
    row = await harness.make(INTERACTIVE)
    changed = await harness.put(row, None, status="paused")
    assert (changed.credential, status_of(changed), changed.secrets) == (None, (WatchStatus.PAUSED, None), None)
    assert harness.store.credentials == {}


async def test_a_credential_lives_as_long_as_a_watch_has_it(harness: WatchHarness) -> None:
    one, other = await harness.make(GIVEN), await harness.make(GIVEN)
    for row, left in ((one, 1), (other, 0)):
        await harness.changes.delete(Target(account=ACCOUNT, id=row.id))
        assert len(harness.store.credentials) == left


async def test_a_token_of_another_grant_is_not_kept(harness: WatchHarness) -> None:
    row = await harness.put(await harness.make(GIVEN), MACHINE)
    assert harness.state(row) == CredentialState()
    with pytest.raises(Invalid):
        await harness.put(row, BLOCK)
    assert status_of(await harness.put(row, INTERACTIVE)) == WAITING


async def test_a_watch_without_authorization_that_turns_to_another_server_still_waits(harness: WatchHarness) -> None:
    row = await harness.put(await harness.make(INTERACTIVE), {**INTERACTIVE, "accessTokenUrl": OTHER_URL})
    assert status_of(row) == WAITING


async def test_a_refresh_token_that_is_there_may_do_without_an_address_to_authorize_at(harness: WatchHarness) -> None:
    row = await harness.put(await harness.make({**GIVEN, "authUrl": "https://a.example/"}), BLOCK)
    oauth = row.read_definition().oauth
    assert oauth is not None
    assert (oauth.auth_url, status_of(row)) == (None, ENABLED)


def test_no_secret_is_in_a_repr() -> None:
    id_ = CredentialId(bytes(16))
    values = (
        NewCredential(id=id_, digests=(b"canary",), state=b"canary"),
        StoredCredential(id=id_, state=b"canary", generation=1),
        CredentialState(original_token="canary", token="canary"),
    )
    assert "canary" not in repr(values)


def test_a_watch_without_a_credential_has_no_token() -> None:
    credentials = Credentials(SEALER, clock=VirtualClock(), random=FixedRandom())
    assert credentials.open(ACCOUNT, None) == CredentialState()
