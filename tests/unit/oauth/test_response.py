"""What token endpoints answer, right, odd and hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookward.adapters.oauth.response import granted
from hookward.domain.delivery.outcome import Response
from hookward.domain.oauth.model import AuthorizationRequired, NoToken, TokenResponse

PLACE = "The token endpoint https://auth.example/token"
GOOD = {"access_token": "a1", "token_type": "Bearer"}


ODD: tuple[object, ...] = (None, 0, -1, "0", "-1", "", "soon", "1e9", "٣", "9" * 16, True, float("nan"), [], {})


def answer(body: bytes | dict[str, Any], *, status: int = 200, kind: str = "application/json") -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=(("content-type", kind),), body=data)


def read(given: Response, *, consented: str | None = "the refresh token") -> TokenResponse:
    return granted(given, place=PLACE, consented=consented)


def test_a_full_answer_is_read() -> None:
    given = {**GOOD, "expires_in": 3600, "refresh_token": "r2", "scope": "x", "id_token": "…", "more": [{"a": 1}]}
    assert read(answer(given)) == TokenResponse(access_token="a1", lifetime=3600.0, refresh_token="r2")


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("kind", ["application/json;charset=UTF-8", "Text/Plain", "text/html"])
def test_json_is_read_whatever_it_is_called(kind: str, status: int) -> None:
    assert read(answer(b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), kind=kind, status=status)).access_token == "a1"


def test_a_form_is_read_where_it_is_called_one() -> None:
    form = answer(
        b"access_token=a%2B1&expires_in=60&refresh_token=r+2", kind="Application/X-WWW-Form-Urlencoded; charset=utf-8"
    )
    assert read(form) == TokenResponse(access_token="a+1", lifetime=60.0, refresh_token="r 2")


@pytest.mark.parametrize(
    ("given", "lifetime"),
    [
        ("7200", 7200.0),
        ("1.5", 1.5),
        (0.25, 0.25),
        (10**400, 366 * 86400.0),
        ("999999999999999", 366 * 86400.0),
        *((odd, None) for odd in ODD),
    ],
)
def test_a_lifetime_is_a_number_above_zero_or_unknown(given: object, lifetime: float | None) -> None:
    assert read(answer({**GOOD, "expires_in": given})).lifetime == lifetime


@pytest.mark.parametrize("kind", ["bearer", "BEARER", "BearerToken", None, ""])
def test_bearer_is_understood_in_any_case_and_where_it_goes_without_saying(kind: str | None) -> None:
    assert read(answer({**GOOD, "token_type": kind})).access_token == "a1"


@pytest.mark.parametrize("missing", [None, ""])
def test_no_new_refresh_token_is_none(missing: str | None) -> None:
    assert read(answer({**GOOD, "refresh_token": missing})).refresh_token is None


def test_the_longest_tokens_are_taken() -> None:
    longest = "t" * 16_384
    tokens = read(answer({"access_token": longest, "refresh_token": longest}))
    assert (tokens.access_token, tokens.refresh_token) == (longest, longest)


UNUSABLE: dict[str, tuple[Response, str]] = {
    "none": (answer({"token_type": "Bearer"}), "answered 200 without an access_token."),
    "an empty one": (answer({**GOOD, "access_token": ""}), "visible ASCII"),
    "a number": (answer({**GOOD, "access_token": 7}), "visible ASCII"),
    "a long one": (answer({**GOOD, "access_token": "t" * 16_385}), "visible ASCII"),
    "one with a line end": (answer({**GOOD, "access_token": "t\r\nX: y"}), "visible ASCII"),
    "one that ends a line": (answer({**GOOD, "access_token": "t\n"}), "visible ASCII"),
    "one with a space": (answer({**GOOD, "access_token": "t t"}), "visible ASCII"),
    "one beyond ASCII": (answer({**GOOD, "access_token": "tökén"}), "visible ASCII"),
    "another type": (answer({**GOOD, "token_type": "DPoP"}), "other than Bearer"),
    "an odd type": (answer({**GOOD, "token_type": ["Bearer"]}), "other than Bearer"),
    "an odd refresh token": (answer({**GOOD, "refresh_token": ["r"]}), "refresh_token"),
    "a refresh token with a line end": (answer({**GOOD, "refresh_token": "r\n"}), "refresh_token"),
    "a long refresh token": (answer({**GOOD, "refresh_token": "r" * 16_385}), "refresh_token"),
    "two tokens": (answer(b'{"access_token": "a", "access_token": "b"}'), "comes once"),
    "two in a form": (answer(b"access_token=a&access_token=b", kind="application/x-www-form-urlencoded"), "comes once"),
    "a form of many": (answer(b"a=b&" * 99, kind="application/x-www-form-urlencoded"), "comes once"),
    "a form beyond ASCII": (answer(b"access_token=\xff", kind="application/x-www-form-urlencoded"), "comes once"),
    "nothing": (answer(b""), "something else than a JSON object"),
    "a page": (answer(b"<html>s3cret", kind="text/html"), "something else than a JSON object"),
    "a list": (answer(b'["access_token"]'), "something else than a JSON object"),
    "bytes": (answer(b'{"access_token": "\xff"}'), "something else than a JSON object"),
    "a deep one": (answer(b'{"a":' * 20_000), "something else than a JSON object"),
    "a huge number": (answer(b'{"expires_in": ' + b"9" * 5000 + b"}"), "something else than a JSON object"),
    "a redirect": (answer({**GOOD}, status=307), "answered 307; redirects are not followed"),
    "a redirect without body": (answer(b"", status=302), "answered 302; redirects are not followed"),
    "a page with a failure": (answer(b"<html>s3cret", status=404), "/token answered 404."),
    "a failure": (answer({"error": "s3cret here", "error_description": "s3cret"}, status=400), "/token answered 400."),
    "a failure with a token": (answer(GOOD, status=500), "/token answered 500."),
    "an odd error": (answer({"error": ["s3cret"]}, status=400), "/token answered 400."),
    "a long error": (answer({"error": "e" * 65}, status=400), "/token answered 400."),
    "the client": (answer({"error": "invalid_client"}, status=401), "401, invalid_client; check clientId"),
    "the scope": (answer({"error": "invalid_scope"}, status=400), "400, invalid_scope; check scope."),
    "an unknown code": (answer({"error": "slow_down"}, status=429), "answered 429, slow_down."),
    "an error called good": (answer({"error": "bad_refresh_token"}), "answered 200, bad_refresh_token."),
    "an odd error called good": (answer({"error": "s3cret!"}), "answered 200 with an error."),
    "a broken server": (answer({"error": "invalid_grant"}, status=503), "answered 503, invalid_grant."),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_is_no_token_is_told_apart(case: str) -> None:
    given, complaint = UNUSABLE[case]
    with pytest.raises(NoToken) as caught:
        read(given)
    assert type(caught.value) is NoToken
    message = caught.value.failure.message
    assert message.startswith(PLACE)
    assert complaint in message
    assert "s3cret" not in message


def test_a_cut_answer_is_not_guessed_at() -> None:
    cut = Response(status=200, headers=(), body=json.dumps(GOOD).encode(), truncated=True)
    with pytest.raises(NoToken, match="longer than Hookward reads"):
        read(cut)


@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_an_invalid_grant_asks_for_an_authorization(status: int) -> None:
    with pytest.raises(AuthorizationRequired, match="refused the refresh token"):
        read(answer({"error": "invalid_grant", "error_description": "s3cret"}, status=status))


def test_an_invalid_grant_of_a_client_s_own_is_nothing_that_consent_helps_with() -> None:
    with pytest.raises(NoToken) as caught:
        read(answer({"error": "invalid_grant"}, status=400), consented=None)
    assert not isinstance(caught.value, AuthorizationRequired)
