"""Changes of watches: whole or not at all, never over another change, and what each means for the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.application.oauth.credentials import NewCredential
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.watches.changes import Target, WatchChanges
from hookward.application.watches.registry import WatchQuery
from hookward.application.watches.service import Watches
from hookward.domain.errors import Invalid, NotFound, PreconditionFailed
from hookward.domain.ids import AccountId, IdPrefix, WatchId, to_text
from hookward.domain.sealing import watch_subject
from hookward.domain.watches.model import WatchBounds, WatchSecrets, WatchStatus
from hookward.domain.watches.rules import DEFAULT_BOUNDS
from tests.fakes.resource_types import KnownTypes
from tests.fakes.stores import FakeDefinitions
from tests.fakes.virtual_time import FixedRandom, VirtualClock
from tests.fakes.watches import create_watch
from tests.fakes.worker_harness import SHOP

ACCOUNT = AccountId(1)
SEALER = AesGcmSealer(b"k" * 32)


ADDRESS = "http://a.test/"


class Remembering(FakeDefinitions):
    """Remembers what is asked of it; ``before`` happens, once, before the next change."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, bool]] = []
        self.before: Callable[[], None] | None = None

    async def change_watch(
        self, watch: WatchRecord, *, slots: int | None, paused: bool, reason: str, key: KeyRecord | None,
        credential: NewCredential | None = None,
    ) -> WatchRecord | None:  # fmt: skip
        self._meanwhile()
        self.asked.append((watch.status, paused))
        return await super().change_watch(
            watch, slots=slots, paused=paused, reason=reason, key=key, credential=credential
        )

    async def delete_watch(
        self, account: AccountId, id_: WatchId, *, reason: str, owner: str | None = None, version: int | None = None
    ) -> bool:
        self._meanwhile()
        return await super().delete_watch(account, id_, reason=reason, owner=owner, version=version)

    def _meanwhile(self) -> None:
        before, self.before = self.before, None
        if before is not None:
            before()


class WatchHarness:
    """The use cases on one store."""

    def __init__(self, bounds: WatchBounds = DEFAULT_BOUNDS) -> None:
        self.store, self.types = Remembering(), KnownTypes(SHOP)
        self.watches = Watches(
            self.store,
            self.types,
            SEALER,
            clock=VirtualClock(),
            random=FixedRandom(),
            bounds=bounds,
        )
        self.changes = WatchChanges(self.store, self.watches, SEALER, clock=VirtualClock(), random=FixedRandom())

    async def make(self, **given: Any) -> WatchRecord:
        row, _ = await create_watch(self.watches, ACCOUNT, {"address": ADDRESS, **given}, {"shopId": "7"})
        return row

    async def replace(self, row: WatchRecord, **given: Any) -> tuple[WatchRecord, str | None]:
        stored = await self.changes.replace(target(row), {"address": ADDRESS, **given})
        return stored.record, stored.secret

    async def patch(self, row: WatchRecord, patch: Any, **which: Any) -> WatchRecord:
        return (await self.changes.patch(target(row, **which), patch)).record


def target(row: WatchRecord, **which: Any) -> Target:
    return Target(account=row.account, id=row.id, **which)


def secrets_of(row: WatchRecord) -> WatchSecrets:
    assert row.secrets is not None
    return msgspec.json.decode(SEALER.unseal(row.secrets, watch_subject(row)), type=WatchSecrets)


@pytest.fixture
def harness() -> WatchHarness:
    return WatchHarness()


async def test_a_change_keeps_secrets_sealed_and_removes_them_with_their_block(harness: WatchHarness) -> None:
    row = await harness.make(basicAuth={"username": "u", "password": "canary"}, httpRequestHeader={"X-A": "canary"})
    kept, _ = await harness.replace(row, basicAuth={"username": "v"})
    assert secrets_of(kept) == WatchSecrets(password="canary")
    bare, _ = await harness.replace(row)
    assert bare.secrets is None


async def test_a_change_that_changes_nothing_makes_no_version(harness: WatchHarness) -> None:
    row = await harness.make(name="n", httpRequestHeader={"X-A": "a"}, schema={"a": 1})
    same, _ = await harness.replace(row, name="n", httpRequestHeader={"x-a".upper(): None}, schema={"a": 1})
    assert (same, harness.store.asked) == (row, [])


async def test_a_template_that_differs_only_in_type_is_a_change(harness: WatchHarness) -> None:
    row = await harness.make(schema={"a": 1})
    changed, _ = await harness.replace(row, schema={"a": True})
    assert changed.read_definition().schema == {"a": True}
    assert changed.version > row.version


async def test_a_change_of_a_secret_alone_is_a_change(harness: WatchHarness) -> None:
    row = await harness.make(httpRequestHeader={"X-A": "a"})
    changed, _ = await harness.replace(row, httpRequestHeader={"X-A": "b"})
    assert secrets_of(changed).headers == {"X-A": "b"}


@pytest.mark.parametrize("owner", [None, "integrator"])
async def test_a_signature_turned_on_makes_a_key_of_the_same_owner(harness: WatchHarness, owner: str | None) -> None:
    row = await harness.make()
    harness.store.put(msgspec.structs.replace(row, owner=owner))
    changed, secret = await harness.replace(row, signature={"enabled": True})
    (key,) = (await harness.store.changes_since(row.version)).keys
    assert (secret is not None, key.owner) == (True, owner)
    assert changed.read_definition().key_ids == (to_text(IdPrefix.CRYPTO_KEY, key.id),)


async def test_a_key_that_does_not_exist_is_named(harness: WatchHarness) -> None:
    row = await harness.make()
    with pytest.raises(Invalid, match="problems"):
        await harness.replace(row, signature={"enabled": True, "cryptoKeyIds": ["key_" + "0" * 32]})


async def test_an_owner_changes_a_watch_that_the_account_gave_a_key_of_its_own(harness: WatchHarness) -> None:
    made = await harness.make(signature={"enabled": True})
    row = msgspec.structs.replace(made, owner="integrator")
    harness.store.put(row)
    stored = await harness.changes.replace(
        target(row, owner="integrator"),
        {
            "address": ADDRESS,
            "name": "new",
            "signature": {"enabled": True, "cryptoKeyIds": list(row.read_definition().key_ids)},
        },
    )
    changed = stored.record
    assert (changed.read_definition().name, changed.read_definition().key_ids) == ("new", row.read_definition().key_ids)


async def test_an_owner_names_no_key_of_the_account_that_the_watch_has_not(harness: WatchHarness) -> None:
    others = await harness.make(signature={"enabled": True})
    row = msgspec.structs.replace(await harness.make(), owner="integrator")
    harness.store.put(row)
    signature = {"enabled": True, "cryptoKeyIds": list(others.read_definition().key_ids)}
    with pytest.raises(Invalid, match="problems"):
        await harness.changes.replace(
            target(row, owner="integrator"),
            {"address": ADDRESS, "signature": signature},
        )


@pytest.mark.parametrize(
    ("status", "paused"), [(WatchStatus.DISABLED, False), (WatchStatus.PAUSED, True), (WatchStatus.ENABLED, False)]
)
async def test_a_status_reaches_the_lane_and_drops_the_reason_of_before(
    harness: WatchHarness, status: WatchStatus, paused: bool
) -> None:
    row = await harness.make(name="n", status="paused" if status is WatchStatus.ENABLED else "enabled")
    harness.store.put(msgspec.structs.replace(row, status_reason="gone"))
    changed, _ = await harness.replace(row, name="other", status=status.word)
    assert harness.store.asked == [(status, paused)]
    assert changed.status_reason is None


async def test_a_status_that_stays_keeps_its_reason(harness: WatchHarness) -> None:
    row = await harness.make(status="disabled")
    harness.store.put(msgspec.structs.replace(row, status_reason="gone"))
    changed, _ = await harness.replace(row, status="disabled", name="new")
    assert changed.status_reason == "gone"


async def test_a_patch_is_made_of_what_another_has_changed_meanwhile(harness: WatchHarness) -> None:
    row = await harness.make(name="mine")
    other = msgspec.structs.replace(row, definition=msgspec.json.encode({"address": ADDRESS, "name": "theirs"}))
    harness.store.before = lambda: harness.store.put(other)
    changed = await harness.patch(row, {"address": ADDRESS + "new"})
    assert (changed.read_definition().name, changed.read_definition().address) == ("theirs", ADDRESS + "new")


async def test_no_patch_is_lost_among_many_at_once(harness: WatchHarness) -> None:
    row = await harness.make()
    await asyncio.gather(*(harness.patch(row, {"httpRequestHeader": {f"X-{n}": "v"}}) for n in range(9)))
    (now,) = await harness.store.watches(WatchQuery(account=ACCOUNT, limit=1))
    assert len(now.read_definition().header_names) == 9


async def test_a_change_meant_for_a_version_is_refused_when_another_came_first(harness: WatchHarness) -> None:
    row = await harness.make()
    harness.store.before = lambda: harness.store.put(row)
    with pytest.raises(PreconditionFailed):
        await harness.patch(row, {"name": "mine"}, at=lambda version: version == row.version)


async def test_a_delete_meant_for_a_version_is_refused_when_another_came_first(harness: WatchHarness) -> None:
    row = await harness.make()
    harness.store.before = lambda: harness.store.put(row)
    with pytest.raises(PreconditionFailed):
        await harness.changes.delete(target(row, at=lambda version: version == row.version))
    await harness.changes.delete(target(row))
    with pytest.raises(NotFound):
        await harness.changes.delete(target(row))


@pytest.mark.parametrize("which", [{"owner": "other"}, {"account": AccountId(2)}, {"id": None}])
async def test_what_is_another_s_is_not_found(harness: WatchHarness, which: dict[str, Any]) -> None:
    row = await harness.make()
    meant = msgspec.structs.replace(target(row), **which)
    with pytest.raises(NotFound):
        await harness.changes.find(meant)
    with pytest.raises(NotFound):
        await harness.changes.replace(meant, {"address": ADDRESS})
    with pytest.raises(NotFound):
        await harness.changes.delete(meant)


async def test_a_watch_whose_type_is_gone_is_not_changed(harness: WatchHarness) -> None:
    row = await harness.make()
    harness.store.put(msgspec.structs.replace(row, resource_type="gone"))
    with pytest.raises(NotFound, match="type of the watch"):
        await harness.changes.replace(target(row), {"address": ADDRESS})


async def test_an_owner_finds_what_is_theirs(harness: WatchHarness) -> None:
    row = await harness.make()
    harness.store.put(msgspec.structs.replace(row, owner="me"))
    assert (await harness.changes.find(target(row, owner="me"))).id == row.id


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["one", "Two", None]), ({"name": "Two"}, ["Two"]), ({"name": "two"}, []), ({"text": "TWO"}, ["Two"]),
        ({"text": "A.TEST"}, ["one", "Two", None]), ({"text": "o", "status": WatchStatus.PAUSED}, ["Two"]),
        ({"owner": "me"}, []), ({"text": "none"}, []),
    ],
)  # fmt: skip
async def test_watches_are_listed_by_what_they_are(
    harness: WatchHarness, query: dict[str, Any], found: list[str | None]
) -> None:
    await harness.make(name="one")
    await harness.make(name="Two", status="paused")
    await harness.make()
    rows = await harness.watches.list(WatchQuery(account=ACCOUNT, limit=9, **query))
    assert [row.read_definition().name for row in rows] == found


async def test_a_change_of_concurrency_reaches_the_lane_within_the_bounds() -> None:
    harness = WatchHarness(bounds=WatchBounds(concurrency=5, timeout=2))
    slots: list[int | None] = []
    change = harness.store.change_watch

    async def remembering(watch: WatchRecord, **values: Any) -> WatchRecord | None:
        slots.append(values["slots"])
        return await change(watch, **values)

    harness.store.change_watch = remembering  # type: ignore[method-assign]
    row = await harness.make()
    row = await harness.patch(row, {"concurrency": 5, "timeout": "2s"})
    await harness.patch(row, {"concurrency": None})
    assert slots == [5, None]
    with pytest.raises(Invalid) as refused:
        await harness.patch(
            row, {"concurrency": 6, "timeout": "3s", "signature": {"cryptoKeyIds": ["key_" + "0" * 32]}}
        )
    pointers = [each.pointer for each in refused.value.problems]
    assert pointers == ["/timeout", "/concurrency", "/signature/cryptoKeyIds/0"]


async def test_a_watch_put_back_as_it_reads_is_the_same_watch(harness: WatchHarness) -> None:
    given = {
        "address": "http://a.test/${$.resource.id}", "filter": "$.resource", "levelDetails": "extraFull",
        "addPreviousData": "true", "timeZone": "Europe/Paris", "retry": {"schedule": ["5s"]}, "timeout": "2s",
        "concurrency": 3, "storeBodies": "none",
    }  # fmt: skip
    row = await harness.make(**given)
    assert (await harness.replace(row, **given))[0] == row
