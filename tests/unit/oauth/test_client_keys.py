"""Private keys that integrators give for private_key_jwt."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from hookward.adapters.oauth.client_keys import _REGISTRY, UnusableKey, check_private_key, load_private_key


@cache
def rsa() -> RSAKey:
    return RSAKey.generate_key(2048)


@cache
def pem(kind: str) -> str:
    match kind:
        case "RSA":
            return rsa().as_pem(private=True).decode()
        case "Ed25519" | "X25519" | "Ed448":
            return OKPKey.generate_key(kind).as_pem(private=True).decode()
        case _:
            return ECKey.generate_key(kind).as_pem(private=True).decode()


def jwk(**more: Any) -> str:
    members = {**rsa().as_dict(private=True), **more}
    return json.dumps({name: value for name, value in members.items() if value is not None})


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("RSA", "RS256"), ("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512"), ("Ed25519", "EdDSA")],
)
def test_each_kind_of_key_signs_with_its_algorithm(kind: str, algorithm: str) -> None:
    key = load_private_key(pem(kind))
    token = jwt.decode(key.sign({"iss": "me"}), key.key, registry=_REGISTRY)
    assert (token.header, token.claims) == ({"typ": "JWT", "alg": algorithm}, {"iss": "me"})


def test_a_jwk_says_its_algorithm_and_id() -> None:
    key = load_private_key(jwk(alg="PS384", kid="k1"))
    token = jwt.decode(key.sign({}), rsa(), algorithms=["PS384"])
    assert token.header == {"typ": "JWT", "alg": "PS384", "kid": "k1"}


def test_a_key_among_other_blocks_is_found() -> None:
    text = f"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{pem('P-256')}"
    assert load_private_key(text).algorithm == "ES256"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_line_ends_and_what_surrounds_a_key_do_not_matter(ends: str) -> None:
    assert check_private_key(f"Bag Attributes{ends} {pem('RSA')}{ends}".replace("\n", ends)) is None


def short() -> str:
    raw = RSAKey.binding.generate_private_key(1024)
    return RSAKey(raw, raw).as_pem(private=True).decode()


def large() -> str:
    return pem("RSA").replace("\nMII", "\n" + "MII" + "A" * 3400, 1)


UNUSABLE: dict[str, tuple[Callable[[], str], str]] = {
    "nothing": (lambda: "", "Ed25519"),
    "a password": (lambda: "s3cret", "Ed25519"),
    "a public key": (lambda: rsa().as_pem(private=False).decode(), "this is a public key or a certificate"),
    "an encrypted key": (
        lambda: rsa().as_pem(private=True, password="p").decode(),
        "without a passphrase; this one has one",
    ),
    "a short RSA key": (short, "this has 1024 bits"),
    "a large RSA key": (large, "this is larger"),
    "secp256k1": (lambda: pem("secp256k1"), "this is on another curve"),
    "X25519": (lambda: pem("X25519"), "this is on another curve"),
    "Ed448": (lambda: pem("Ed448"), "this is on another curve"),
    "a broken PEM": (lambda: pem("RSA").replace("MII", "MIJ", 1), "Ed25519"),
    "many beginnings": (lambda: "-----BEGIN PRIVATE KEY-----" * 500, "Ed25519"),
    "a long text": (lambda: "x" * 16_385, "longer than any of them"),
    "a broken JWK": (lambda: "{", "is not JSON"),
    "a deep JWK": (lambda: "{" + '"a":[' * 2000, "is not JSON"),
    "a set": (lambda: json.dumps({"keys": [rsa().as_dict(private=True)]}), "set of keys"),
    "a symmetric key": (lambda: json.dumps({"kty": "oct", "k": "AAAA"}), "another kty"),
    "an odd kty": (lambda: json.dumps({"kty": ["RSA"], "d": "AAAA"}), "another kty"),
    "an EC key of nothing": (
        lambda: json.dumps({"kty": "EC", "crv": "P-256", "x": "A", "y": "A", "d": "A"}),
        "are no key",
    ),
    "an EC key of oddities": (
        lambda: json.dumps({"kty": "EC", "crv": "P-256", "x": 1, "y": [], "d": {}}),
        "are no key",
    ),
    "a public JWK": (lambda: json.dumps(rsa().as_dict(private=False)), "the public part only"),
    "an RSA JWK without primes": (lambda: jwk(p=None, q=None), "needs n, e, d, p, q, dp, dq, qi"),
    "a large RSA JWK": (lambda: jwk(n="A" * 691), "this is larger"),
    "a broken RSA JWK": (lambda: jwk(qi="!"), "are no key"),
    "a JWK to encrypt with": (lambda: jwk(use="enc"), "not for signing"),
    "a JWK to verify with": (lambda: jwk(key_ops=["verify"]), "not for signing"),
    "odd key_ops": (lambda: jwk(key_ops=7), "not for signing"),
    "an empty kid": (lambda: jwk(kid=""), "its kid"),
    "an odd kid": (lambda: jwk(kid=7), "its kid"),
    "an unfit alg": (lambda: jwk(alg="HS256"), "its alg must be RS256 or"),
    "an odd alg": (lambda: jwk(alg=["RS256"]), "its alg must be RS256 or"),
    "no alg": (lambda: jwk(alg="none"), "its alg must be RS256 or"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_sign_is_told_apart(case: str) -> None:
    make, complaint = UNUSABLE[case]
    told = check_private_key(make())
    assert told is not None
    assert told.startswith("must be a private key as PEM or JWK text")
    assert complaint in told


def test_neither_complaint_nor_repr_holds_a_part_of_the_key() -> None:
    text = jwk(alg="none", kid="k-i-d")
    with pytest.raises(UnusableKey) as caught:
        load_private_key(text)
    shown = f"{caught.value!r} {load_private_key(jwk(kid='k-i-d'))!r}"
    assert [name for name, value in json.loads(text).items() if value in shown] == ["kty"]
