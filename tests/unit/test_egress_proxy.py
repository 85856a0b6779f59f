from __future__ import annotations

import pytest

from hookward.domain.egress import EgressProxy, parse_proxy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://proxy.internal:3128", EgressProxy(host="proxy.internal", port=3128)),
        ("http://10.0.0.5:3128/", EgressProxy(host="10.0.0.5", port=3128)),
        ("http://[fd00::1]:3128", EgressProxy(host="fd00::1", port=3128)),
        ("http://me:pass@proxy:1", EgressProxy(host="proxy", port=1, authorization="Basic bWU6cGFzcw==")),
        ("http://me@proxy:1", EgressProxy(host="proxy", port=1, authorization="Basic bWU6")),
        ("http://m%3Ae:p%40%C3%A9@proxy:1", EgressProxy(host="proxy", port=1, authorization="Basic bTplOnBAw6k=")),
    ],
)
def test_a_proxy_is_read(text: str, expected: EgressProxy) -> None:
    assert parse_proxy(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "proxy", "proxy:3128", "http://proxy", "http://proxy:0", "http://proxy:65536", "https://proxy:3128",
        "socks5://proxy:1080", "http://:3128", "http://pro xy:3128", "http://proxy:3128/path", "http://a\nb@proxy:1",
        "http://proxy:3128?a", "http://[::1:3128",
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="http://user:password@host:port"):
        parse_proxy(text)


def test_a_proxys_credentials_are_not_shown() -> None:
    assert "Basic" not in repr(parse_proxy("http://me:pass@proxy:1"))
