"""HTTP Message Signatures, verified by an implementation that we did not write."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.serialization import load_der_public_key
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, InvalidSignature, algorithms

from hookward.adapters.clock import SystemClock
from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.domain.crypto_keys.model import Algorithm, SignatureFormat, Signer
from hookward.domain.signing.http_signatures import message_signatures

KEYS = CipherSigningKeys()
NOW = SystemClock().now_us() // 1_000_000
THEIRS = {
    Algorithm.HMAC_SHA256: algorithms.HMAC_SHA256,
    Algorithm.ED25519: algorithms.ED25519,
    Algorithm.ECDSA_P256_SHA256: algorithms.ECDSA_P256_SHA256,
    Algorithm.RSA_PSS_SHA512: algorithms.RSA_PSS_SHA512,
}
MATERIAL = {algorithm: KEYS.generate(algorithm) for algorithm in Algorithm}
FIELDS = (("content-type", "application/json"), ("webhook-id", "dlv_1"), ("webhook-timestamp", str(NOW)))


class Resolver(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> Any:
        material = MATERIAL[Algorithm(key_id)]
        return material.secret if material.public is None else load_der_public_key(material.public)


def signer(algorithm: Algorithm) -> Signer:
    sign = KEYS.signer(algorithm, MATERIAL[algorithm].secret)
    return Signer(kid=algorithm.value, algorithm=algorithm, format=SignatureFormat.RFC9421, sign=sign)


def signed(
    *who: Algorithm, address: str = "https://shop.test:8443/hooks/a%20b?x=1&y=%C3%A9", method: str = "POST",
    body: bytes | None = b'{"n": 1}', fields: tuple[tuple[str, str], ...] = FIELDS,
) -> requests.PreparedRequest:  # fmt: skip
    headers = message_signatures(
        [signer(each) for each in who], method=method, address=address, fields=fields, body=body, created=NOW
    )
    request = requests.Request(method, address, headers=dict(fields) | headers, data=body).prepare()
    assert request.url == address
    return request


def verify(request: requests.PreparedRequest, algorithm: Algorithm) -> list[Any]:
    """As a receiver does: the digest is theirs to compare, the rest the library's."""
    digest = request.headers.get("Content-Digest")
    if digest is not None:
        body = request.body if isinstance(request.body, bytes) else b""
        if digest != f"sha-256=:{b64encode(sha256(body).digest()).decode()}:":
            raise InvalidSignature("the body is not what was signed")
    verifier = HTTPMessageVerifier(signature_algorithm=THEIRS[algorithm], key_resolver=Resolver())
    results: list[Any] = verifier.verify(request)
    return results


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_signature_verifies_and_covers_target_fields_and_body(algorithm: Algorithm) -> None:
    (result,) = verify(signed(algorithm), algorithm)
    names = {name.strip('"') for name in result.covered_components}
    assert names - {"@signature-params"} == {
        "@method", "@authority", "@path", "@query", "content-digest", "content-type", "webhook-id", "webhook-timestamp",
    }  # fmt: skip
    assert (result.parameters["keyid"], result.parameters["alg"], result.parameters["created"]) == (
        algorithm.value, algorithm.value, NOW,
    )  # fmt: skip


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize(
    "change",
    [{"url": "https://shop.test:8443/hooks/a%20b?x=2"}, {"method": "PUT"}, {"webhook-id": "dlv_2"}, {"body": b"{}"}],
    ids=str,
)
def test_nothing_covered_can_be_changed(algorithm: Algorithm, change: dict[str, Any]) -> None:
    request = signed(algorithm)
    for name, value in change.items():
        if name in ("url", "method", "body"):
            setattr(request, name, value)
        else:
            request.headers[name] = value
    with pytest.raises(InvalidSignature):
        verify(request, algorithm)


@pytest.mark.parametrize(
    ("address", "authority", "path", "query"),
    [
        ("http://Shop.test:80", "shop.test", "/", "?"),
        ("https://shop.test:443/a", "shop.test", "/a", "?"),
        ("https://shop.test:80/a;b", "shop.test:80", "/a;b", "?"),
        ("http://[::1]:8080/?", "[::1]:8080", "/", "?"),
        ("http://127.0.0.1/%2e%2E/x?q=%20", "127.0.0.1", "/%2e%2E/x", "?q=%20"),
    ],
)
def test_the_target_is_covered_as_it_is_sent(address: str, authority: str, path: str, query: str) -> None:
    bases: list[bytes] = []

    def sign(base: bytes) -> bytes:
        bases.append(base)
        return b""

    witness = Signer(kid="k", algorithm=Algorithm.ED25519, format=SignatureFormat.RFC9421, sign=sign)
    message_signatures([witness], method="POST", address=address, fields=(), body=None, created=1)
    assert bases[0].decode().splitlines()[:4] == [
        '"@method": POST', f'"@authority": {authority}', f'"@path": {path}', f'"@query": {query}',
    ]  # fmt: skip


def test_a_request_without_a_body_has_no_digest_and_verifies() -> None:
    request = signed(Algorithm.ED25519, method="DELETE", body=None, fields=FIELDS[1:], address="https://a.test/x?y")
    assert "Content-Digest" not in request.headers
    assert len(verify(request, Algorithm.ED25519)) == 1


def test_every_key_signs_under_a_label_of_its_own() -> None:
    request = signed(Algorithm.ED25519, Algorithm.HMAC_SHA256)
    assert re.findall(r"(sig\d)=", str(request.headers["Signature-Input"])) == ["sig1", "sig2"]
    for algorithm in (Algorithm.ED25519, Algorithm.HMAC_SHA256):
        alone = signed(algorithm)
        label = "sig1" if algorithm is Algorithm.ED25519 else "sig2"
        mine = re.search(rf"{label}=:([^:]+):", str(request.headers["Signature"]))
        assert mine is not None
        assert f"sig1=:{mine[1]}:" == alone.headers["Signature"]


def test_a_field_that_is_not_ascii_is_not_covered() -> None:
    headers = message_signatures(
        [signer(Algorithm.ED25519)], method="POST", address="https://a.test/", body=b"{}", created=NOW,
        fields=(("content-type", "text/é"), ("webhook-id", "dlv_1")),
    )  # fmt: skip
    assert '"content-type"' not in headers["Signature-Input"]
    assert '"webhook-id"' in headers["Signature-Input"]
