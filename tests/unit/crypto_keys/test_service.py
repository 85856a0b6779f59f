"""The life of a crypto key: made or imported, rotated without a gap, retired without a watch left unsigned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.application.crypto_keys.service import MAX_OLD_SECRETS, CryptoKeys, KeyQuery
from hookward.application.delivery.endpoint import Endpoint, SigningKeyMissing
from hookward.application.delivery.endpoints import EndpointCache
from hookward.application.records import KeyRecord, PreviousSecret, WatchRecord
from hookward.application.watches.registry import WatchRegistry
from hookward.application.watches.service import Watches
from hookward.domain.crypto_keys.model import Algorithm
from hookward.domain.crypto_keys.rules import read_rotation
from hookward.domain.errors import Conflict, Invalid, NotFound
from hookward.domain.ids import AccountId, CryptoKeyId, IdPrefix, to_text
from hookward.domain.signing.request_signer import RequestSigner
from hookward.domain.signing.standard_webhooks import secret_to_text
from tests.fakes.stores import FakeDefinitions
from tests.fakes.virtual_time import FixedRandom
from tests.fakes.watches import SHOP_TYPE, create_watch
from tests.fakes.worker_harness import SHOP

pytestmark = pytest.mark.virtual_time

ACCOUNT = AccountId(1)
SEALER = AesGcmSealer(b"k" * 32)
DAY = 86_400.0
START = datetime(2026, 11, 21, 12, tzinfo=UTC)


class ManualClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def now_us(self) -> int:
        return int(self.now.timestamp() * 1_000_000)

    def monotonic(self) -> float:
        return self.now.timestamp()

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class TokenHarness:
    """Keys and watches on one store, and a worker's plans of them, on one clock."""

    def __init__(self) -> None:
        self.clock, self.store = ManualClock(), FakeDefinitions()
        self.store.now = lambda: self.clock.now
        random = FixedRandom()
        self.keys = CryptoKeys(self.store, SEALER, CipherSigningKeys(), clock=self.clock, random=random)
        self.watches = Watches(self.store, SHOP_TYPE, SEALER, clock=self.clock, random=random)
        self.definitions = WatchRegistry(self.store, {SHOP.name: SHOP})
        self.plans = EndpointCache(
            self.definitions, SEALER, CipherSigningKeys(), clock=self.clock, user_agent="Hookward/test"
        )

    async def key(self, **given: Any) -> tuple[KeyRecord, str]:
        owner = given.pop("owner", None)
        row, secret = await self.keys.create(ACCOUNT, {"name": "a key", **given}, owner=owner)
        return row, secret or ""

    async def watch(self, *keys: KeyRecord, enabled: bool = True) -> WatchRecord:
        signature = {"enabled": enabled, "cryptoKeyIds": [text(key) for key in keys]}
        given = {"address": "http://a.test/", "signature": signature, "schema": '{"n": 12345678901234567890123}'}
        row, _ = await create_watch(self.watches, ACCOUNT, given, {})
        return row

    async def rotate(self, key: KeyRecord, owner: str | None = None, **given: Any) -> str:
        return (await self.keys.rotate(ACCOUNT, key.id, given, owner=owner))[1] or ""

    async def retire(self, key: KeyRecord, *, owner: str | None = None) -> None:
        await self.keys.retire(ACCOUNT, key.id, owner=owner)

    def signer(self, watch: WatchRecord) -> RequestSigner:
        signer = self.plan(watch).signer
        assert signer is not None
        return signer

    def plan(self, watch: WatchRecord) -> Endpoint:
        plan = self.plans.get(watch.id)
        assert plan is not None
        return plan

    async def signing(self, watch: WatchRecord) -> list[str]:
        """The secrets that sign what a worker sends now."""
        await self.definitions.refresh()
        return [secret_to_text(secret) for secret in self.signer(watch).secrets]


@pytest.fixture
def harness() -> TokenHarness:
    return TokenHarness()


def text(key: KeyRecord) -> str:
    return to_text(IdPrefix.CRYPTO_KEY, key.id)


async def test_a_rotated_key_signs_with_both_secrets_newest_first_until_the_overlap_is_over(
    harness: TokenHarness,
) -> None:
    key, first = await harness.key()
    watch = await harness.watch(key)
    second = await harness.rotate(key)
    assert await harness.signing(watch) == [second, first]
    harness.clock.forward(DAY - 1)
    assert await harness.signing(watch) == [second, first]
    harness.clock.forward(1)
    assert await harness.signing(watch) == [second]


async def test_a_key_that_is_rotated_after_it_has_signed_signs_with_its_new_secret(harness: TokenHarness) -> None:
    key, first = await harness.key()
    watch = await harness.watch(key)
    assert await harness.signing(watch) == [first]
    second = await harness.rotate(key, overlap="0s")
    assert await harness.signing(watch) == [second]


async def test_a_plan_is_made_once_while_no_overlap_ends(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    watch = await harness.watch(key)
    await harness.rotate(key)
    await harness.definitions.refresh()
    before = harness.plan(watch)
    harness.clock.forward(DAY - 1)
    assert harness.plan(watch) is before
    harness.clock.forward(1)
    after = harness.plan(watch)
    assert (after is before, harness.plan(watch) is after) == (False, True)


async def test_rotations_within_an_overlap_let_each_secret_sign_for_its_own_time(harness: TokenHarness) -> None:
    key, first = await harness.key()
    watch = await harness.watch(key)
    second = await harness.rotate(key, overlap="10h")
    harness.clock.forward(3600)
    third = await harness.rotate(key)
    assert await harness.signing(watch) == [third, second, first]
    harness.clock.forward(9 * 3600)
    assert await harness.signing(watch) == [third, second]
    harness.clock.forward(DAY)
    assert await harness.signing(watch) == [third]


@pytest.mark.parametrize(("overlap", "left"), [("0s", 1), ("1h", 3)])
async def test_a_shorter_overlap_ends_every_former_secret_by_then(
    harness: TokenHarness, overlap: str, left: int
) -> None:
    key, _ = await harness.key()
    watch = await harness.watch(key)
    await harness.rotate(key)
    newest = await harness.rotate(key, overlap=overlap)
    assert len(await harness.signing(watch)) == left
    harness.clock.forward(3600)
    assert await harness.signing(watch) == [newest]


async def test_a_key_holds_so_many_former_secrets_and_says_when_there_is_room(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    for number in range(MAX_OLD_SECRETS):
        await harness.rotate(key, overlap=f"{10 + number}h")
    with pytest.raises(Conflict, match="2026-11-21T22:00:00Z"):
        await harness.rotate(key)
    harness.clock.forward(10 * 3600)
    await harness.rotate(key)
    await harness.rotate(key, overlap="0s")


async def test_a_secret_may_be_brought_along_and_is_kept(harness: TokenHarness) -> None:
    given = secret_to_text(b"s" * 32)
    key, secret = await harness.key(secret=given)
    other = secret_to_text(b"t" * 24)
    assert (secret, await harness.rotate(key, secret=other)) == (given, other)
    assert await harness.signing(await harness.watch(key)) == [other, given]


async def test_a_secret_that_signs_already_is_no_rotation(harness: TokenHarness) -> None:
    key, first = await harness.key()
    second = await harness.rotate(key)
    for known in (first, second):
        with pytest.raises(Invalid) as refused:
            await harness.rotate(key, secret=known)
        assert [problem.pointer for problem in refused.value.problems] == ["/secret"]
    harness.clock.forward(DAY)
    assert await harness.rotate(key, secret=first) == first


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ([], [""]),
        (None, [""]),
        ({"overlap": "25"}, ["/overlap"]),
        ({"overlap": 3600}, ["/overlap"]),
        ({"overlap": "-1s"}, ["/overlap"]),
        ({"overlap": "31d"}, ["/overlap"]),
        ({"secret": "whsec_AAAA", "overlap": "soon", "name": "x"}, ["/name", "/secret", "/overlap"]),
    ],
)
async def test_everything_wrong_with_a_rotation_is_named_at_once(
    harness: TokenHarness, given: Any, pointers: list[str]
) -> None:
    key, _ = await harness.key()
    with pytest.raises(Invalid) as refused:
        await harness.keys.rotate(ACCOUNT, key.id, given, owner=None)
    assert [problem.pointer for problem in refused.value.problems] == pointers


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ([], [""]),
        ({}, ["/name"]),
        ({"name": "", "secret": "whsec_x", "more": 1}, ["/more", "/name", "/secret"]),
        ({"name": "n", "algorithm": "ed448", "format": "jws", "secret": 7}, ["/algorithm", "/format", "/secret"]),
        ({"name": "n", "algorithm": 7, "secret": "whsec_x"}, ["/algorithm"]),
        ({"name": "n", "algorithm": "ed25519", "secret": 7}, ["/secret"]),
        ({"name": "n", "algorithm": "rsa-pss-sha512", "format": "standard-webhooks"}, ["/format"]),
    ],
)
async def test_everything_wrong_with_a_key_is_named_at_once(
    harness: TokenHarness, given: Any, pointers: list[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        await harness.keys.create(ACCOUNT, given, owner=None)
    assert [problem.pointer for problem in refused.value.problems] == pointers


async def test_keys_are_read_and_listed_by_name_and_page(harness: TokenHarness) -> None:
    made = [(await harness.key(name=name))[0] for name in ("a", "b", "a", "a")]
    assert (await harness.keys.get(ACCOUNT, made[1].id, owner=None)).read_definition().name == "b"
    query = KeyQuery(account=ACCOUNT, name="a", limit=2)
    page = await harness.keys.list(query)
    rest = await harness.keys.list(msgspec.structs.replace(query, after=page[-1].id))
    assert [row.id for row in page + rest] == [made[0].id, made[2].id, made[3].id]


async def test_a_retired_key_is_gone_with_its_secrets_and_watches_go_on_with_the_others(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    other, secret = await harness.key()
    watch = await harness.watch(key, other)
    idle = await harness.watch(key, enabled=False)
    await harness.retire(key)
    assert await harness.signing(watch) == [secret]
    assert [(await harness.watches.get(ACCOUNT, each.id)).read_definition().key_ids for each in (watch, idle)] == [
        (text(other),), ()
    ]  # fmt: skip
    stored = harness.store._keys[key.id]
    assert (stored.secret, stored.previous, harness.definitions.key(key.id)) == (b"", (), None)
    with pytest.raises(NotFound):
        await harness.keys.get(ACCOUNT, key.id, owner=None)


async def test_a_watch_that_loses_a_key_is_otherwise_the_same_to_the_byte(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    other, _ = await harness.key()
    watch = await harness.watch(key, other)
    await harness.retire(key)
    changed = await harness.watches.get(ACCOUNT, watch.id)
    assert changed.definition == watch.definition.replace(f'"{text(key)}",'.encode(), b"")


async def test_a_watch_that_only_speaks_of_a_key_does_not_name_it(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    given = {"address": "http://a.test/", "schema": {"signed with": text(key)}}
    watch, _ = await create_watch(harness.watches, ACCOUNT, given, {})
    await harness.retire(key)
    assert (await harness.watches.get(ACCOUNT, watch.id)).version == watch.version


async def test_a_key_that_alone_signs_for_watches_is_not_retired_and_they_are_named(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    watches = [await harness.watch(key) for _ in range(2)]
    with pytest.raises(Conflict) as refused:
        await harness.retire(key)
    assert all(to_text(IdPrefix.WATCH, watch.id) in refused.value.detail for watch in watches)
    assert len(await harness.signing(watches[0])) == 1


async def test_a_key_of_many_watches_names_some_and_counts_the_rest(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    for _ in range(12):
        await harness.watch(key)
    with pytest.raises(Conflict, match=r"(wat_\w+, ){10}2 more;"):
        await harness.retire(key)


@pytest.mark.parametrize(("count", "named"), [(1, "1 watch of others"), (2, "2 watches of others")])
async def test_an_owner_is_not_told_which_watches_of_others_a_key_signs_for(
    harness: TokenHarness, count: int, named: str
) -> None:
    key, _ = await harness.key(owner="mine")
    for _ in range(count):
        await harness.watch(key)
    with pytest.raises(Conflict, match=f"no other key signs for {named};"):
        await harness.retire(key, owner="mine")


async def test_a_retired_key_counts_for_no_watch(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    other, _ = await harness.key()
    await harness.watch(key, other)
    await harness.retire(other)
    with pytest.raises(Conflict):
        await harness.retire(key)


async def test_another_owner_s_key_is_not_there(harness: TokenHarness) -> None:
    key, _ = await harness.key(owner="mine")
    await harness.key()
    with pytest.raises(NotFound):
        await harness.keys.get(ACCOUNT, key.id, owner="other")
    with pytest.raises(NotFound):
        await harness.rotate(key, owner="other")
    with pytest.raises(NotFound):
        await harness.retire(key, owner="other")
    assert await harness.keys.list(KeyQuery(account=ACCOUNT, owner="other", limit=9)) == []
    assert [row.id for row in await harness.keys.list(KeyQuery(account=ACCOUNT, owner="mine", limit=9))] == [key.id]


@pytest.mark.parametrize("missing", [None, CryptoKeyId(bytes(16))])
async def test_a_key_that_does_not_exist_is_not_found(harness: TokenHarness, missing: CryptoKeyId | None) -> None:
    with pytest.raises(NotFound):
        await harness.keys.get(ACCOUNT, missing, owner=None)
    with pytest.raises(NotFound):
        await harness.keys.rotate(ACCOUNT, missing, {}, owner=None)
    with pytest.raises(NotFound):
        await harness.keys.retire(ACCOUNT, missing, owner=None)


async def test_a_watch_that_signs_and_has_no_key_left_sends_nothing(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    watch = await harness.watch(key)
    await harness.store.retire_key(ACCOUNT, key.id, owner=None, release=lambda _watches, _left: [])
    await harness.definitions.refresh()
    with pytest.raises(SigningKeyMissing):
        harness.plans.get(watch.id)


async def test_values_that_hold_secrets_do_not_show_them(harness: TokenHarness) -> None:
    key, secret = await harness.key()
    await harness.rotate(key)
    row = await harness.keys.get(ACCOUNT, key.id, owner=None)
    given, read = {"secret": secret}, CipherSigningKeys().read
    rotation = read_rotation(given, algorithm=Algorithm.HMAC_SHA256, overlap=5.0, read=read)
    shown = repr(row) + repr(row.previous) + repr(rotation) + repr(rotation.imported)
    assert "<PreviousSecret until 2026-11-22" in shown
    assert ("whsec" in shown, "secret=" in shown, isinstance(row.previous[0], PreviousSecret)) == (False, False, True)


ASYMMETRIC = [each for each in Algorithm if each is not Algorithm.HMAC_SHA256]


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
async def test_a_private_key_is_never_shown_and_its_public_key_is(harness: TokenHarness, algorithm: Algorithm) -> None:
    row, secret = await harness.keys.create(ACCOUNT, {"name": "k", "algorithm": algorithm.value}, owner=None)
    _, again = await harness.keys.rotate(ACCOUNT, row.id, {}, owner=None)
    assert (secret, again) == (None, None)
    shown = harness.keys.public_text(row) or ""
    assert shown.startswith("whpk_" if algorithm is Algorithm.ED25519 else "-----BEGIN PUBLIC KEY-----")
    hmac, _ = await harness.key()
    assert harness.keys.public_text(hmac) is None


@pytest.mark.parametrize("algorithm", ["ecdsa-p256-sha256", "rsa-pss-sha512"])
async def test_what_standard_webhooks_has_no_version_for_signs_messages(harness: TokenHarness, algorithm: str) -> None:
    row, _ = await harness.key(algorithm=algorithm)
    assert row.read_definition().format == "rfc9421"


async def test_while_keys_of_all_kinds_are_rotated_both_of_each_sign_by_names_of_their_own(
    harness: TokenHarness,
) -> None:
    standard, _ = await harness.key(algorithm="ed25519")
    messages = [(await harness.key(algorithm=each.value, format="rfc9421"))[0] for each in Algorithm]
    watch = await harness.watch(standard, *messages)
    for key in (standard, *messages):
        await harness.rotate(key)
    await harness.definitions.refresh()
    signer = harness.signer(watch)
    expected = [name for key in (standard, *messages) for name in (f"{text(key)}.2", text(key))]
    assert ([each.kid for each in (*signer.standard, *signer.messages)], signer.secrets) == (expected, ())
    assert signer.slow
    harness.clock.forward(DAY)
    signer = harness.signer(watch)
    assert [each.kid for each in (*signer.standard, *signer.messages)] == [
        f"{text(key)}.2" for key in (standard, *messages)
    ]


async def test_a_key_cannot_be_rotated_to_one_of_another_kind(harness: TokenHarness) -> None:
    key, _ = await harness.key(algorithm="ed25519")
    with pytest.raises(Invalid) as refused:
        await harness.rotate(key, secret=secret_to_text(b"s" * 32))
    assert [problem.pointer for problem in refused.value.problems] == ["/secret"]


async def test_a_key_that_is_retired_while_a_new_secret_is_made_is_gone(harness: TokenHarness) -> None:
    key, _ = await harness.key()
    store = harness.store

    async def gone(*_: Any, **__: Any) -> None:
        return None

    store.change_key = gone  # type: ignore[method-assign]
    with pytest.raises(NotFound):
        await harness.rotate(key)
