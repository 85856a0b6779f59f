"""Watches and keys as integrators manage them, and the plans that workers make of them."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.application.crypto_keys.service import CryptoKeys
from hookward.application.delivery.endpoint import Endpoint
from hookward.application.delivery.endpoints import EndpointCache
from hookward.application.oauth.credentials import NewCredential
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.resource_types.cache import MAX_TYPE_CHANGES, TYPE_KEEPS_CHANGING
from hookward.application.watches.registry import WatchQuery, WatchRegistry
from hookward.application.watches.service import Watches
from hookward.domain.errors import Invalid, NotFound, StoreUnavailable, TypeChanged
from hookward.domain.ids import AccountId, IdPrefix, WatchId, to_text
from hookward.domain.signing.standard_webhooks import secret_to_text, signatures
from hookward.domain.watches.model import WatchBounds, WatchStatus
from tests.fakes.access import caller_of
from tests.fakes.resource_types import KnownTypes
from tests.fakes.stores import FakeDefinitions
from tests.fakes.virtual_time import FixedRandom, VirtualClock
from tests.fakes.watches import SHOP_TYPE, create_watch
from tests.fakes.worker_harness import SHOP

pytestmark = pytest.mark.virtual_time

ACCOUNT = AccountId(1)
SEALER = AesGcmSealer(b"k" * 32)


@pytest.fixture
def store() -> FakeDefinitions:
    return FakeDefinitions()


@pytest.fixture
def watches(store: FakeDefinitions) -> Watches:
    return Watches(store, SHOP_TYPE, SEALER, clock=VirtualClock(), random=FixedRandom())


@pytest.fixture
def crypto_keys(store: FakeDefinitions) -> CryptoKeys:
    return CryptoKeys(store, SEALER, CipherSigningKeys(), clock=VirtualClock(), random=FixedRandom())


async def create(watches: Watches, **given: Any) -> tuple[WatchRecord, str | None]:
    return await create_watch(watches, ACCOUNT, {"address": "http://a.test/", **given}, {"shopId": "7"})


async def plan_of(store: FakeDefinitions, row: WatchRecord) -> Endpoint | None:
    definitions = WatchRegistry(store, {SHOP.name: SHOP})
    plans = EndpointCache(definitions, SEALER, CipherSigningKeys(), clock=VirtualClock(), user_agent="Hookward/test")
    await definitions.refresh()
    return plans.get(row.id)


def secrets_of(endpoint: Endpoint) -> tuple[bytes, ...]:
    assert endpoint.signer is not None
    return endpoint.signer.secrets


async def test_secrets_are_sealed_and_not_in_the_definition(watches: Watches) -> None:
    row, _ = await create(
        watches, basicAuth={"username": "u", "password": "canary-1"}, httpRequestHeader={"X-Token": "canary-2"}
    )
    assert row.secrets is not None
    assert b"canary" not in row.definition + row.secrets


async def test_sealed_secrets_of_one_watch_do_not_open_for_another(watches: Watches, store: FakeDefinitions) -> None:
    row, _ = await create(watches, basicAuth={"username": "u", "password": "p"})
    other, _ = await create(watches, basicAuth={"username": "u", "password": "p"})
    store.put(msgspec.structs.replace(other, secrets=row.secrets))
    with pytest.raises(Exception, match="changed or moved"):
        await plan_of(store, other)


async def test_a_plan_holds_headers_authentication_and_their_masks(watches: Watches, store: FakeDefinitions) -> None:
    row, _ = await create(
        watches, basicAuth={"username": "ü", "password": "p"}, httpRequestHeader={"X-Token": "t", "user-agent": "mine"}
    )
    plan = await plan_of(store, row)
    assert plan is not None
    headers, shown = dict(plan.headers.sent), dict(plan.headers.masked)
    assert b64decode(headers.pop("Authorization").removeprefix("Basic ")).decode() == "ü:p"
    assert headers == {"Content-Type": "application/json", "X-Token": "t", "user-agent": "mine"}
    assert repr(plan) == f"<Endpoint of lane {row.lane} v{row.version}>"
    assert shown == {
        "Content-Type": "application/json", "X-Token": "********", "user-agent": "********",
        "Authorization": "Basic ********",
    }  # fmt: skip


async def test_methods_without_a_body_send_no_content_type(watches: Watches, store: FakeDefinitions) -> None:
    row, _ = await create(watches, method="DELETE")
    plan = await plan_of(store, row)
    assert plan is not None
    assert (plan.has_body, "Content-Type" in dict(plan.headers.sent)) == (False, False)


async def test_a_watch_signed_without_keys_gets_one_whose_secret_is_answered_once(
    watches: Watches, store: FakeDefinitions
) -> None:
    row, secret = await create(watches, signature={"enabled": True})
    assert secret is not None
    plan = await plan_of(store, row)
    assert plan is not None
    assert [secret_to_text(key) for key in secrets_of(plan)] == [secret]


async def test_several_keys_each_verify_alone(
    watches: Watches, crypto_keys: CryptoKeys, store: FakeDefinitions
) -> None:
    keys = [await crypto_keys.create(ACCOUNT, {"name": f"key {number}"}, owner=None) for number in range(2)]
    ids = [to_text(IdPrefix.CRYPTO_KEY, key.id) for key, _ in keys]
    row, secret = await create(watches, signature={"enabled": True, "cryptoKeyIds": ids})
    plan = await plan_of(store, row)
    assert plan is not None
    assert secret is None
    headers = {"webhook-id": "dlv_1", "webhook-timestamp": "1", "webhook-signature": ""}
    headers["webhook-signature"] = signatures(secrets_of(plan), "dlv_1", 1, b"{}")
    for _, text in keys:
        expected = Webhook(text or "").sign("dlv_1", _moment(1), "{}")
        assert expected in headers["webhook-signature"].split()


def _moment(second: int) -> Any:
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(second, UTC)


async def test_a_key_that_does_not_exist_is_named(watches: Watches) -> None:
    missing = to_text(IdPrefix.CRYPTO_KEY, bytes(16))
    with pytest.raises(Invalid) as refused:
        await create(watches, signature={"enabled": True, "cryptoKeyIds": [missing]})
    assert [problem.pointer for problem in refused.value.problems] == ["/signature/cryptoKeyIds/0"]


async def test_a_paused_watch_has_a_plan_and_a_disabled_one_has_none(watches: Watches, store: FakeDefinitions) -> None:
    paused, _ = await create(watches, status="paused")
    disabled, _ = await create(watches, status="disabled")
    plan = await plan_of(store, paused)
    assert plan is not None
    assert (plan.status, await plan_of(store, disabled)) == (WatchStatus.PAUSED, None)


async def test_watches_are_read_and_listed(watches: Watches, store: FakeDefinitions) -> None:
    row, _ = await create(watches)
    assert (await watches.get(ACCOUNT, row.id)).read_definition().address == "http://a.test/"
    query = WatchQuery(account=ACCOUNT, resource_type=SHOP.name, limit=10)
    assert [each.id for each in await watches.list(query)] == [row.id]
    await store.delete_watch(ACCOUNT, row.id, reason="why")
    with pytest.raises(NotFound):
        await watches.get(ACCOUNT, row.id)


@pytest.mark.parametrize("missing", [None, WatchId(bytes(16))])
async def test_a_watch_that_does_not_exist_is_not_found(watches: Watches, missing: WatchId | None) -> None:
    with pytest.raises(NotFound):
        await watches.get(ACCOUNT, missing)


async def test_a_plan_is_made_once_while_the_watch_does_not_change(watches: Watches, store: FakeDefinitions) -> None:
    row, _ = await create(watches, schema={"id": "${$.resource.id}"})
    definitions = WatchRegistry(store, {SHOP.name: SHOP})
    plans = EndpointCache(definitions, SEALER, CipherSigningKeys(), clock=VirtualClock(), user_agent="Hookward/test")
    await definitions.refresh()
    first = plans.get(row.id)
    assert plans.get(row.id) is first
    await create(watches)
    await definitions.refresh()
    assert plans.get(row.id) is not first


class CountingSealer(AesGcmSealer):
    """Counts what it opens."""

    def __init__(self) -> None:
        super().__init__(b"k" * 32)
        self.opened = 0

    def unseal(self, sealed: bytes, about: str) -> bytes:
        self.opened += 1
        return super().unseal(sealed, about)


async def test_a_key_that_several_watches_share_is_opened_once(
    watches: Watches, crypto_keys: CryptoKeys, store: FakeDefinitions
) -> None:
    key, _ = await crypto_keys.create(ACCOUNT, {"name": "shared"}, owner=None)
    signature = {"enabled": True, "cryptoKeyIds": [to_text(IdPrefix.CRYPTO_KEY, key.id)]}
    rows = [(await create(watches, signature=signature))[0] for _ in range(3)]
    definitions, sealer = WatchRegistry(store, {SHOP.name: SHOP}), CountingSealer()
    plans = EndpointCache(definitions, sealer, CipherSigningKeys(), clock=VirtualClock(), user_agent="Hookward/test")
    await definitions.refresh()
    signing = {secrets_of(plan) for row in rows if (plan := plans.get(row.id)) is not None}
    assert (len(signing), sealer.opened) == (1, 1)


async def test_the_plans_that_are_kept_are_bounded(watches: Watches, store: FakeDefinitions) -> None:
    rows = [(await create(watches))[0] for _ in range(3)]
    definitions = WatchRegistry(store, {SHOP.name: SHOP})
    plans = EndpointCache(
        definitions, SEALER, CipherSigningKeys(), clock=VirtualClock(), user_agent="Hookward/test", limit=2
    )
    await definitions.refresh()
    first = [plans.get(row.id) for row in rows]
    again = [plans.get(row.id) for row in reversed(rows)]
    assert [one is other for one, other in zip(first, reversed(again), strict=True)] == [False, True, True]


async def test_values_that_hold_secrets_do_not_show_them(watches: Watches, crypto_keys: CryptoKeys) -> None:
    row, _ = await create(watches, basicAuth={"username": "u", "password": "canary"})
    key, _ = await crypto_keys.create(ACCOUNT, {"name": "n"}, owner=None)
    assert re.search("canary|whsec", repr(row) + repr(key)) is None


OWNERS = [(None, True), ("one", True), ("other", False)]


@pytest.mark.parametrize(("asking", "found"), OWNERS)
async def test_a_watch_of_an_owner_is_there_for_that_owner_and_for_the_account(
    watches: Watches, asking: str | None, found: bool
) -> None:
    row, _ = await create_watch(watches, ACCOUNT, {"address": "http://a.test/"}, {}, owner="one")
    mine = await watches.list(WatchQuery(account=ACCOUNT, limit=9, owner=asking))
    assert (row.owner, mine == [row]) == ("one", found)
    if found:
        assert await watches.get(ACCOUNT, row.id, owner=asking) == row
        return
    with pytest.raises(NotFound):
        await watches.get(ACCOUNT, row.id, owner=asking)
    assert await watches.get(ACCOUNT, row.id) == row


async def test_a_watch_of_the_account_itself_is_nothing_of_an_owners(watches: Watches) -> None:
    row, _ = await create(watches)
    assert row.owner is None
    with pytest.raises(NotFound):
        await watches.get(ACCOUNT, row.id, owner="one")


@pytest.mark.parametrize(("asking", "found"), OWNERS)
async def test_a_watch_of_an_owner_is_signed_with_that_owners_keys_alone(
    watches: Watches, crypto_keys: CryptoKeys, asking: str | None, found: bool
) -> None:
    key, _ = await crypto_keys.create(ACCOUNT, {"name": "k"}, owner="one")
    assert key.owner == "one"
    given = {
        "address": "http://a.test/",
        "signature": {"enabled": True, "cryptoKeyIds": [to_text(IdPrefix.CRYPTO_KEY, key.id)]},
    }
    if found:
        await create_watch(watches, ACCOUNT, given, {}, owner=asking)
        return
    with pytest.raises(Invalid) as refused:
        await create_watch(watches, ACCOUNT, given, {}, owner=asking)
    assert [problem.message for problem in refused.value.problems] == ["there is no such crypto key"]


async def test_a_key_that_is_made_for_an_owners_watch_is_that_owners(watches: Watches, store: FakeDefinitions) -> None:
    given = {"address": "http://a.test/", "signature": {"enabled": True}}
    await create_watch(watches, ACCOUNT, given, {}, owner="one")
    assert [key.owner for key in (await store.changes_since(0)).keys] == ["one"]


async def test_keys_that_are_not_there_are_named_with_all_else_that_is_wrong(
    watches: Watches, crypto_keys: CryptoKeys
) -> None:
    key, _ = await crypto_keys.create(ACCOUNT, {"name": "mine"}, owner=None)
    ids = [to_text(IdPrefix.CRYPTO_KEY, key.id), "x", "key_" + "0" * 32]
    with pytest.raises(Invalid) as caught:
        await create(watches, method="HEAD", signature={"enabled": True, "cryptoKeyIds": ids})
    assert [each.pointer for each in caught.value.problems] == [
        "/signature/cryptoKeyIds/1", "/method", "/signature/cryptoKeyIds/2"
    ]  # fmt: skip


async def test_a_type_that_does_not_exist_is_named_with_all_else_that_is_wrong(watches: Watches) -> None:
    for given, pointers in (({"name": 7}, ["/resourceType", "/name"]), ({}, ["/resourceType"])):
        with pytest.raises(Invalid) as caught:
            await create(watches, resourceType="shop.other", **given)
        assert [each.pointer for each in caught.value.problems] == pointers
        assert caught.value.problems[0].message == "resourceType must be one of shop.order"


async def test_what_is_no_object_names_no_type_either(watches: Watches) -> None:
    with pytest.raises(Invalid) as caught:
        await watches.create(caller_of(ACCOUNT), [])
    assert [each.pointer for each in caught.value.problems] == ["/resourceType", ""]


class ChangingTypes(FakeDefinitions):
    """Refuses the first watches, because their type has changed."""

    def __init__(self, changes: int) -> None:
        super().__init__()
        self.changes = changes

    async def add_watch(self, watch: WatchRecord, **options: Any) -> WatchRecord:
        self.changes -= 1
        if self.changes >= 0:
            raise TypeChanged(watch.resource_type)
        return await super().add_watch(watch, **options)


@pytest.mark.parametrize("changes", [0, 1, MAX_TYPE_CHANGES - 1])
async def test_a_watch_is_validated_again_when_its_type_changes_in_between(changes: int) -> None:
    types = KnownTypes(SHOP)
    watches = Watches(ChangingTypes(changes), types, SEALER, clock=VirtualClock(), random=FixedRandom())
    row, _ = await create(watches)
    assert (row.resource_type, types.found[SHOP.name]) == (SHOP.name, changes + 1)


async def test_a_type_that_keeps_changing_makes_a_watch_wait() -> None:
    store = ChangingTypes(MAX_TYPE_CHANGES)
    watches = Watches(store, KnownTypes(SHOP), SEALER, clock=VirtualClock(), random=FixedRandom())
    with pytest.raises(StoreUnavailable, match=TYPE_KEEPS_CHANGING):
        await create(watches)


async def test_a_watch_at_a_path_has_the_type_and_scope_of_the_path(watches: Watches) -> None:
    parameters = {"shopId": "7", "watchId": "no parameter of the type"}
    stored = await watches.create_at(caller_of(ACCOUNT, "one"), {"address": "http://a.test/"}, SHOP, parameters)
    row = stored.record
    assert (row.resource_type, row.owner, stored.definition.scope) == (SHOP.name, "one", {"shopId": "7"})
    assert "http" not in repr(stored)


async def test_a_type_that_changes_is_told_where_a_path_names_it() -> None:
    watches = Watches(ChangingTypes(1), SHOP_TYPE, SEALER, clock=VirtualClock(), random=FixedRandom())
    with pytest.raises(TypeChanged):
        await watches.create_at(caller_of(ACCOUNT), {"address": "http://a.test/"}, SHOP, {"shopId": "7"})


class LaneStore(FakeDefinitions):
    """Remembers the slots of each lane."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: list[int | None] = []

    async def add_watch(
        self, watch: WatchRecord, *, slots: int | None, paused: bool, key: KeyRecord | None,
        validated_with_version: int | None = None,
        credential: NewCredential | None = None,
    ) -> WatchRecord:  # fmt: skip
        self.slots.append(slots)
        return await super().add_watch(
            watch,
            slots=slots,
            paused=paused,
            key=key,
            validated_with_version=validated_with_version,
            credential=credential,
        )


async def test_the_lane_of_a_watch_has_the_slots_that_it_asked_for() -> None:
    store = LaneStore()
    watches = Watches(
        store, SHOP_TYPE, SEALER, clock=VirtualClock(), random=FixedRandom(), bounds=WatchBounds(concurrency=5)
    )
    await create(watches)
    await create(watches, concurrency=5)
    assert store.slots == [None, 5]
    with pytest.raises(Invalid):
        await create(watches, concurrency=6)


async def test_the_loop_goes_on_while_a_watch_is_checked(watches: Watches) -> None:
    schema = {f"{number}": f"${{$.resource.a[?@.b == {number}]}}" for number in range(100)}
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await create(watches, schema=schema)
    task.cancel()
    assert turns > 10


async def test_a_plan_says_how_a_watch_is_served(watches: Watches, store: FakeDefinitions) -> None:
    row, _ = await create(
        watches, address="http://a.test/${$.event}", retry={"schedule": ["1m"]}, timeout="2s", storeBodies="none"
    )
    plan, plain = await plan_of(store, row), await plan_of(store, (await create(watches))[0])
    assert plan is not None
    assert plain is not None
    served, default = plan.compiled, plain.compiled
    assert served.retry_policy is not None
    assert (served.retry_policy.schedule, served.timeout, plan.store_bodies) == ((60,), 2, "none")
    assert (default.retry_policy, default.timeout, plain.store_bodies) == (None, None, "all")
    assert (served.address_template is None, default.address_template is None) == (False, True)


async def test_a_template_is_not_compiled_again_when_a_key_changes(
    watches: Watches, crypto_keys: CryptoKeys, store: FakeDefinitions
) -> None:
    row, _ = await create(watches, schema={"a": "${$.resource.id}"})
    definitions = WatchRegistry(store, {SHOP.name: SHOP})
    plans = EndpointCache(definitions, SEALER, CipherSigningKeys(), clock=VirtualClock(), user_agent="Hookward/test")
    await definitions.refresh()
    before = plans.get(row.id)
    await crypto_keys.create(ACCOUNT, {"name": "another"}, owner=None)
    await definitions.refresh()
    after = plans.get(row.id)
    assert before is not None
    assert after is not None
    assert (before is after, before.compiled.template is after.compiled.template) == (False, True)
    store.put(row)
    await definitions.refresh()
    changed = plans.get(row.id)
    assert changed is not None
    assert changed.compiled.template is not before.compiled.template


async def test_the_compiled_watches_that_are_kept_are_bounded(
    watches: Watches, crypto_keys: CryptoKeys, store: FakeDefinitions
) -> None:
    rows = [(await create(watches))[0] for _ in range(3)]
    definitions = WatchRegistry(store, {SHOP.name: SHOP})
    plans = EndpointCache(
        definitions, SEALER, CipherSigningKeys(), clock=VirtualClock(), user_agent="Hookward/test", limit=2
    )
    await definitions.refresh()
    first = [plan.compiled for row in rows if (plan := plans.get(row.id)) is not None]
    await crypto_keys.create(ACCOUNT, {"name": "another"}, owner=None)
    await definitions.refresh()
    again = [plan.compiled for row in reversed(rows) if (plan := plans.get(row.id)) is not None]
    assert [one is other for one, other in zip(first, reversed(again), strict=True)] == [False, True, True]


async def test_a_watch_is_stored_with_the_version_of_its_type_that_validated_it(
    watches: Watches, store: FakeDefinitions
) -> None:
    newest = replace(SHOP, version=7)
    await watches.create_at(caller_of(ACCOUNT), {"address": "http://a.test/"}, newest, {"shopId": "7"})
    assert store.validated_with_version == 7
