"""Sealing with a ring of keys, against RFC 5869 and SP 800-38D as another implementation has them."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hookward.adapters.crypto.sealing import PREFIX_BYTES, AesGcmSealer
from hookward.adapters.postgres.sealed import _PREFIX_BYTES
from hookward.domain.errors import ConfigError, DecryptionFailed
from hookward.domain.ids import AccountId
from hookward.domain.sealing import sealed_place

A, B, C = (bytes([byte]) * 32 for byte in b"ABC")
SECRET = b"correct horse battery staple"


def derived(key: bytes, use: bytes, size: int) -> bytes:
    """HKDF by hand: extract without salt, one block of expand."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, b"hookward " + use + b"\x01", "sha256")[:size]


def test_what_was_sealed_opens_for_the_same_place() -> None:
    sealer = AesGcmSealer(A)
    assert sealer.unseal(sealer.seal(SECRET, "here"), "here") == SECRET
    assert sealer.unseal(sealer.seal(b"", "here"), "here") == b""


def test_the_format_is_as_it_is_written_down() -> None:
    sealed = AesGcmSealer(A).seal(SECRET, "here")
    prefix, nonce, body = sealed[:5], sealed[5:17], sealed[17:]
    assert prefix == b"\x01" + derived(A, b"id", 4)
    assert AESGCM(derived(A, b"sealing", 32)).decrypt(nonce, body, prefix + b"here") == SECRET


def test_no_two_sealings_are_alike_and_none_shows_the_secret() -> None:
    sealer = AesGcmSealer(A)
    first, second = sealer.seal(SECRET, "here"), sealer.seal(SECRET, "here")
    assert first != second
    assert SECRET not in first + second


def test_elsewhere_it_does_not_open() -> None:
    sealer = AesGcmSealer(A)
    with pytest.raises(DecryptionFailed, match="changed or moved"):
        sealer.unseal(sealer.seal(SECRET, "here"), "there")


@pytest.mark.parametrize("index", [0, 1, 4, 5, 16, 17, 30, -1])
def test_a_changed_byte_anywhere_is_noticed(index: int) -> None:
    sealed = bytearray(AesGcmSealer(A).seal(SECRET, "here"))
    sealed[index] ^= 1
    with pytest.raises(DecryptionFailed):
        AesGcmSealer(A).unseal(bytes(sealed), "here")


@pytest.mark.parametrize("size", [0, 1, 5, 17, 32])
def test_a_cut_value_is_noticed(size: int) -> None:
    with pytest.raises(DecryptionFailed, match="damaged"):
        AesGcmSealer(A).unseal(AesGcmSealer(A).seal(SECRET, "here")[:size], "here")


def test_the_first_key_seals_and_every_key_opens() -> None:
    old, ring = AesGcmSealer(A).seal(SECRET, "here"), AesGcmSealer(B, A)
    assert ring.unseal(old, "here") == SECRET
    assert AesGcmSealer(B).unseal(ring.seal(SECRET, "here"), "here") == SECRET


def test_a_key_that_is_not_configured_is_named_by_its_id_and_the_secret_is_not() -> None:
    ring = AesGcmSealer(A)
    with pytest.raises(DecryptionFailed, match=f"master key {ring.key_prefixes[0][1:].hex()}, which is not configured"):
        AesGcmSealer(B).unseal(ring.seal(SECRET, "here"), "here")


def test_what_a_key_sealed_begins_with_its_prefix() -> None:
    ring = AesGcmSealer(B, A, B)
    assert ring.key_prefixes == (AesGcmSealer(B).key_prefixes[0], AesGcmSealer(A).key_prefixes[0])
    assert ring.seal(SECRET, "here").startswith(ring.key_prefixes[0])
    assert {len(prefix) for prefix in ring.key_prefixes} == {PREFIX_BYTES} == {_PREFIX_BYTES}


def test_no_key_is_in_its_mark_or_repr() -> None:
    ring = AesGcmSealer(A, B)
    assert repr(ring) == f"<AesGcmSealer {ring.key_prefixes[0][1:].hex()} {ring.key_prefixes[1][1:].hex()}>"
    assert sha256(A).digest()[:4] != ring.key_prefixes[0][1:]


@pytest.mark.parametrize("keys", [(), (b"short",), (A, b"x" * 33)])
def test_what_is_no_key_is_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ConfigError, match=r"security\.master_key: must be 32 bytes"):
        AesGcmSealer(*keys)


def test_a_fingerprint_is_the_same_for_the_same_secret_and_subject_alone() -> None:
    sealer = AesGcmSealer(A)
    subjects = [(SECRET, "here"), (SECRET, "there"), (b"another", "here"), (b"e" + SECRET, "her"), (SECRET, "")]
    assert len({sealer.fingerprint(*subject) for subject in subjects}) == len(subjects)
    assert sealer.fingerprint(SECRET, "here") == AesGcmSealer(A, B).fingerprint(SECRET, "here")
    key = derived(A, b"fingerprints", 32)
    assert sealer.fingerprint(SECRET, "here") == hmac.digest(key, b"\0\0\0\x04here" + SECRET, "sha256")


def test_a_fingerprint_is_found_by_the_key_that_made_it() -> None:
    made = AesGcmSealer(A).fingerprint(SECRET, "here")
    first, second = AesGcmSealer(B, A).fingerprints(SECRET, "here")
    assert (first, second) == (AesGcmSealer(B).fingerprint(SECRET, "here"), made)
    assert made not in AesGcmSealer(B, C).fingerprints(SECRET, "here")


def test_no_two_places_read_alike() -> None:
    places = {
        sealed_place(AccountId(account), owner, row, id_, field)
        for account in (1, 11)
        for owner in (None, "", "a", "1/watch:00/secrets")
        for row in ("watch", "key")
        for id_ in (bytes(16), b"1" * 16)
        for field in ("secret", "secrets")
    }
    assert len(places) == 2 * 4 * 2 * 2 * 2
