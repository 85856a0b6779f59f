"""Signing keys: made, brought, used and shown; each signature checked by something else than what made it."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jws
from joserfc.jwk import import_key

from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.domain.crypto_keys.model import Algorithm, Material, SignatureFormat, Signer, kid_of
from hookward.domain.signing.standard_webhooks import sign_v1, sign_v1a

KEYS = CipherSigningKeys()
ASYMMETRIC = (Algorithm.ED25519, Algorithm.ECDSA_P256_SHA256, Algorithm.RSA_PSS_SHA512)
# Published with the reference server of Standard Webhooks, in its tests of asymmetric signing; v1 with its libraries.
V1A_PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
V1A_PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
V1_SECRET, V1 = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
MESSAGE = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')


def pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes = b"") -> str:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, locked).decode()


PEMS = {
    Algorithm.ED25519: pem(ed25519.Ed25519PrivateKey.generate()),
    Algorithm.ECDSA_P256_SHA256: pem(ec.generate_private_key(ec.SECP256R1())),
    Algorithm.RSA_PSS_SHA512: pem(rsa.generate_private_key(65537, 2048)),
}


def holds(algorithm: Algorithm, public: bytes, signature: bytes, data: bytes) -> None:
    """Raises InvalidSignature when it does not."""
    key = serialization.load_der_public_key(public)
    match key:
        case ed25519.Ed25519PublicKey():
            key.verify(signature, data)
        case ec.EllipticCurvePublicKey():
            both = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            key.verify(encode_dss_signature(*both), data, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPublicKey():
            pss = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)
            key.verify(signature, data, pss, hashes.SHA512())
        case _:
            raise AssertionError(algorithm)


def load_key(*given: Any) -> Any:
    return import_key(*given)


def test_the_published_vector_of_v1a_comes_out_and_its_public_key_too() -> None:
    material = KEYS.read(Algorithm.ED25519, V1A_PRIVATE)
    assert sign_v1a(KEYS.signer(Algorithm.ED25519, material.secret), *MESSAGE) == V1A
    assert KEYS.public_text(Algorithm.ED25519, SignatureFormat.STANDARD_WEBHOOKS, material.public or b"") == V1A_PUBLIC


def test_the_published_vector_of_v1_comes_out() -> None:
    assert sign_v1(KEYS.read(Algorithm.HMAC_SHA256, V1_SECRET).secret, *MESSAGE) == V1


def test_the_seed_alone_is_the_same_ed25519_key() -> None:
    seed = b64decode(V1A_PRIVATE.removeprefix("whsk_"))[:32]
    assert KEYS.read(Algorithm.ED25519, "whsk_" + b64encode(seed).decode()) == KEYS.read(Algorithm.ED25519, V1A_PRIVATE)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("brought", [False, True])
def test_what_an_asymmetric_key_signs_its_public_key_verifies(algorithm: Algorithm, brought: bool) -> None:
    material = KEYS.read(algorithm, PEMS[algorithm]) if brought else KEYS.generate(algorithm)
    assert material.public is not None
    signature = KEYS.signer(algorithm, material.secret)(b"what is said")
    holds(algorithm, material.public, signature, b"what is said")


def test_keys_that_are_made_differ_and_hmac_has_nothing_public() -> None:
    made = [KEYS.generate(algorithm) for algorithm in (Algorithm.HMAC_SHA256, Algorithm.ED25519) for _ in range(2)]
    assert len({each.secret for each in made}) == 4
    assert [each.public is None for each in made] == [True, True, False, False]
    secret = made[0].secret
    assert KEYS.signer(Algorithm.HMAC_SHA256, secret)(b"x") == hmac.new(secret, b"x", hashlib.sha256).digest()


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # RFC 9864: by Ed25519, which few receivers know yet
@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_jwk_is_public_names_its_use_and_verifies_a_jws_of_the_same_key(algorithm: Algorithm) -> None:
    material = KEYS.read(algorithm, PEMS[algorithm])
    jwk = KEYS.jwk(algorithm, material.public or b"", "key_1.2")
    assert (jwk["kid"], jwk["use"], "d" in jwk) == ("key_1.2", "sig", False)
    private = load_key(PEMS[algorithm], jwk["kty"])
    signed = jws.serialize_compact({"alg": jwk["alg"]}, b"said", private, algorithms=[jwk["alg"]])
    assert jws.deserialize_compact(signed, load_key(jwk), algorithms=[jwk["alg"]]).payload == b"said"


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_reads_as_pem_where_standard_webhooks_has_no_form_of_its_own(algorithm: Algorithm) -> None:
    public = KEYS.read(algorithm, PEMS[algorithm]).public or b""
    text = KEYS.public_text(algorithm, SignatureFormat.RFC9421, public)
    key = serialization.load_pem_public_key(text.encode())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    assert key.public_bytes(serialization.Encoding.DER, form) == public


WRONG_PAIR = "whsk_" + b64encode(b64decode(V1A_PRIVATE.removeprefix("whsk_"))[:32] + b"p" * 32).decode()


@pytest.mark.parametrize(
    ("algorithm", "text"),
    [
        (Algorithm.HMAC_SHA256, "whsec_c2hvcnQ="),
        (Algorithm.HMAC_SHA256, PEMS[Algorithm.ED25519]),
        (Algorithm.ED25519, V1_SECRET),
        (Algorithm.ED25519, V1A_PUBLIC),
        (Algorithm.ED25519, "whsk_AAAA"),
        (Algorithm.ED25519, "whsk_*"),
        (Algorithm.ED25519, WRONG_PAIR),
        (Algorithm.ED25519, PEMS[Algorithm.ECDSA_P256_SHA256]),
        (Algorithm.ED25519, pem(ed25519.Ed25519PrivateKey.generate(), b"locked")),
        (Algorithm.ECDSA_P256_SHA256, pem(ec.generate_private_key(ec.SECP384R1()))),
        (Algorithm.ECDSA_P256_SHA256, PEMS[Algorithm.RSA_PSS_SHA512]),
        (Algorithm.RSA_PSS_SHA512, pem(rsa.generate_private_key(65537, 1024))),
        (Algorithm.RSA_PSS_SHA512, PEMS[Algorithm.ED25519]),
        (Algorithm.RSA_PSS_SHA512, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
        (Algorithm.RSA_PSS_SHA512, PEMS[Algorithm.RSA_PSS_SHA512] + "\n" * 2500),
        (Algorithm.RSA_PSS_SHA512, "é"),
        (Algorithm.RSA_PSS_SHA512, ""),
    ],
)
def test_a_key_of_another_kind_is_refused_with_what_it_has_to_be(algorithm: Algorithm, text: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|whsk_|PEM") as refused:
        KEYS.read(algorithm, text)
    assert text[:20] not in str(refused.value) or not text


def test_material_is_named_by_the_key_and_after_a_rotation_by_its_number_too() -> None:
    assert [kid_of("key_1", generation) for generation in (1, 2, 3)] == ["key_1", "key_1.2", "key_1.3"]


def test_nothing_of_a_key_shows() -> None:
    material = KEYS.read(Algorithm.ED25519, V1A_PRIVATE)
    signer = Signer(
        kid="key_1", algorithm=Algorithm.ED25519, format=SignatureFormat.RFC9421,
        sign=KEYS.signer(Algorithm.ED25519, material.secret),
    )  # fmt: skip
    assert (repr(material), repr(signer)) == ("<Material>", "<Signer key_1 ed25519>")
    assert repr(Material(secret=b"s", public=b"p")) == "<Material>"
