"""What every store does with credentials and authorizations under way: PostgreSQL's and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from hookward.adapters.postgres.authorizations import PostgresAuthorizations
from hookward.adapters.postgres.watches import PostgresWatches
from hookward.application.oauth.credentials import NewCredential
from hookward.application.records import WatchRecord
from hookward.application.watches.authorizations import NewFlow
from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.watches.model import WatchStatus
from tests.contract.world import ACCOUNT, World, new_id, new_watch
from tests.fakes.authorizations import FakeFlows
from tests.fakes.stores import FakeDefinitions

REASON = "authorization required"


@dataclass(kw_only=True)
class Stores:
    definitions: PostgresWatches | FakeDefinitions
    flows: PostgresAuthorizations | FakeFlows
    world: World | None = None

    async def add(self, credential: NewCredential | None = None, **changes: Any) -> WatchRecord:
        watch = msgspec.structs.replace(new_watch(), **changes)
        paused = watch.status == WatchStatus.PAUSED
        return await self.definitions.add_watch(watch, slots=None, paused=paused, key=None, credential=credential)

    async def change(
        self, watch: WatchRecord, credential: NewCredential | None = None, **changes: Any
    ) -> WatchRecord | None:
        changed = msgspec.structs.replace(watch, **changes)
        return await self.definitions.change_watch(
            changed, slots=None, paused=False, reason="why", key=None, credential=credential
        )

    async def now(self, watch: WatchRecord) -> WatchRecord:
        found = await self.definitions.watch(watch.account, watch.id, owner=None)
        assert found is not None
        return found

    async def is_there(self, id_: CredentialId | None) -> bool:
        assert id_ is not None
        return await self.definitions.credential(ACCOUNT, id_) is not None

    async def mark(self, id_: CredentialId, reason: str) -> None:
        if isinstance(self.definitions, FakeDefinitions):
            self.definitions.refused[id_] = reason
        elif self.world is not None:
            await self.world.value("UPDATE credential SET refused = $2 WHERE id = $1", id_, reason)

    async def mark_of(self, id_: CredentialId) -> str | None:
        if isinstance(self.definitions, FakeDefinitions):
            return self.definitions.refused.get(id_)
        assert self.world is not None
        found: str | None = await self.world.value("SELECT refused FROM credential WHERE id = $1", id_)
        return found


@pytest.fixture
async def stores(world_or_none: World | None) -> AsyncIterator[Stores]:
    if world_or_none is None:
        definitions = FakeDefinitions()
        yield Stores(definitions=definitions, flows=FakeFlows(definitions))
        return
    yield Stores(
        definitions=world_or_none.definitions,
        flows=PostgresAuthorizations(world_or_none.database),
        world=world_or_none,
    )


def new_credential(*digests: bytes, **more: Any) -> NewCredential:
    id_ = CredentialId(new_id())
    return NewCredential(id=id_, digests=digests or (new_id(),), state=b"sealed for " + id_, **more)


def new_flow(watch: WatchRecord, state: bytes | None = None) -> NewFlow:
    return NewFlow(state=state or new_id(), account=watch.account, watch=watch.id, sealed=b"sealed")


async def test_a_credential_is_made_once_and_found_by_any_of_its_digests(stores):
    first = await stores.add(new_credential(b"old"))
    same = await stores.add(new_credential(b"new", b"old"))
    other = await stores.add(new_credential(b"new"))
    assert (first.credential == same.credential, first.credential == other.credential) == (True, False)
    assert first.credential is not None
    held = await stores.definitions.credential(ACCOUNT, first.credential)
    assert (held.id, held.state, held.generation) == (first.credential, b"sealed for " + first.credential, 1)


async def test_watches_that_are_made_at_the_same_moment_share_one_credential(stores):
    rows = await asyncio.gather(*(stores.add(new_credential(b"same")) for _ in range(8)))
    assert len({row.credential for row in rows}) == 1


async def test_another_accounts_credential_is_not_there(stores):
    row = await stores.add(new_credential())
    assert await stores.definitions.credential(AccountId(2), row.credential) is None


async def test_a_watch_that_keeps_its_credential_has_it_asked_for_tokens_again(stores):
    row = await stores.add(new_credential())
    await stores.mark(row.credential, "invalid_grant")
    changed = await stores.change(row)
    assert (changed.credential, await stores.mark_of(row.credential)) == (row.credential, None)


async def test_a_watch_that_changes_to_another_credential_drops_one_that_is_unused(stores):
    row, sharing = await stores.add(new_credential(b"shared")), await stores.add(new_credential(b"shared"))
    changed = await stores.change(row, new_credential())
    assert (changed.credential == row.credential, await stores.is_there(row.credential)) == (False, True)
    gone = await stores.change(await stores.now(sharing), new_credential())
    assert (gone.credential == row.credential, await stores.is_there(row.credential)) == (False, False)


async def test_a_watch_that_gives_up_its_credential_drops_it(stores):
    row = await stores.add(new_credential())
    held = row.credential
    changed = await stores.change(msgspec.structs.replace(row, credential=None))
    assert (changed.credential, await stores.is_there(held)) == (None, False)


async def test_a_credential_takes_over_only_from_what_was_read(stores):
    row = await stores.add(new_credential())
    stale = new_credential(instead_of=(row.credential, 7))
    assert await stores.change(row, stale) is None
    assert (await stores.now(row)).credential == row.credential
    right = new_credential(instead_of=(row.credential, 1))
    assert (await stores.change(await stores.now(row), right)).credential == right.id


async def test_the_last_watch_to_go_takes_its_credential_along(stores):
    one, other = await stores.add(new_credential(b"shared")), await stores.add(new_credential(b"shared"))
    for row, left in ((one, True), (other, False)):
        assert await stores.definitions.delete_watch(ACCOUNT, row.id, reason="why")
        assert await stores.is_there(one.credential) is left
    told = (await stores.definitions.changes_since(other.version)).watches
    assert [each.credential for each in told] == [None, None]


async def test_what_is_begun_is_taken_once(stores):
    watch = await stores.add(new_credential())
    flow = new_flow(watch)
    assert await stores.flows.begin(flow, seconds=600, most=10) is not None
    taken = await stores.flows.take(flow.state, watch=None)
    assert (taken.account, taken.watch, taken.sealed) == (ACCOUNT, watch.id, b"sealed")
    assert await stores.flows.take(flow.state, watch=None) is None


async def test_what_is_taken_at_the_same_moment_is_taken_once(stores):
    flow = new_flow(await stores.add(new_credential()))
    await stores.flows.begin(flow, seconds=600, most=10)
    taken = await asyncio.gather(*(stores.flows.take(flow.state, watch=None) for _ in range(8)))
    assert len([each for each in taken if each is not None]) == 1


async def test_what_has_expired_is_spent(stores):
    flow = new_flow(await stores.add(new_credential()))
    await stores.flows.begin(flow, seconds=0, most=10)
    assert await stores.flows.take(flow.state, watch=None) is None


async def test_what_is_another_watchs_is_not_taken_and_stays(stores):
    watch, other = await stores.add(new_credential()), await stores.add(new_credential())
    flow = new_flow(watch)
    await stores.flows.begin(flow, seconds=600, most=10)
    assert await stores.flows.take(flow.state, watch=other.id) is None
    assert await stores.flows.take(flow.state, watch=watch.id) is not None


async def test_the_oldest_of_a_watch_gives_way_and_no_other_watchs(stores):
    watch, other = await stores.add(new_credential()), await stores.add(new_credential())
    theirs, flows = new_flow(other), [new_flow(watch) for _ in range(4)]
    for flow in (theirs, *flows):
        await stores.flows.begin(flow, seconds=600, most=3)
    taken = [await stores.flows.take(flow.state, watch=None) for flow in (theirs, *flows)]
    assert [each is not None for each in taken] == [True, False, True, True, True]


async def test_what_begins_at_the_same_moment_is_bounded_too(stores):
    watch = await stores.add(new_credential())
    flows = [new_flow(watch) for _ in range(12)]
    await asyncio.gather(*(stores.flows.begin(flow, seconds=600, most=3) for flow in flows))
    taken = [await stores.flows.take(flow.state, watch=None) for flow in flows]
    assert len([each for each in taken if each is not None]) == 3


async def test_a_watch_that_is_gone_begins_nothing_and_what_was_begun_is_over(stores):
    watch = await stores.add(new_credential())
    flow = new_flow(watch)
    await stores.flows.begin(flow, seconds=600, most=10)
    await stores.definitions.delete_watch(ACCOUNT, watch.id, reason="why")
    assert await stores.flows.take(flow.state, watch=None) is None
    assert await stores.flows.begin(new_flow(watch), seconds=600, most=10) is None


async def test_an_authorization_moves_the_owners_watches_and_enables_those_that_waited_for_it(stores):
    paused = {"status": WatchStatus.PAUSED, "status_reason": REASON, "owner": "one"}
    shared = [
        await stores.add(new_credential(b"shared"), **{**paused, **changes})
        for changes in (
            {}, {"status_reason": None}, {"status": WatchStatus.DISABLED}, {"owner": "two"}, {"owner": None},
        )
    ]  # fmt: skip
    apart = await stores.add(new_credential(), **paused)
    before = (await stores.definitions.changes_since(0)).version
    new = new_credential()
    assert await stores.flows.authorized(ACCOUNT, shared[0].id, shared[0].credential, new, reason=REASON)
    after = [await stores.now(row) for row in (*shared, apart)]
    assert [(row.status, row.status_reason, row.credential == new.id) for row in after] == [
        (1, None, True), (2, None, True), (3, REASON, True), (2, REASON, False), (2, REASON, False), (2, REASON, False),
    ]  # fmt: skip
    assert [row.version > before for row in after] == [True, True, True, False, False, False]
    assert await stores.is_there(shared[0].credential)


async def test_an_authorization_of_the_last_watch_drops_the_credential_of_before(stores):
    watch = await stores.add(new_credential(), status=WatchStatus.PAUSED, status_reason=REASON)
    assert await stores.flows.authorized(ACCOUNT, watch.id, watch.credential, new_credential(), reason=REASON)
    assert not await stores.is_there(watch.credential)


async def test_an_authorization_for_what_a_watch_no_longer_is_changes_nothing(stores):
    watch = await stores.add(new_credential(), status=WatchStatus.PAUSED, status_reason=REASON)
    before = (await stores.definitions.changes_since(0)).version
    for account, credential in ((ACCOUNT, CredentialId(new_id())), (AccountId(2), watch.credential)):
        assert not await stores.flows.authorized(account, watch.id, credential, new_credential(), reason=REASON)
    assert ((await stores.definitions.changes_since(0)).version, await stores.now(watch)) == (before, watch)


async def test_the_lane_of_a_watch_that_is_authorized_gives_again(world):
    stores = Stores(definitions=world.definitions, flows=PostgresAuthorizations(world.database), world=world)
    watch = await stores.add(new_credential(b"shared"), status=WatchStatus.PAUSED, status_reason=REASON)
    other = await stores.add(new_credential(b"shared"), status=WatchStatus.PAUSED)
    assert watch.credential is not None
    await stores.flows.authorized(ACCOUNT, watch.id, watch.credential, new_credential(), reason=REASON)
    lanes = [await world.lane_row(row.lane) for row in (watch, other)]
    assert [(lane["paused"], lane["wake"]) for lane in lanes] == [(False, "now"), (True, "never")]
