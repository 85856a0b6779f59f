from __future__ import annotations

from hookward.domain.delivery.outcome import ErrorKind


def test_the_kinds_of_error_are_those_of_the_contract() -> None:
    assert [str(kind) for kind in ErrorKind] == [
        "timeout",
        "dns",
        "tls",
        "connection",
        "protocol",
        "too_large",
        "forbidden_address",
        "template",
        "oauth",
    ]
