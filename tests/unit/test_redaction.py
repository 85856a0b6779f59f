from __future__ import annotations

import base64

import pytest

from hookward.domain.redaction import MASK, is_secret_name, redacted, redacted_message, redacted_text

SECRET = [
    "password", "Authorization", "client_secret", "clientSecret", "refresh_token", "accessToken", "Set-Cookie",
    "cookie", "x-api-key", "apiKey", "master_key", "client_assertion", "code", "code_verifier", "headers",
    "private_pem", "request_body", "database_dsn", "JWT", "secrets", "HOOKWARD_KEY",
]  # fmt: skip
PLAIN = [
    "key_id",
    "api_key_id",
    "status",
    "status_code",
    "exc_type",
    "returncode",
    "monkey",
    "bodyguard",
    "",
    "token_url",
]


@pytest.mark.parametrize("name", SECRET)
def test_a_name_that_says_secret_masks_its_value_whatever_it_is(name: str) -> None:
    assert is_secret_name(name)
    for value in ("canary", b"canary", ["canary"], {"x": "canary"}):
        assert redacted({name: value}) == {name: MASK}


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_that_does_not_say_so_leaves_it(name: str) -> None:
    assert redacted({name: "shown"}) == {name: "shown"}


def test_numbers_are_no_secrets() -> None:
    given = {"token": 7, "keys": 3, "code": None, "secret": True, "key": 1.5}
    assert redacted(given) == given


LOOKS = {
    "whsec_canary+canary/canary=": "whsec_" + MASK,
    "whsk_canarycanarycanary": "whsk_" + MASK,
    "the key hw_canary_canary-canary, say": f"the key hw_{MASK}, say",
    "Authorization: Bearer canary.canary-canary": f"Authorization: {MASK} {MASK}",
    "sent basic Y2FuYXJ5OmNhbmFyeQ==": f"sent basic {MASK}",
    "postgresql://hookward:canary@db:5432/x": f"postgresql://hookward:{MASK}@db:5432/x",
    "postgresql://u:can@ry/canary@db/x": f"postgresql://u:{MASK}@db/x",
    "redis://:canary@valkey": f"redis://:{MASK}@valkey",
    "host=db password=canary user=x": f"host=db password={MASK} user=x",
    "{'password': 'ca\\'nary', 'x': 1}": f"{{'password': {MASK}, 'x': 1}}",
    '{"client_secret": "ca\\"nary", "x": 1}': f'{{"client_secret": {MASK}, "x": 1}}',
    "grant_type=x&refresh_token=canary&scope=y": f"grant_type=x&refresh_token={MASK}&scope=y",
    "/callback?state=x&code=canary": f"/callback?state=x&code={MASK}",
    "eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOjF9.canary": MASK,
    "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\nafter": f"{MASK}\nafter",
    "-----BEGIN RSA PRIVATE KEY-----\\ncanary\\n-----END RSA PRIVATE KEY-----": MASK,
    "-----BEGIN EC PRIVATE KEY-----\ncanary, cut": MASK,
}


@pytest.mark.parametrize(("text", "shown"), LOOKS.items())
def test_what_looks_like_a_secret_is_masked_in_any_text(text: str, shown: str) -> None:
    assert redacted_text(text) == shown
    assert redacted(["x", {"deep": (text,)}]) == ["x", {"deep": [shown]}]


@pytest.mark.parametrize(
    "text",
    [
        "PostgreSQL: ConnectionDoesNotExistError", "http://a.test:8080/path", "no key; send Authorization",
        "https://user@host/", "0 secrets were re-encrypted", "the code is 5", "hw_short",
    ],
)  # fmt: skip
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redacted_text(text) == text


def test_a_secret_as_the_name_of_something_is_masked() -> None:
    assert redacted({"hw_canary_canary": 1}) == {f"hw_{MASK}": 1}


class Holder:
    def __repr__(self) -> str:
        return "<Holder password='canary'>"


def test_what_is_shown_by_its_repr_is_looked_through() -> None:
    assert redacted(Holder()) == f"<Holder password={MASK}>"
    assert redacted({Holder()}) == [f"<Holder password={MASK}>"]


MESSAGES = {
    "invalid literal for int() with base 10: 'canary'": "invalid literal for int() with base 10: '…'",
    'invalid input for query argument $1: b"can\'ary" (a bytes-like)': (
        "invalid input for query argument $1: '…' (a bytes-like)"
    ),
    "duplicate key\nDETAIL:  Key (digest)=(canary) already exists.": "duplicate key …",
    "future: <Task exception=ValueError('canary \\'canary')>": "future: <Task exception=ValueError('…')>",
    "no quotes": "no quotes",
    "can't reach it": "can't reach it",
    "cut off: 'canary": "cut off: '…'",
}


@pytest.mark.parametrize(("message", "shown"), MESSAGES.items())
def test_nothing_that_a_message_quotes_is_shown(message: str, shown: str) -> None:
    assert redacted_message(message) == shown


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["://a:", "password=", "-----BEGIN PRIVATE KEY-----", "'", '"\\', "eyJaaaaa."])
def test_hostile_texts_cost_little(piece: str) -> None:
    """Quadratic would be minutes."""
    text = piece * (200_000 // len(piece))
    assert redacted_text(text)
    assert redacted_message(text)


def test_base64_of_credentials_is_masked_after_its_scheme() -> None:
    assert redacted_text("Basic " + base64.b64encode(b"u:canary").decode()) == f"Basic {MASK}"
