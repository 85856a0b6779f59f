from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from hookward.domain.errors import Invalid
from hookward.domain.oauth.authorization_code import (
    authorization_url,
    is_code,
    is_state,
    known_error,
    random_text,
    read_return,
    state_digest,
)
from hookward.domain.oauth.model import OAuthDefinition

OAUTH = OAuthDefinition(
    client_id="hook ward", access_token_url="https://a.example/t", auth_url="https://a.example/authorize"
)
# RFC 7636, appendix B.
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def url_of(**changes: Any) -> str:
    definition = msgspec.structs.replace(OAUTH, **changes)
    return authorization_url(definition, redirect_uri="https://b.example/back?x=1", state="st", verifier=VERIFIER)


def parameters(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def test_the_browser_is_sent_with_all_that_the_standards_ask_for() -> None:
    assert parameters(url_of(scope="a b")) == [
        ("response_type", "code"), ("client_id", "hook ward"), ("redirect_uri", "https://b.example/back?x=1"),
        ("scope", "a b"), ("state", "st"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256"),
    ]  # fmt: skip


def test_a_watch_without_scope_asks_for_none() -> None:
    assert "scope" not in dict(parameters(url_of()))


@pytest.mark.parametrize(
    ("auth_url", "begins"),
    [
        ("https://a.example/z", "https://a.example/z?response_type=code&"),
        ("https://a.example/z?", "https://a.example/z?response_type=code&"),
        ("https://a.example/z?p=q%20r", "https://a.example/z?p=q%20r&response_type=code&"),
        ("https://a.example/z?p&", "https://a.example/z?p&response_type=code&"),
    ],
)
def test_the_query_of_the_auth_url_stays_as_it_is(auth_url: str, begins: str) -> None:
    assert url_of(auth_url=auth_url).startswith(begins)


def test_extra_parameters_go_along_unless_the_auth_url_holds_them() -> None:
    url = url_of(auth_url="https://a.example/?p=1", extra_parameters={"p": "2", "audience": "é &"})
    assert [pair for pair in parameters(url) if pair[0] in ("p", "audience")] == [("p", "1"), ("audience", "é &")]


def test_random_bytes_become_text_that_any_url_can_hold() -> None:
    assert random_text(b"\xff" * 32) == "_" * 42 + "8"


def test_a_state_is_found_by_a_digest_that_does_not_tell_it() -> None:
    assert len(state_digest("st")) == 32
    assert state_digest("st") != state_digest("su")


def test_only_the_errors_of_the_standards_are_repeated() -> None:
    assert (known_error("access_denied"), known_error("<b>"), known_error("")) == ("access_denied", None, None)


@pytest.mark.parametrize(("value", "right"), [("c", True), ("", False), (7, False), ("é", False), ("c" * 4097, False)])
def test_a_code_is_visible_ascii(value: Any, right: bool) -> None:
    assert is_code(value) is right


@pytest.mark.parametrize(("value", "right"), [("s", True), ("", False), (7, False), ("é", False), ("s" * 256, False)])
def test_a_state_is_short_ascii(value: Any, right: bool) -> None:
    assert is_state(value) is right


def test_what_comes_back_is_a_code_and_a_state() -> None:
    back = read_return({"code": "c", "state": "s"})
    assert (back.code, back.state, repr(back)) == ("c", "s", "<Return>")


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ([], [""]),
        ({}, ["/code", "/state"]),
        ({"code": 7, "state": "", "iss": "x"}, ["/iss", "/code", "/state"]),
    ],
)
def test_all_that_is_wrong_with_what_comes_back_is_named(given: Any, pointers: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        read_return(given)
    assert [each.pointer for each in caught.value.problems] == pointers
