from __future__ import annotations

from collections.abc import Callable

import pytest

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.application.sealing.key_check import KeyCheckValues, admit, key_name
from hookward.domain.errors import ConfigError

A, B, C = (bytes([byte]) * 32 for byte in b"ABC")


class Store:
    """The ProofStore port in memory; ``meanwhile`` happens between a look and the lock."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.meanwhile: dict[bytes, bytes] = {}

    async def proofs(self) -> KeyCheckValues:
        return dict(self.kept)

    async def add_proof(self, mark: bytes, proof: bytes, *, judge: Callable[[KeyCheckValues], None]) -> None:
        self.kept |= self.meanwhile
        judge(dict(self.kept))
        self.kept.setdefault(mark, proof)


def name(key: bytes) -> str:
    return key_name(AesGcmSealer(key).marks[0])


async def test_the_first_key_is_taken_whatever_it_is_and_then_asked_for() -> None:
    store = Store()
    await admit(AesGcmSealer(A), store, setting="security.master_key")
    await admit(AesGcmSealer(A), store, setting="security.master_key")
    with pytest.raises(ConfigError) as caught:
        await admit(AesGcmSealer(B), store, setting="security.master_key")
    assert str(caught.value) == (
        f"security.master_key: wrong key: secrets in this database are sealed with master key {name(A)}, "
        f"and configured is {name(B)}; give that key, or add it to security.old_master_keys"
    )
    assert len(store.kept) == 1


async def test_a_key_that_sealed_is_asked_for_until_its_proof_is_gone() -> None:
    store = Store()
    await admit(AesGcmSealer(A), store, setting="s")
    await admit(AesGcmSealer(B, A), store, setting="s")
    for ring in (AesGcmSealer(A), AesGcmSealer(B), AesGcmSealer(C, A)):
        with pytest.raises(ConfigError, match="wrong key"):
            await admit(ring, store, setting="s")
    del store.kept[AesGcmSealer(A).marks[0]]
    await admit(AesGcmSealer(B), store, setting="s")


async def test_several_keys_that_are_missing_are_all_named() -> None:
    store = Store()
    await admit(AesGcmSealer(A), store, setting="s")
    await admit(AesGcmSealer(B, A), store, setting="s")
    with pytest.raises(ConfigError, match=f"master key {name(A)} and {name(B)}, and configured is {name(C)};"):
        await admit(AesGcmSealer(C), store, setting="s")


async def test_of_two_first_starts_with_different_keys_one_wins() -> None:
    other = Store()
    await admit(AesGcmSealer(A), other, setting="s")
    store = Store()
    store.meanwhile = other.kept
    with pytest.raises(ConfigError, match="wrong key"):
        await admit(AesGcmSealer(B), store, setting="s")
    assert list(store.kept) == list(AesGcmSealer(A).marks)


async def test_two_first_starts_with_the_same_key_both_begin() -> None:
    other = Store()
    await admit(AesGcmSealer(A), other, setting="s")
    store = Store()
    store.meanwhile = other.kept
    await admit(AesGcmSealer(A), store, setting="s")
    assert store.kept == other.kept


async def test_a_proof_that_the_right_key_does_not_open_is_refused_too() -> None:
    store = Store()
    mark = AesGcmSealer(A).marks[0]
    store.kept[mark] = mark + bytes(40)
    with pytest.raises(ConfigError, match="wrong key"):
        await admit(AesGcmSealer(A), store, setting="s")
