from __future__ import annotations

from collections.abc import Callable

import pytest

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.application.sealing.key_check import KeyCheckValues, key_name, verify_master_keys
from hookward.domain.errors import ConfigError

A, B, C = (bytes([byte]) * 32 for byte in b"ABC")


class FakeKeyChecks:
    """The KeyCheckStore port in memory; ``meanwhile`` happens between a look and the lock."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.meanwhile: dict[bytes, bytes] = {}

    async def key_check_values(self) -> KeyCheckValues:
        return dict(self.kept)

    async def add_key_check_value(
        self, prefix: bytes, value: bytes, *, validate: Callable[[KeyCheckValues], None]
    ) -> None:
        self.kept |= self.meanwhile
        validate(dict(self.kept))
        self.kept.setdefault(prefix, value)


def name(key: bytes) -> str:
    return key_name(AesGcmSealer(key).key_prefixes[0])


async def test_the_first_key_is_taken_whatever_it_is_and_then_asked_for() -> None:
    store = FakeKeyChecks()
    await verify_master_keys(AesGcmSealer(A), store, setting="security.master_key")
    await verify_master_keys(AesGcmSealer(A), store, setting="security.master_key")
    with pytest.raises(ConfigError) as caught:
        await verify_master_keys(AesGcmSealer(B), store, setting="security.master_key")
    assert str(caught.value) == (
        f"security.master_key: wrong key: secrets in this database are sealed with master key {name(A)}, "
        f"and configured is {name(B)}; give that key, or add it to security.old_master_keys"
    )
    assert len(store.kept) == 1


async def test_a_key_that_sealed_is_asked_for_until_its_proof_is_gone() -> None:
    store = FakeKeyChecks()
    await verify_master_keys(AesGcmSealer(A), store, setting="s")
    await verify_master_keys(AesGcmSealer(B, A), store, setting="s")
    for keys in (AesGcmSealer(A), AesGcmSealer(B), AesGcmSealer(C, A)):
        with pytest.raises(ConfigError, match="wrong key"):
            await verify_master_keys(keys, store, setting="s")
    del store.kept[AesGcmSealer(A).key_prefixes[0]]
    await verify_master_keys(AesGcmSealer(B), store, setting="s")


async def test_several_keys_that_are_missing_are_all_named() -> None:
    store = FakeKeyChecks()
    await verify_master_keys(AesGcmSealer(A), store, setting="s")
    await verify_master_keys(AesGcmSealer(B, A), store, setting="s")
    with pytest.raises(ConfigError, match=f"master key {name(A)} and {name(B)}, and configured is {name(C)};"):
        await verify_master_keys(AesGcmSealer(C), store, setting="s")


async def test_of_two_first_starts_with_different_keys_one_wins() -> None:
    other = FakeKeyChecks()
    await verify_master_keys(AesGcmSealer(A), other, setting="s")
    store = FakeKeyChecks()
    store.meanwhile = other.kept
    with pytest.raises(ConfigError, match="wrong key"):
        await verify_master_keys(AesGcmSealer(B), store, setting="s")
    assert list(store.kept) == list(AesGcmSealer(A).key_prefixes)


async def test_two_first_starts_with_the_same_key_both_begin() -> None:
    other = FakeKeyChecks()
    await verify_master_keys(AesGcmSealer(A), other, setting="s")
    store = FakeKeyChecks()
    store.meanwhile = other.kept
    await verify_master_keys(AesGcmSealer(A), store, setting="s")
    assert store.kept == other.kept


async def test_a_proof_that_the_right_key_does_not_open_is_refused_too() -> None:
    store = FakeKeyChecks()
    prefix = AesGcmSealer(A).key_prefixes[0]
    store.kept[prefix] = prefix + bytes(40)
    with pytest.raises(ConfigError, match="wrong key"):
        await verify_master_keys(AesGcmSealer(A), store, setting="s")
