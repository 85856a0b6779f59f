"""What scopes allow, and what a key looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.access.callers import Caller, Scope, is_key_text, key_digest, key_text
from hookward.domain.ids import AccountId

EVERYTHING_BUT_OPERATING = {Scope.PUBLISH, Scope.WATCHES, Scope.DELIVERIES, Scope.ADMIN}


@pytest.mark.parametrize(
    ("held", "allowed"),
    [
        *(({scope}, {scope}) for scope in (Scope.PUBLISH, Scope.WATCHES, Scope.DELIVERIES, Scope.OPERATOR)),
        ({Scope.ADMIN}, EVERYTHING_BUT_OPERATING),
        ({Scope.ADMIN, Scope.OPERATOR}, set(Scope)),
    ],
)
def test_admin_is_all_of_the_accounts_and_operator_is_apart(held: set[Scope], allowed: set[Scope]) -> None:
    caller = Caller(account=AccountId(1), scopes=frozenset(held))
    assert {scope for scope in Scope if caller.may(scope)} == allowed


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_known_by_its_look_and_is_safe_in_urls(random: bytes) -> None:
    text = key_text(random)
    assert is_key_text(text)
    assert len(text) == 46


@pytest.mark.parametrize("text", ["", "hw_", "hw_" + "a" * 42, "hw_" + "a" * 44, "hw_" + "a" * 42 + "=", "a" * 46])
def test_what_we_never_made_does_not_look_like_a_key(text: str) -> None:
    assert not is_key_text(text)


def test_any_text_has_a_digest_even_one_that_is_no_unicode() -> None:
    assert len(key_digest("\udcff")) == 32
