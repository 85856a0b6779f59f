from __future__ import annotations

import pytest

from hookward.domain.delivery.request import OutgoingRequest


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
