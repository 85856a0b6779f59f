from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from hookward.adapters.crypto.sealing import PREFIX_BYTES, AesGcmSealer
from hookward.application.sealing.key_check import KeyCheckValues, key_name
from hookward.application.sealing.rotation import PASSES, MasterKeyRotation, Reseal, Resealed, SealedField
from hookward.domain.errors import ConfigError

pytestmark = pytest.mark.virtual_time
A, B, C = (bytes([byte]) * 32 for byte in b"ABC")
PREFIXES = {key: AesGcmSealer(key).key_prefixes[0] for key in (A, B, C)}


class FakeSealedRows:
    """The SealedStore port in memory: rows by field, in order. ``locked`` is for how many reads a row stays locked."""

    def __init__(self) -> None:
        self.rows: dict[str, list[SealedField]] = {"watch.secrets": [], "crypto_key.previous": []}
        self.fingerprints: dict[str, bytes] = {}
        self.checks: dict[bytes, bytes] = {}
        self.locked: dict[str, int] = {}
        self.transactions = 0

    @property
    def fields(self) -> Sequence[str]:
        return tuple(self.rows)

    def put(self, key: bytes, *secrets: bytes, field: str = "watch.secrets", found: bool = False) -> str:
        name = f"row {len(self.rows[field])} of {field}"
        values = tuple([AesGcmSealer(key).seal(secret, name) for secret in secrets])
        subject = (lambda opened: (b"of " + opened, name)) if found else None
        self.rows[field].append(SealedField(name=name, about=name, values=values, subject=subject))
        self.checks[PREFIXES[key]] = b""
        return name

    async def reseal(
        self, field: str, prefix: bytes, reseal: Reseal, *, after: bytes | None, limit: int
    ) -> bytes | None:
        self.transactions += 1
        start, rows = int(after or b"0"), self.rows[field]
        for index in range(start, min(start + limit, len(rows))):
            row = rows[index]
            if self.locked.get(row.name, 0) > 0:
                self.locked[row.name] -= 1
            elif any(not value.startswith(prefix) for value in row.values):
                changed = reseal(row)
                if changed is not None:
                    rows[index] = msgspec.structs.replace(row, values=changed.values)
                    if changed.fingerprint is not None:
                        self.fingerprints[row.name] = changed.fingerprint
        return b"%d" % (start + limit) if start + limit <= len(rows) else None

    async def count_values(self) -> Mapping[bytes, int]:
        return Counter(value[:PREFIX_BYTES] for rows in self.rows.values() for row in rows for value in row.values)

    async def key_check_values(self) -> KeyCheckValues:
        return dict(self.checks)

    async def delete_key_check_values(self, marks: Sequence[bytes]) -> None:
        for prefix in marks:
            del self.checks[prefix]


@pytest.fixture
def store() -> FakeSealedRows:
    return FakeSealedRows()


def resealer(store: FakeSealedRows, *keys: bytes) -> MasterKeyRotation:
    return MasterKeyRotation(AesGcmSealer(*keys), store, setting="security.master_key")


def silent(_done: int, _total: int) -> None: ...


async def test_everything_is_sealed_with_the_first_key_afterwards_and_says_the_same(store: FakeSealedRows) -> None:
    for number in range(250):
        store.put(A, b"secret %d" % number)
    store.put(A, b"old", b"older", field="crypto_key.previous")
    report = await resealer(store, B, A).rotate(silent)
    assert (report.resealed, report.complete, report.unreadable) == (252, True, ())
    opened = [AesGcmSealer(B).unseal(row.values[0], row.about) for row in store.rows["watch.secrets"]]
    assert opened == [b"secret %d" % number for number in range(250)]
    assert [AesGcmSealer(B).unseal(each, row.about) for row in store.rows["crypto_key.previous"] for each in row.values]


async def test_the_proof_of_a_key_goes_when_nothing_is_sealed_with_it(store: FakeSealedRows) -> None:
    store.put(A, b"x")
    store.put(B, b"x")
    store.checks[PREFIXES[C]] = b""
    await resealer(store, B, A).rotate(silent)
    assert list(store.checks) == [PREFIXES[B]]


async def test_a_second_rotation_finds_nothing_to_do(store: FakeSealedRows) -> None:
    store.put(A, b"x")
    await resealer(store, B, A).rotate(silent)
    before = store.rows["watch.secrets"][0]
    report = await resealer(store, B, A).rotate(silent)
    assert (report.resealed, store.rows["watch.secrets"][0]) == (0, before)


async def test_only_old_values_of_a_row_count(store: FakeSealedRows) -> None:
    name = store.put(A, b"old", field="crypto_key.previous")
    row = store.rows["crypto_key.previous"][0]
    newer = AesGcmSealer(B).seal(b"new", name)
    store.rows["crypto_key.previous"][0] = msgspec.structs.replace(row, values=(newer, *row.values))
    assert (await resealer(store, B, A).rotate(silent)).resealed == 1


async def test_a_locked_row_is_come_back_to(store: FakeSealedRows) -> None:
    store.locked[store.put(A, b"x")] = 3
    report = await resealer(store, B, A).rotate(silent)
    assert (report.resealed, report.complete) == (1, True)


async def test_a_row_that_stays_locked_is_left_and_told(store: FakeSealedRows) -> None:
    store.put(A, b"y")
    store.locked[store.put(A, b"x")] = 10**6
    report = await resealer(store, B, A).rotate(silent)
    assert (report.resealed, report.complete) == (1, False)
    assert [(key.id, key.values) for key in report.keys] == [(key_name(PREFIXES[B]), 1), (key_name(PREFIXES[A]), 1)]
    assert PREFIXES[A] in store.checks
    assert store.transactions == 2 * (PASSES + 1)


async def test_a_row_that_does_not_open_is_named_and_left(store: FakeSealedRows) -> None:
    store.put(A, b"x")
    damaged = SealedField(name="damaged", about="d", values=(PREFIXES[A] + bytes(40),))
    store.rows["watch.secrets"].append(damaged)
    report = await resealer(store, B, A).rotate(silent)
    assert (report.resealed, report.unreadable, report.complete) == (1, ("damaged",), False)
    assert store.rows["watch.secrets"][1] == damaged
    assert PREFIXES[A] in store.checks


async def test_nothing_is_touched_when_a_key_is_missing(store: FakeSealedRows) -> None:
    store.put(A, b"x")
    store.put(C, b"x")
    with pytest.raises(ConfigError) as caught:
        await resealer(store, B, A).rotate(silent)
    assert str(caught.value) == (
        "security.master_key: wrong key: secrets in this database are sealed with master key "
        f"{key_name(PREFIXES[C])}, which is not configured; add it to security.old_master_keys"
    )
    assert store.transactions == 0


async def test_a_row_that_is_found_by_a_fingerprint_gets_that_of_the_new_key(store: FakeSealedRows) -> None:
    name = store.put(A, b"refresh token", found=True)
    await resealer(store, B, A).rotate(silent)
    assert store.fingerprints == {name: AesGcmSealer(B).fingerprint(b"of refresh token", name)}


async def test_progress_is_told_of_how_many(store: FakeSealedRows) -> None:
    for _ in range(150):
        store.put(A, b"x")
    told: list[tuple[int, int]] = []
    await resealer(store, B, A).rotate(lambda done, total: told.append((done, total)))
    assert told == [(100, 150), (150, 150), (150, 150)]


async def test_the_status_says_what_each_key_is_good_for(store: FakeSealedRows) -> None:
    store.put(B, b"x")
    store.put(A, b"x")
    store.put(A, b"x", b"y", field="crypto_key.previous")
    uses = {use.id: use for use in await resealer(store, B, C).status()}
    assert [*uses] == [key_name(PREFIXES[key]) for key in (B, C, A)]
    said = [(use.values, use.configured, use.seals, use.may_be_dropped) for use in uses.values()]
    assert said == [(1, True, True, False), (0, True, False, True), (3, False, False, False)]


async def test_a_key_may_be_dropped_only_when_no_start_asks_for_it(store: FakeSealedRows) -> None:
    store.put(B, b"x")
    store.checks[PREFIXES[A]] = b""
    resealing = resealer(store, B, A)
    assert [use.may_be_dropped for use in await resealing.status()] == [False, False]
    assert [use.may_be_dropped for use in (await resealing.rotate(silent)).keys] == [False, True]


def test_reprs_show_no_values() -> None:
    row = SealedField(name="row 1", about="here", values=(b"canary",))
    assert repr(row) == "<SealedField row 1>"
    assert repr(Resealed(values=(b"canary", b"x"))) == "<Resealed 2 values>"
