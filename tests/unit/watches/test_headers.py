from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.watches.headers import MAX_NAME, MAX_VALUE_BYTES, header_complaints

NAME = "a header name is 1 to 255 letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 §5.1)"
VALUE = (
    "the value must be a text without line breaks or control characters, not beginning or ending in a blank, "
    "of at most 8192 bytes (RFC 9110 §5.5)"
)
TWICE = "this name is given twice; names do not differ by case"


def complaints(given: dict[str, Any], *, authenticated: bool = False, signed: bool = False) -> list[tuple[str, str]]:
    return list(header_complaints(given, authenticated=authenticated, signed=signed))


@pytest.mark.parametrize("name", ["Signature", "signature-input", "CONTENT-DIGEST"])
def test_what_signing_sets_is_reserved_where_a_watch_signs(name: str) -> None:
    assert complaints({name: "v"}) == []
    assert complaints({name: "v"}, signed=True) == [
        (name, f"{name} is set where a watch signs; leave it out, or signature")
    ]


@pytest.mark.parametrize(
    "name",
    ["X-Api-Key", "x", "!#$%&'*+-.^_`|~", "Authorization", "Content-Type", "User-Agent", "Cookie", "x" * MAX_NAME],
)
def test_a_header_name_is_a_token(name: str) -> None:
    assert complaints({name: "v"}) == []


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a:", "a\r\nb", "a\n", "é", "\ud800", "\0", "a/b", "(a)", "\x7f", "\u212a", "x" * (MAX_NAME + 1)],
)
def test_any_other_header_name_is_refused(name: str) -> None:
    assert complaints({name: "v"}) == [(name, NAME)]


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "webhook-id",
        "Webhook-Anything",
        "Expect",
        "hookward-event",
        "Hookward-Anything",
        "traceparent",
    ],
)
def test_what_frames_or_marks_every_request_is_reserved(name: str) -> None:
    assert complaints({name: "v"}) == [
        (name, f"{name} is reserved: it is set for every request, or not at all; leave it out")
    ]


def test_authorization_cannot_be_set_twice() -> None:
    assert complaints({"AUTHORIZATION": "v"}, authenticated=True) == [
        ("AUTHORIZATION", "Authorization is set by basicAuth or oauth2Auth; leave one of them out")
    ]


@pytest.mark.parametrize("value", ["", "v", "a b\tc", "é", "😀", "\xa0", "a" * MAX_VALUE_BYTES])
def test_a_header_value_is_text(value: str) -> None:
    assert complaints({"x": value}) == []


@pytest.mark.parametrize(
    "value",
    [
        " v",
        "v ",
        "\tv",
        " ",
        "a\r\nX-Evil: 1",
        "a\n",
        "\r",
        "\0",
        "\x7f",
        "\x80",
        "a\x85X-Evil: 1",
        "a\u2028X-Evil: 1",
        "a\u2029X-Evil: 1",
        "\ud800",
        "a\udfffb",
        "a" * (MAX_VALUE_BYTES + 1),
        "é" * (MAX_VALUE_BYTES // 2 + 1),
        None,
        1,
        True,
        [],
        {},
    ],
)
def test_any_other_header_value_is_refused(value: Any) -> None:
    assert complaints({"x": value}) == [("x", VALUE)]


def test_names_do_not_differ_by_case() -> None:
    assert complaints({"x-key": "1", "X-Key": "2", "X-KEY": "3"}) == [("X-Key", TWICE), ("X-KEY", TWICE)]


def test_all_that_is_wrong_with_headers_is_said_at_once() -> None:
    assert complaints({"a b": 1, "A B": "v"}) == [("a b", NAME), ("a b", VALUE), ("A B", NAME), ("A B", TWICE)]


@given(st.text(st.characters(), max_size=6))
def test_a_value_that_is_taken_cannot_end_its_line(value: str) -> None:
    safe = re.fullmatch(rb"[\t\x20-\x7e\x80-\xff]*", value.encode(errors="surrogatepass")) is not None
    whole = not re.search("[\x80-\x9f\u2028\u2029\ud800-\udfff]", value)
    assert (safe and whole and value == value.strip("\t ")) == (not complaints({"x": value}))


def test_no_complaint_quotes_a_value() -> None:
    assert "s3cret" not in str(complaints({"x": "s3cret\n", "host": "s3cret", "X": "s3cret\0"}))
