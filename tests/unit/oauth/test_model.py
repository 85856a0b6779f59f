"""OAuth2 as values: variants, lifetimes, and reprs that say nothing."""

from __future__ import annotations

import msgspec
import pytest

from hookward.application.oauth.credentials import CredentialState, credential_subject, read_state, write_state
from hookward.application.oauth.ports import NewRefreshToken
from hookward.domain.delivery.outcome import ErrorKind
from hookward.domain.oauth.model import (
    ClientAuthMethod,
    GrantType,
    NoToken,
    OAuthDefinition,
    TokenResponse,
    usable_token,
    variant_of,
)
from tests.fakes.oauth import ACCOUNT, CREDENTIAL, new_grant

DEFINITION = OAuthDefinition(client_id="client", access_token_url="https://auth.test/token")
DAY = 86400.0


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "other"},
        {"access_token_url": "https://auth.test/other"},
        {"grant_type": GrantType.CLIENT_CREDENTIALS},
        {"client_auth_method": ClientAuthMethod.POST},
        {"scope": "read"},
        {"extra_parameters": {"audience": "a"}},
    ],
)
def test_what_a_token_request_is_made_of_makes_the_variant(change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(DEFINITION, **change)
    assert variant_of(changed, "hush") != variant_of(DEFINITION, "hush")


def test_the_client_secret_makes_the_variant() -> None:
    assert len({variant_of(DEFINITION, secret) for secret in ("hush", "hist", "", None)}) == 4


def test_what_no_token_request_depends_on_does_not_make_the_variant() -> None:
    changed = msgspec.structs.replace(DEFINITION, auth_url="https://auth.test/", redirect_uri="https://us.test/")
    assert variant_of(changed, "hush") == variant_of(DEFINITION, "hush")


def test_the_order_of_parameters_does_not_make_the_variant() -> None:
    one, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    variants = {variant_of(msgspec.structs.replace(DEFINITION, extra_parameters=each), None) for each in (one, other)}
    assert len(variants) == 1


@pytest.mark.parametrize(
    ("lifetime", "usable"),
    [
        (3600.0, 3540.0), (600.0, 540.0), (100.0, 90.0), (1.0, 0.9), (None, 3540.0),
        (0.0, 0.0), (-5.0, 0.0), (float("nan"), 0.0), (float("-inf"), 0.0),
        (float("inf"), 30 * DAY - 60), (1e300, 30 * DAY - 60), (29 * DAY, 29 * DAY - 60),
    ],
)  # fmt: skip
def test_a_token_is_used_until_shortly_before_its_end(lifetime: float | None, usable: float) -> None:
    token = usable_token(TokenResponse(access_token="a", lifetime=lifetime), 1_000_000)
    assert token.until_us == 1_000_000 + int(usable * 1_000_000)


@pytest.mark.parametrize("value", ["", "a b", "a\r\nX: y", "é", "\x00", "a" * 16_385])
def test_what_fits_into_no_header_is_no_token(value: str) -> None:
    with pytest.raises(NoToken) as refused:
        usable_token(TokenResponse(access_token=value), 0)
    assert (refused.value.failure.kind, value in str(refused.value)) == (ErrorKind.OAUTH, value == "")


def test_no_repr_shows_a_secret() -> None:
    answer = TokenResponse(access_token="canary", refresh_token="canary")
    values = [
        answer,
        usable_token(answer, 0),
        new_grant(secret="canary"),
        CredentialState(original_token="canary", token="canary"),
        NewRefreshToken(base=1, generation=2, token="canary"),
    ]
    assert [each for each in values if "canary" in repr(each)] == []


def test_a_state_comes_back_as_it_was() -> None:
    state = CredentialState(original_token="a", token=None)
    assert read_state(write_state(state)) == state
    assert credential_subject(ACCOUNT, CREDENTIAL) == f"account:1/credential:{CREDENTIAL.hex()}/state"
