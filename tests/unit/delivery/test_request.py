from __future__ import annotations

import pytest

from hookward.domain.delivery.request import OutgoingRequest, RequestHeaders
from hookward.domain.signing.request_signer import RequestSigner


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/hook/s3cret?token=s3cret#s3cret",
        "https://example.com?token=s3cret/@s3cret",
        "https://s3cret:s3cret@example.com/",
        "https://example.com#s3cret",
    ],
)
def test_the_repr_of_a_request_holds_no_secret(address: str) -> None:
    request = OutgoingRequest(
        method="POST", address=address, headers=(("Authorization", "Bearer s3cret"),), body=b"s3cret"
    )
    assert "s3cret" not in repr(request)


def test_the_repr_of_a_request_says_where_it_goes() -> None:
    request = OutgoingRequest(method="DELETE", address="https://example.com:8443/a", headers=())
    assert repr(request) == "<OutgoingRequest DELETE https://example.com:8443 0 headers, 0 bytes>"


def test_the_reprs_of_headers_and_of_a_signer_hold_no_secret() -> None:
    headers = RequestHeaders.of((("Authorization", "Basic s3cret"),), public=(), masked={"Authorization": "Basic ****"})
    signer = RequestSigner.of([b"s3cret"])
    assert (repr(headers), repr(signer)) == ("<RequestHeaders 1>", "<RequestSigner 1 secrets, 0 signers>")


def test_headers_without_secrets_are_the_public_ones() -> None:
    public = (("User-Agent", "Hookward"), ("Content-Type", "application/json"))
    headers = RequestHeaders.of((*public, ("X-Key", "s3cret")), public=public, masked=dict(public) | {"X-Key": "****"})
    bare = headers.without_secrets()
    assert (bare.sent, bare.masked, bare.content_type) == (public, dict(public), "application/json")
