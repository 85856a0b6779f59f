"""Types for what came as mere text: as the schema asks, and otherwise text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.errors import Malformed
from hookward.domain.events.coercion import MAX_FIELDS, coerce, read_form, read_query
from tests.unit.resource_types.resource_types import built_in

SESSION = built_in()["event.registrationSession"].schema
INTEGER = {"type": "integer"}
NUMBER = {"type": ["number", "null"]}
BOOLEAN = {"type": "boolean"}
LIST = {"type": ["array", "null"], "items": INTEGER}
TABLE = {"type": "object", "properties": {"a": INTEGER}, "additionalProperties": BOOLEAN}


@pytest.mark.parametrize(
    ("value", "schema", "result"),
    [
        ("7", INTEGER, 7),
        ("-7", INTEGER, -7),
        ("9" * 300, INTEGER, int("9" * 300)),
        ("1.10", NUMBER, 1.1),
        ("0.12345678901234567890123", NUMBER, Decimal("0.12345678901234567890123")),
        ("2e3", NUMBER, 2000.0),
        ("12", NUMBER, 12),
        ("", NUMBER, None),
        ("null", NUMBER, None),
        (None, INTEGER, None),
        ("True", BOOLEAN, True),
        ("false", BOOLEAN, False),
        ("7", {"type": "string"}, "7"),
        ("", {"type": ["string", "null"]}, ""),
        ("7", {"type": ["integer", "string"]}, "7"),
        ("7", {}, "7"),
        (["1", "x"], LIST, [1, "x"]),
        ("[1,2]", LIST, [1, 2]),
        ("1,2", LIST, [1, 2]),
        ("1", LIST, [1]),
        ("{a:1,b:True}", TABLE, {"a": 1, "b": True}),
        ({"a": "1", "b": "false"}, TABLE, {"a": 1, "b": False}),
        ({"a": "1"}, {"additionalProperties": False}, {"a": "1"}),
        (["1"], {}, ["1"]),
    ],
)
def test_a_text_becomes_what_the_schema_asks_for(value: Any, schema: dict[str, Any], result: Any) -> None:
    assert (coerce(value, schema), type(coerce(value, schema))) == (result, type(result))


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        *[(text, INTEGER) for text in ("", "07", "+7", "7.0", "x", "1_000", "٧", "9" * 301, " 7")],
        *[(text, NUMBER) for text in ("NaN", "1e999", "Infinity", "1.", ".5")],
        *[(text, BOOLEAN) for text in ("", "1", "yes")],
        *[(text, LIST) for text in ("[1", "{", '"', "[" * 200)],
        *[(text, TABLE) for text in ("a:1", "{a", "{" * 200)],
    ],
)
def test_what_does_not_read_so_stays_text(text: str, schema: dict[str, Any]) -> None:
    assert coerce(text, schema) == text


def test_a_form_is_read_by_the_schema() -> None:
    text = "EventID=8&SessionIds=1&SessionIds=2&Sessions=%5B%7BName%3A%22a%2C+b%22%7D%5D&Device=x&Device=Desktop"
    assert read_form(text + "&BadgeNumber=&RegistrationID=123&more=1", SESSION) == {
        "EventID": 8,
        "SessionIds": [1, 2],
        "Sessions": [{"Name": "a, b"}],
        "Device": "Desktop",
        "BadgeNumber": None,
        "RegistrationID": "123",
        "more": "1",
    }


@pytest.mark.parametrize("text", ["a=%FF", "&".join(["a=1"] * (MAX_FIELDS + 1))])
def test_a_form_that_cannot_be_read_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read_form(text, SESSION)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.text(max_size=5)))
def test_names_that_the_schema_does_not_know_keep_their_text(fields: dict[str, str]) -> None:
    whole = {name: value.encode("utf-8", "replace").decode() for name, value in fields.items()}
    assert read_form(urlencode(whole), {}) == whole


def test_a_query_may_hold_whatever_else() -> None:
    others = "&".join(["%00=%FF", "more=1", "limit=0", "x"] * MAX_FIELDS)
    known = "BadgeNumber=7&Registration%49D=R+1&SessionIds=1&SessionIds=2"
    assert read_query(f"{others}&{known}&{others}", SESSION) == {
        "BadgeNumber": 7, "RegistrationID": "R 1", "SessionIds": [1, 2],
    }  # fmt: skip


def test_what_a_query_says_of_the_resource_must_be_text() -> None:
    with pytest.raises(Malformed):
        read_query("BadgeNumber=%FF", SESSION)
