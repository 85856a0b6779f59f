from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from hookward.domain.errors import (
    Conflict,
    HookwardError,
    Invalid,
    Malformed,
    NotFound,
    Problem,
    RequestRejected,
    TooLarge,
    TooManyPending,
    pointer_to,
)
from tests.unit.events.json_strategies import documents

KINDS = (Malformed, Invalid, TooLarge, NotFound, Conflict)


@pytest.mark.parametrize(
    ("segments", "pointer"),
    [
        ((), ""),
        (("",), "/"),
        (("a", "b"), "/a/b"),
        (("foo", 0), "/foo/0"),
        (("a/b",), "/a~1b"),
        (("m~n",), "/m~0n"),
        (("~1",), "/~01"),
        ((" ", 'k"l', "i\\j"), '/ /k"l/i\\j'),
    ],
)
def test_a_pointer_is_written_as_rfc_6901_says(segments: tuple[str | int, ...], pointer: str) -> None:
    assert pointer == pointer_to(*segments)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(place for key, each in inner for place in _places(each, (*path, key)))]


def _look_up(document: Any, pointer: str) -> Any:
    """RFC 6901 section 4, written independently of what writes pointers."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


@given(documents)
def test_a_pointer_leads_to_the_place_it_was_made_for(document: Any) -> None:
    assert all(value is _look_up(document, pointer_to(*path)) for path, value in _places(document))


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_says_why_and_where(kind: type[RequestRejected]) -> None:
    problem = Problem(message="wrong", pointer="/a")
    refusal = kind("no", (problem,))
    assert ("no", "no", (problem,)) == (str(refusal), refusal.detail, refusal.problems)


def test_a_backlogged_account_learns_when_to_try_again() -> None:
    refusal = TooManyPending("too much waits", retry_after=7)
    assert (refusal.detail, refusal.problems, refusal.retry_after) == ("too much waits", (), 7)


@pytest.mark.parametrize("kind", [*KINDS, TooManyPending])
def test_every_refusal_is_one_of_our_errors(kind: type[RequestRejected]) -> None:
    assert issubclass(kind, RequestRejected)
    assert issubclass(kind, HookwardError)
