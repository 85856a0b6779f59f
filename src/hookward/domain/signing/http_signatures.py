"""HTTP Message Signatures (RFC 9421) of requests, which cover the body by its digest (RFC 9530)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import urlsplit

from hookward.domain.crypto_keys.model import Signer

HEADERS = frozenset({"signature", "signature-input", "content-digest"})
"""The header fields that signing sets, in lower case."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def message_signatures(
    signers: Sequence[Signer], *, method: str, address: str, fields: Sequence[tuple[str, str]], body: bytes | None,
    created: int,
) -> dict[str, str]:  # fmt: skip
    """Return the headers that sign a request: ``Signature-Input``, ``Signature`` and, with a body, ``Content-Digest``.

    The signatures cover the method, authority, path and query (§2.2), the digest of the body, and ``fields`` (names in
    lower case) in this order. Signers have the labels ``sig1``, ``sig2`` and so on; ``created`` is in seconds since
    1970. A field that is not ASCII is not covered, as a signature base cannot hold it (§2.5).
    """
    headers: dict[str, str] = {}
    covered = [*_target(method, address)]
    if body is not None:
        headers["Content-Digest"] = f"sha-256=:{b64encode(sha256(body).digest()).decode()}:"
        covered.append(("content-digest", headers["Content-Digest"]))
    covered += [(name, value) for name, value in fields if value.isascii()]
    names = " ".join([f'"{name}"' for name, _ in covered])
    base = "".join([f'"{name}": {value}\n' for name, value in covered])
    inputs, signatures = [], []
    for number, signer in enumerate(signers, 1):
        parameters = f'({names});created={created};keyid="{signer.kid}";alg="{signer.algorithm.value}"'
        signature = signer.sign(f'{base}"@signature-params": {parameters}'.encode())
        inputs.append(f"sig{number}={parameters}")
        signatures.append(f"sig{number}=:{b64encode(signature).decode()}:")
    return headers | {"Signature-Input": ", ".join(inputs), "Signature": ", ".join(signatures)}


def _target(method: str, address: str) -> tuple[tuple[str, str], ...]:
    """Return the derived components of a request's target; the authority is without a default port."""
    parts = urlsplit(address)
    authority = parts.netloc.lower()
    if parts.port == _DEFAULT_PORTS.get(parts.scheme):
        authority = authority.removesuffix(f":{parts.port}")
    return (
        ("@method", method), ("@authority", authority), ("@path", parts.path or "/"), ("@query", f"?{parts.query}"),
    )  # fmt: skip
