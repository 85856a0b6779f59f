"""Generate, import, use and publish signing keys with the algorithms of cryptography and joserfc."""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from functools import partial

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
)
from joserfc.jwk import ECKey, OKPKey, RSAKey

from hookward.domain.crypto_keys.model import Algorithm, Material, SignatureFormat
from hookward.domain.signing.standard_webhooks import MAX_SECRET_BYTES, MIN_SECRET_BYTES, secret_from_text

RSA_BITS = 2048
"""Size of generated keys: secure until 2030 (NIST SP 800-57), and a signature takes 0.7 ms."""
MAX_RSA_BITS = 4096
MAX_KEY_TEXT = 4096
"""Characters; 4096 bits in PKCS #8 are 3300. Reading a key validates it: 16,384 characters would take minutes."""
_HMAC_BYTES = 32
_SEED_BYTES = 32
_PAIR_BYTES = 64
_P256_BYTES = 32
_PRIVATE = "whsk_"
_PUBLIC = "whpk_"
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)  # RFC 9421 §3.3.1
_JWK_ALGORITHMS = {
    Algorithm.ED25519: "EdDSA", Algorithm.ECDSA_P256_SHA256: "ES256", Algorithm.RSA_PSS_SHA512: "PS512",
}  # fmt: skip
_JWK_TYPES: dict[Algorithm, type[OKPKey | ECKey | RSAKey]] = {
    Algorithm.ED25519: OKPKey, Algorithm.ECDSA_P256_SHA256: ECKey, Algorithm.RSA_PSS_SHA512: RSAKey,
}  # fmt: skip
_EXPECTED = {
    Algorithm.HMAC_SHA256: f"whsec_ and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in base64",
    Algorithm.ED25519: f"whsk_ and an Ed25519 key in base64, {_SEED_BYTES} bytes or with its public key {_PAIR_BYTES}, "
    "or the key in PEM (PKCS #8), not encrypted",
    Algorithm.ECDSA_P256_SHA256: "a private key on P-256 in PEM (PKCS #8), not encrypted",
    Algorithm.RSA_PSS_SHA512: f"an RSA private key of {RSA_BITS} to {MAX_RSA_BITS} bits in PEM (PKCS #8), not "
    "encrypted",
}
_Private = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey


class CipherSigningKeys:
    """The ``SigningKeys`` port."""

    def generate(self, algorithm: Algorithm) -> Material:
        """Return a new key."""
        match algorithm:
            case Algorithm.HMAC_SHA256:
                return Material(secret=os.urandom(_HMAC_BYTES))
            case Algorithm.ED25519:
                return _material(Ed25519PrivateKey.generate())
            case Algorithm.ECDSA_P256_SHA256:
                return _material(generate_private_key(SECP256R1()))
            case Algorithm.RSA_PSS_SHA512:
                return _material(generate_rsa(65537, RSA_BITS))

    def read(self, algorithm: Algorithm, text: str) -> Material:
        """Return the key in ``text``. Raises ValueError, which says what is expected."""
        found: Material | None
        if algorithm is Algorithm.HMAC_SHA256:
            secret = secret_from_text(text)
            found = None if secret is None else Material(secret=secret)
        elif algorithm is Algorithm.ED25519 and text.startswith(_PRIVATE):
            found = _read_pair(text)
        else:
            found = _read_pem(algorithm, text)
        if found is None:
            raise ValueError(_EXPECTED[algorithm])
        return found

    def signer(self, algorithm: Algorithm, secret: bytes) -> Callable[[bytes], bytes]:
        """Return a function that signs bytes with ``secret``."""
        if algorithm is Algorithm.HMAC_SHA256:
            return partial(hmac.digest, secret, digest="sha256")
        if algorithm is Algorithm.ED25519:
            return Ed25519PrivateKey.from_private_bytes(secret).sign
        key = load_der_private_key(secret, None)
        if isinstance(key, RSAPrivateKey):
            return partial(key.sign, padding=_PSS, algorithm=hashes.SHA512())
        assert isinstance(key, EllipticCurvePrivateKey)
        return partial(_sign_p256, key)

    def public_text(self, algorithm: Algorithm, format_: SignatureFormat, public: bytes) -> str:
        """Return a public key in the form that receivers configure: ``whpk_…`` of Standard Webhooks, else PEM."""
        key = load_der_public_key(public)
        if algorithm is Algorithm.ED25519 and format_ is SignatureFormat.STANDARD_WEBHOOKS:
            return _PUBLIC + b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def jwk(self, algorithm: Algorithm, public: bytes, kid: str) -> dict[str, str]:
        """Return a public key as a JSON Web Key (RFC 7517), for signatures by this algorithm only."""
        pem = load_der_public_key(public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        key = _JWK_TYPES[algorithm].import_key(pem).as_dict(private=False)
        return {**{name: str(value) for name, value in key.items()}, "kid": kid, "use": "sig",
                "alg": _JWK_ALGORITHMS[algorithm]}  # fmt: skip


def _read_pair(text: str) -> Material | None:
    """Read an Ed25519 key of Standard Webhooks: the seed, or the seed and the public key that belongs to it."""
    try:
        pair = b64decode(text.removeprefix(_PRIVATE), validate=True)
    except (Base64Error, ValueError):
        return None
    if len(pair) not in (_SEED_BYTES, _PAIR_BYTES):
        return None
    key = Ed25519PrivateKey.from_private_bytes(pair[:_SEED_BYTES])
    if len(pair) == _PAIR_BYTES and pair[_SEED_BYTES:] != key.public_key().public_bytes_raw():
        return None
    return _material(key)


def _read_pem(algorithm: Algorithm, text: str) -> Material | None:
    if len(text) > MAX_KEY_TEXT:
        return None
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        return None
    match algorithm, key:
        case Algorithm.ED25519, Ed25519PrivateKey():
            return _material(key)
        case Algorithm.ECDSA_P256_SHA256, EllipticCurvePrivateKey(curve=SECP256R1()):
            return _material(key)
        case Algorithm.RSA_PSS_SHA512, RSAPrivateKey() if RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            return _material(key)
    return None


def _material(key: _Private) -> Material:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if isinstance(key, Ed25519PrivateKey):
        return Material(secret=key.private_bytes_raw(), public=public)
    return Material(secret=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), public=public)


def _sign_p256(key: EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Return the signature as r and s, 32 bytes each (RFC 9421 §3.3.4), instead of DER."""
    r, s = decode_dss_signature(key.sign(data, ECDSA(hashes.SHA256())))
    return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")
