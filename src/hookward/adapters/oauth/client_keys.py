"""Read and use the private keys of ``private_key_jwt`` (RFC 7515, 7517, 7518)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from hookward.domain.errors import HookwardError

_WANTED = "must be a private key as PEM or JWK text: RSA of 2048 to 4096 bits, P-256, P-384, P-521 or Ed25519"
_LEAST_BITS = 2048
_MOST_BITS = 4096
"""Reading a key validates it: 0.3 s for 4096 bits, and minutes for a larger key from a hostile owner."""

_LONGEST = 16 * 1024
_LONGEST_BLOCK = 3400  # characters; 4096 bits in PKCS #8, with line ends, are 3300
_LONGEST_MODULUS = 690  # base64url of 4096 bits is 683
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----([^-]*)-----END \1-----")
_RSA_MEMBERS = ("n", "e", "d", "p", "q", "dp", "dq", "qi")  # RFC 7518 §6.3; the primes are costly to find from the rest
_RSA_ALGORITHMS: Final[tuple[str, ...]] = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_ALGORITHMS: Final[dict[str, tuple[str, ...]]] = {  # the first one is the default of a key without alg
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA", "Ed25519"),
}
_KEYS: Final[dict[str, type[RSAKey | ECKey | OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class UnusableKey(HookwardError):
    """A text is no usable private key. The message tells the integrator why, without quoting the text."""


class _Registry(JWSRegistry):
    """joserfc's algorithms without its warning that EdDSA has a newer name: servers know the old one."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_REGISTRY = _Registry()


@dataclass(frozen=True, slots=True, repr=False)
class ClientKey:
    """A private key, and its algorithm and key id for the JWS header."""

    key: Key
    algorithm: str
    kid: str | None

    def sign(self, claims: dict[str, Any]) -> str:
        """Return ``claims`` as a signed JWT (RFC 7519)."""
        header = {"alg": self.algorithm} if self.kid is None else {"alg": self.algorithm, "kid": self.kid}
        return jwt.encode(header, claims, self.key, registry=_REGISTRY)


def load_private_key(text: str) -> ClientKey:
    """Return the key in ``text``; takes 40 ms for RSA with 2048 bits, 0.3 s with 4096. Raises UnusableKey."""
    if len(text) > _LONGEST:
        raise UnusableKey(f"{_WANTED}; this is longer than any of them")
    return _from_jwk(text) if text.lstrip().startswith("{") else _from_pem(text)


def check_private_key(text: str) -> str | None:
    """Return what is wrong with a key as ``must be …``, or ``None``; takes as long as ``load_private_key``."""
    try:
        load_private_key(text)
    except UnusableKey as error:
        return str(error)
    return None


def _from_pem(text: str) -> ClientKey:
    if "ENCRYPTED" in text:
        raise UnusableKey(f"{_WANTED}, without a passphrase; this one has one")
    block = _BLOCK.search(text)
    if block is None:
        what = "; this is a public key or a certificate" if re.search(r"BEGIN [A-Z ]*(PUBLIC|CERT)", text) else ""
        raise UnusableKey(_WANTED + what)
    if len(block[2]) > _LONGEST_BLOCK:
        raise UnusableKey(f"{_WANTED}; this is larger")
    for kind in _KEYS.values():
        try:
            raw = kind.binding.import_from_bytes(block[0].encode())
        except Exception:  # noqa: BLE001, S112  a broken key may raise anything
            continue
        return _signing(kind(raw, raw))
    raise UnusableKey(_WANTED)


def _from_jwk(text: str) -> ClientKey:
    try:
        members = msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise UnusableKey(f"{_WANTED}; this begins as a JWK and is not JSON") from None
    if "keys" in members:
        raise UnusableKey(f"{_WANTED}; this is a set of keys, give one of them")
    kind = _KEYS.get(str(members.get("kty")))
    if kind is None:
        raise UnusableKey(f"{_WANTED}; this has another kty")
    _check_members(members)
    try:
        raw = kind.binding.import_from_dict(members)
    except Exception:  # noqa: BLE001  a broken key may raise anything
        raise UnusableKey(f"{_WANTED}; the members of this JWK are no key") from None
    return _signing(kind(raw, raw), algorithm=members.get("alg"), kid=members.get("kid"))


def _check_members(members: dict[str, Any]) -> None:
    if "d" not in members:
        raise UnusableKey(f"{_WANTED}; this is the public part only, without d")
    if members["kty"] == "RSA":
        if "oth" in members or not all(isinstance(members.get(name), str) for name in _RSA_MEMBERS):
            raise UnusableKey(f"{_WANTED}; an RSA key as JWK needs {', '.join(_RSA_MEMBERS)} and no oth")
        if len(members["n"]) > _LONGEST_MODULUS:
            raise UnusableKey(f"{_WANTED}; this is larger")
    operations = members.get("key_ops", ["sign"])
    if members.get("use", "sig") != "sig" or not isinstance(operations, list) or "sign" not in operations:
        raise UnusableKey(f"{_WANTED}; this JWK says by use or key_ops that it is not for signing")
    kid = members.get("kid")
    if not (kid is None or (isinstance(kid, str) and 0 < len(kid) <= 255)):
        raise UnusableKey(f"{_WANTED}; its kid must be text of at most 255 characters")


def _signing(key: RSAKey | ECKey | OKPKey, *, algorithm: object = None, kid: str | None = None) -> ClientKey:
    known = _RSA_ALGORITHMS
    if isinstance(key, RSAKey):
        bits = key.raw_value.key_size
        if not _LEAST_BITS <= bits <= _MOST_BITS:
            raise UnusableKey(f"{_WANTED}; this has {bits} bits")
    else:
        known = _ALGORITHMS.get(str(key.dict_value.get("crv")), ())
    if not known:
        raise UnusableKey(f"{_WANTED}; this is on another curve")
    if algorithm is None:
        algorithm = known[0]
    if algorithm not in known:
        raise UnusableKey(f"{_WANTED}; its alg must be {' or '.join(known)}")
    return ClientKey(key, str(algorithm), kid)
