from __future__ import annotations

from typing import Any

import pytest

from hookward.domain.errors import Invalid
from hookward.domain.oauth.model import ClientAuthMethod, GrantType, OAuthDefinition
from hookward.domain.watches.changes import patched, read_changed_watch
from hookward.domain.watches.model import WatchDefinition, WatchSecrets
from hookward.domain.watches.oauth_rules import OF_AUTHORIZATIONS, OF_TOKEN_REQUESTS, PROPERTIES, read_oauth
from hookward.domain.watches.reader import Reader
from hookward.domain.watches.rules import WatchRequest, read_watch
from tests.unit.resource_types.resource_types import made_up
from tests.unit.watches.watch_input import RIGHT, SECOND

URL = "https://login.example.com/token?tenant=7"
INSTEAD = "clientAuthMethod says how the client authenticates"
ESCAPED = "that is not followed by two hexadecimal digits; write %25 for a percent sign"
OAUTH: dict[str, Any] = {
    "clientId": "hook ward", "clientSecret": "s3cret", "refreshToken": "r3fresh", "accessTokenUrl": URL,
}  # fmt: skip
CREDENTIALS = {key: value for key, value in OAUTH.items() if key != "refreshToken"} | {
    "grantType": "client_credentials"
}


def no_key(text: str) -> str | None:
    return None if text == "a key" else "must be a private key"


def read(oauth: Any, *, has_token: bool = False, **more: Any) -> WatchRequest:
    given = {**RIGHT, "oauth2Auth": oauth, **more}
    return read_watch(given, made_up(), {}, second=SECOND, check_key=no_key, has_token=has_token)


def problems(oauth: Any, **more: Any) -> dict[str | None, str]:
    with pytest.raises(Invalid) as caught:
        read(oauth, **more)
    found = {each.pointer: each.message for each in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    return found


def the_problem(**changes: Any) -> tuple[str | None, str]:
    [found] = problems({**OAUTH, **changes}).items()
    return found


def test_what_is_given_is_kept_and_secrets_are_kept_apart() -> None:
    more: dict[str, Any] = {
        "grantType": "refresh_token", "authUrl": "https://login.example.com/authorize?prompt=consent",
        "redirectUri": "https://b.example.com/back", "scope": "a b:c", "clientAuthMethod": "client_secret_post",
        "extraParameters": {"audience": "https://api.example.com", "empty": ""},
    }  # fmt: skip
    request = read({**OAUTH, **more})
    assert request.definition.oauth == OAuthDefinition(
        client_id="hook ward", access_token_url=URL, grant_type=GrantType.REFRESH_TOKEN,
        client_auth_method=ClientAuthMethod.POST, auth_url=more["authUrl"], redirect_uri=more["redirectUri"],
        scope="a b:c", extra_parameters={"audience": "https://api.example.com", "empty": ""},
    )  # fmt: skip
    assert (request.secrets, request.refresh_token) == (WatchSecrets(client_secret="s3cret"), "r3fresh")


def test_the_grant_is_a_refresh_token_and_the_client_authenticates_by_basic_unless_said_otherwise() -> None:
    oauth = read({**OAUTH, "grantType": None, "clientAuthMethod": None, "scope": None}).definition.oauth
    assert oauth == OAuthDefinition(client_id="hook ward", access_token_url=URL)


def test_client_credentials_need_no_refresh_token() -> None:
    request = read(CREDENTIALS)
    assert request.definition.oauth == OAuthDefinition(
        client_id="hook ward", access_token_url=URL, grant_type=GrantType.CLIENT_CREDENTIALS
    )


def test_an_address_to_authorize_at_or_a_token_that_is_there_stands_for_the_refresh_token() -> None:
    without = {**OAUTH, "refreshToken": None}
    assert read({**without, "authUrl": "https://a.example/"}).refresh_token is None
    assert read(without, has_token=True).refresh_token is None


def test_everything_that_is_missing_is_named_at_once() -> None:
    assert problems({}) == {
        "/oauth2Auth/clientId": "clientId is missing; give the id of the client",
        "/oauth2Auth/accessTokenUrl": "accessTokenUrl is missing; give the URL of the token endpoint",
        "/oauth2Auth/clientSecret": "clientSecret is missing; give it, or clientAuthMethod none",
        "/oauth2Auth/refreshToken": (
            "grantType refresh_token needs a refreshToken, or an authUrl at which a person can authorize it"
        ),
    }


def test_everything_that_is_wrong_is_named_at_once() -> None:
    wrong = dict.fromkeys(PROPERTIES, 7)
    assert set(problems({**wrong, "zz": 1})) == {f"/oauth2Auth/{name}" for name in (*PROPERTIES, "zz")} - {
        "/oauth2Auth/clientSecret"  # what it must be is not known
    }
    assert problems("x") == {"/oauth2Auth": f"oauth2Auth must be an object with {', '.join(PROPERTIES)}"}


@pytest.mark.parametrize("name", ["refreshToken", "authUrl", "redirectUri"])
def test_what_goes_with_a_refresh_token_is_refused_with_client_credentials(name: str) -> None:
    [(pointer, message)] = problems({**CREDENTIALS, name: "https://a.example/"}).items()
    expected = f"{name} goes with grantType refresh_token only; leave it out"
    assert (pointer, message) == (f"/oauth2Auth/{name}", expected)


def test_a_client_without_a_secret_gives_none() -> None:
    assert read({**OAUTH, "clientSecret": None, "clientAuthMethod": "none"}).secrets == WatchSecrets()
    assert the_problem(clientAuthMethod="none") == (
        "/oauth2Auth/clientSecret", "clientSecret is not sent with clientAuthMethod none; leave it out",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        (None, "clientSecret is missing; give the client's private key, as PEM or JWK"),
        (7, "clientSecret must be a private key, as PEM or as the text of a JWK, of at most 16384 characters"),
        (
            "k" * 16385,
            "clientSecret must be a private key, as PEM or as the text of a JWK, of at most 16384 characters",
        ),
        ("no key", "clientSecret must be a private key"),
    ],
)
def test_the_secret_of_who_signs_is_a_private_key(secret: Any, told: str) -> None:
    assert the_problem(clientAuthMethod="private_key_jwt", clientSecret=secret) == ("/oauth2Auth/clientSecret", told)


def test_a_private_key_is_kept_as_the_secret() -> None:
    request = read({**OAUTH, "clientAuthMethod": "private_key_jwt", "clientSecret": "a key"})
    assert request.secrets.client_secret == "a key"


def test_who_cannot_check_keys_takes_none() -> None:
    given = {**RIGHT, "oauth2Auth": {**OAUTH, "clientAuthMethod": "private_key_jwt"}}
    with pytest.raises(Invalid) as caught:
        read_watch(given, made_up(), {}, second=SECOND)
    assert "cannot be checked here" in caught.value.problems[0].message


@pytest.mark.parametrize("value", ["", "a\n", "é", "a\x7f", "\ud800", 7, ["a"], "x" * 16385])
@pytest.mark.parametrize("name", ["clientId", "clientSecret", "refreshToken"])
def test_ids_secrets_and_tokens_are_visible_ascii(name: str, value: Any) -> None:
    pointer, message = the_problem(**{name: value})
    assert (pointer, message.endswith("visible ASCII characters (RFC 6749, appendix A)")) == (
        f"/oauth2Auth/{name}", True,
    )  # fmt: skip
    assert len(message) < 200


@pytest.mark.parametrize("name", ["accessTokenUrl", "authUrl", "redirectUri"])
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("login.example.com", "{} must be an absolute http:// or https:// URL, such as https://example.com/hooks"),
        ("ftp://a.example/", "{} must be an absolute http:// or https:// URL, such as https://example.com/hooks"),
        ("https://u:p@a.example/", f"{{}} must not hold a user name or password; {INSTEAD}"),
        ("https://a.example/#x", "{} must not have a fragment (#…); leave it out"),
        ("https:///x", "{} has no host; give one, such as https://example.com/hooks"),
        ("https://a.example/a b", "{} holds characters that no URL may; percent-encode them"),
        ("https://a.example/%zz", f"{{}} holds a % {ESCAPED}"),
        ("https://a.example/${$.id}", "{} is used as it is written; ${{…}} is for address alone"),
        ("https://a.example/" + "a" * 2048, "{} must be a URL of at most 2048 characters"),
        (7, "{} must be a URL of at most 2048 characters"),
        ("", "{} must be a URL of at most 2048 characters"),
    ],
)  # fmt: skip
def test_an_address_is_an_absolute_url_that_is_used_as_it_is(name: str, value: Any, told: str) -> None:
    assert the_problem(**{name: value}) == (f"/oauth2Auth/{name}", told.format(name))


def test_the_query_of_an_auth_url_holds_nothing_that_is_ours_to_set() -> None:
    url = "https://a.example/?state=x&STATE=y&prompt=consent&scope"
    with pytest.raises(Invalid) as caught:
        read({**OAUTH, "authUrl": url})
    assert [each.message.split(",")[0] for each in caught.value.problems] == [
        "authUrl must not hold the parameter state", "authUrl must not hold the parameter scope",
    ]  # fmt: skip


@pytest.mark.parametrize("scope", ["", " a", "a ", "a  b", 'a"b', "a\\b", "a\tb", "é", 7, "s" * 4097])
def test_a_scope_is_words_with_a_blank_between_them(scope: Any) -> None:
    pointer, message = the_problem(scope=scope)
    assert (pointer, message[:21]) == ("/oauth2Auth/scope", "scope must be words o")


@pytest.mark.parametrize("name", sorted(OF_TOKEN_REQUESTS | OF_AUTHORIZATIONS))
def test_no_extra_parameter_takes_the_place_of_one_of_ours(name: str) -> None:
    assert the_problem(extraParameters={name: "x"}) == (
        f"/oauth2Auth/extraParameters/{name}", f"{name} is set by the service; leave it out",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["", "a b", "é", "a=b", "n" * 256, "a\n"])
def test_the_name_of_an_extra_parameter_is_one_that_the_standard_allows(name: str) -> None:
    [message] = problems({**OAUTH, "extraParameters": {name: "x"}}).values()
    assert message.startswith("the name of a parameter is 1 to 255 letters")


@pytest.mark.parametrize("value", [7, None, "a\n", "\ud800", "v" * 4097])
def test_the_value_of_an_extra_parameter_is_a_text(value: Any) -> None:
    assert the_problem(extraParameters={"a": value}) == (
        "/oauth2Auth/extraParameters/a", "must be a text of at most 4096 characters without control characters",
    )  # fmt: skip


@pytest.mark.parametrize("value", [7, [], "a", {f"a{number}": "" for number in range(33)}])
def test_extra_parameters_are_an_object_of_a_few(value: Any) -> None:
    assert the_problem(extraParameters=value) == (
        "/oauth2Auth/extraParameters", "extraParameters must be an object of at most 32 texts",
    )  # fmt: skip


def test_a_watch_authenticates_in_one_way_only() -> None:
    assert problems(OAUTH, basicAuth={"username": "u", "password": "p"}) == {
        "/oauth2Auth": "basicAuth and oauth2Auth both set Authorization; leave one of them out"
    }
    assert problems(OAUTH, httpRequestHeader={"authorization": "x"}) == {
        "/httpRequestHeader/authorization": "Authorization is set by basicAuth or oauth2Auth; leave one of them out"
    }


def test_nothing_of_a_secret_is_quoted() -> None:
    secrets = {"clientSecret": "canary\n", "refreshToken": "canary\n", "extraParameters": {"a": "canary\n"}}
    assert "canary" not in repr(problems({**OAUTH, **secrets}))
    reader = Reader({"oauth2Auth": OAUTH})
    assert "s3cret" not in repr((read(OAUTH).secrets, read_oauth(reader, no_key, has_token=False)))


BEFORE = WatchDefinition(address="https://a.example/", oauth=OAuthDefinition(client_id="c", access_token_url=URL))
SECRETS = WatchSecrets(client_secret="kept")


def changed(oauth: Any, *, has_token: bool = True) -> WatchRequest:
    given = {**RIGHT, "oauth2Auth": oauth}
    return read_changed_watch(given, BEFORE, SECRETS, made_up(), second=SECOND, check_key=no_key, has_token=has_token)


@pytest.mark.parametrize("secret", [{}, {"clientSecret": None}])
def test_a_block_that_is_repeated_without_its_secrets_keeps_them(secret: dict[str, None]) -> None:
    request = changed({"clientId": "c", "accessTokenUrl": URL, **secret})
    assert (request.secrets.client_secret, request.refresh_token) == ("kept", None)


def test_a_secret_that_is_given_again_takes_the_place_of_the_one_before() -> None:
    assert changed(OAUTH).secrets.client_secret == "s3cret"


def test_a_client_that_no_longer_authenticates_keeps_no_secret() -> None:
    request = changed({"clientId": "c", "accessTokenUrl": URL, "clientAuthMethod": "none"})
    assert request.secrets == WatchSecrets()


def test_a_secret_that_is_kept_is_no_private_key() -> None:
    with pytest.raises(Invalid) as caught:
        changed({"clientId": "c", "accessTokenUrl": URL, "clientAuthMethod": "private_key_jwt"})
    assert [each.pointer for each in caught.value.problems] == ["/oauth2Auth/clientSecret"]


def test_a_block_that_is_left_out_is_removed_with_its_secrets() -> None:
    request = changed(None)
    assert (request.definition.oauth, request.secrets) == (None, WatchSecrets())


def test_an_extra_parameter_is_patched_away_with_null() -> None:
    shown = {**RIGHT, "httpRequestHeader": {}, "oauth2Auth": {"extraParameters": {"a": "1", "b": "2"}}}
    merged = patched(shown, {"oauth2Auth": {"extraParameters": {"a": None}}})
    assert merged["oauth2Auth"] == {"extraParameters": {"b": "2"}}
