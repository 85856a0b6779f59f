from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from hookward.domain.templates.addresses import address_complaints

FRAGMENT = "address must not have a fragment (#…); leave it out"
RELATIVE = "address must be an absolute http:// or https:// URL, such as https://example.com/hooks"
CHARACTERS = "address holds characters that no URL may; percent-encode them"
ESCAPE = "address holds a % that is not followed by two hexadecimal digits; write %25 for a percent sign"
USER = "address must not hold a user name or password; use basicAuth"
HOST = "the host must be a name, an IPv4 address, or an IPv6 address in brackets, with a port or none"
LITERAL = "the host in brackets must be an IPv6 address without zone, such as [2001:db8::1]"
PORT = "the port must be a number from 1 to 65535; leave it out for that of the scheme"
NO_HOST = "address has no host; give one, such as https://example.com/hooks"
PUNYCODE = "the host must be in ASCII; give an international name as punycode, such as xn--bcher-kva.example"
LABELS = "the host must be labels of 1 to 63 letters, digits, - and _, joined by dots, at most 253 characters"


def complaints(address: str) -> list[str]:
    return list(address_complaints(address))


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com",
        "https://example.com/",
        "HTTPS://Example.COM/Hooks",
        "https://example.com:8443/a/b?c=d&e=%2F",
        "https://example.com?x=1",
        "http://localhost:1",
        "http://localhost:65535/",
        "http://localhost:08080/",
        "http://localhost:/",
        "http://my_app.internal./",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[2001:db8::1]:8080/x",
        "http://[::ffff:127.0.0.1]/",
        "http://xn--bcher-kva.example/b%C3%BCcher",
        "http://example.com/a@b:c/[d]?user@host",
        f"http://{'a' * 63}.example/",
    ],
)
def test_an_absolute_url_is_taken(address: str) -> None:
    assert complaints(address) == []


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("", RELATIVE),
        ("example.com/hooks", RELATIVE),
        ("//example.com/hooks", RELATIVE),
        ("/hooks", RELATIVE),
        ("ftp://example.com/", RELATIVE),
        ("https:example.com", RELATIVE),
        ("http://", NO_HOST),
        ("http:///hooks", NO_HOST),
        ("http://:80/", NO_HOST),
        ("http://?x", NO_HOST),
        ("https://example.com/#", FRAGMENT),
        ("https://example.com/#top", FRAGMENT),
        ("https://user@example.com/", USER),
        ("https://user:pass@example.com/", USER),
        ("https://@example.com/", USER),
        ("https://a@b@example.com/", USER),
        ("http://example.com:0/", PORT),
        ("http://example.com:00/", PORT),
        ("http://example.com:65536/", PORT),
        ("http://example.com:70000/", PORT),
        ("http://example.com:100000/", PORT),
        ("http://example.com:+80/", PORT),
        ("http://example.com:8_0/", PORT),
        ("http://example.com:٨٠/", PORT),
        ("http://[::1]:x/", PORT),
        ("http://bücher.example/", PUNYCODE),
        ("http://例え.テスト/", PUNYCODE),
        ("http://example\ud800.com/", PUNYCODE),
        ("http://a..b/", LABELS),
        ("http://.example.com/", LABELS),
        ("http://a b/", LABELS),
        ("http://a\r\nb/", LABELS),
        ("http://a!b/", LABELS),
        ("http://%65xample.com/", LABELS),
        ("http://example.com\\@evil.example/", USER),
        (f"http://{'a' * 64}.example/", LABELS),
        (f"http://{'a.' * 127}/", LABELS),
        ("http://[v6]/", LITERAL),
        ("http://[v1.x]/", LITERAL),
        ("http://[]/", LITERAL),
        ("http://[127.0.0.1]/", LITERAL),
        ("http://[fe80::1%25eth0]/", LITERAL),
        ("http://[fe80::1%eth0]/", LITERAL),
        ("http://[::1]x/", HOST),
        ("http://a[::1]/", HOST),
        ("http://[::1", HOST),
        ("http://::1/", HOST),
        ("http://]/", HOST),
        ("https://example.com/a b", CHARACTERS),
        ("https://example.com/é", CHARACTERS),
        ("https://example.com/\r\nX: y", CHARACTERS),
        ("https://example.com/\0", CHARACTERS),
        ("https://example.com/\ud800", CHARACTERS),
        ("https://example.com/\\", CHARACTERS),
        ("https://example.com/{id}", CHARACTERS),
        ('https://example.com/"', CHARACTERS),
        ("https://example.com/\n", CHARACTERS),
        ("https://example.com/%", ESCAPE),
        ("https://example.com/%2", ESCAPE),
        ("https://example.com/?x=%zz", ESCAPE),
        ("https://example.com/${$.id}", CHARACTERS),
    ],
)
def test_what_is_wrong_with_an_address_is_said(address: str, complaint: str) -> None:
    assert complaint in complaints(address)


def test_all_that_is_wrong_with_an_address_is_said_at_once() -> None:
    assert complaints("http://me:pw@bücher.example:70000/ü%zz#top") == [
        FRAGMENT,
        USER,
        PUNYCODE,
        PORT,
        CHARACTERS,
        ESCAPE,
    ]


pieces = st.sampled_from(
    [
        "http://",
        "HTTPS://",
        "[",
        "]",
        "::1",
        "v1.x",
        "@",
        ":",
        "80",
        "0",
        "/",
        "?",
        "%41",
        "%",
        ".",
        "a",
        "é",
        "\\",
        "$",
    ]
)


@given(st.lists(pieces, max_size=8).map("".join) | st.text() | st.text().map("http://".__add__))
def test_an_address_that_is_taken_means_the_same_to_the_sender(address: str) -> None:
    if complaints(address):
        return
    url = URL(address, encoded=True)
    assert (url.scheme in {"http", "https"}, bool(url.raw_host), url.raw_user, url.raw_fragment) == (
        True,
        True,
        None,
        "",
    )
