"""JSV: what is read, what is written, and that both fit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.errors import HookwardError, Invalid, Malformed
from hookward.domain.events.jsv import read_jsv, write_jsv

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", '"', '""', " ", "a b", ",", ":", "{", "}", "[a]", "\n", "null", "True", "12", "2024-05-03T02:03:39-04:00"]
)
names = texts.filter(bool)
trees = st.recursive(
    texts | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)

SAMPLE = """
{
\tEventID: 8,
\tRegistrationID: String,
\tSessions: 
\t[
\t\t{
\t\t\tString: String
\t\t}
\t],
\tBypassCache: False,
\tDateCached: 2024-05-03T02:03:39.8946258-04:00,
\tDevice: Desktop
}
"""  # noqa: W291  as the reference page prints it


def test_the_sample_of_the_reference_page_is_read() -> None:
    assert read_jsv(SAMPLE) == {
        "EventID": "8",
        "RegistrationID": "String",
        "Sessions": [{"String": "String"}],
        "BypassCache": "False",
        "DateCached": "2024-05-03T02:03:39.8946258-04:00",
        "Device": "Desktop",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("  ", None),
        ("a", "a"),
        ('""', ""),
        ('"a ""b"", c"', 'a "b", c'),
        ('" a "', " a "),
        ("{}", {}),
        ("[]", []),
        ("[ ]", []),
        ("[,]", [None, None]),
        ("[a,]", ["a", None]),
        ('["[",{"a:b":{c:"}"}}]', ["[", {"a:b": {"c": "}"}}]),
        ("{a:,b:x}", {"a": None, "b": "x"}),
        ("{a:1,}", {"a": "1"}),
        ("{a:1,a:2}", {"a": "2"}),
        ("{a:b:c}", {"a": "b:c"}),
        ("{first name : Zoë Ångström }", {"first name": "Zoë Ångström"}),
    ],
)
def test_a_text_is_read(text: str, value: Any) -> None:
    assert read_jsv(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected a name and a colon at offset 1, found the end"),
        ("{a", "expected a name and a colon at offset 2, found the end"),
        ("{:a}", "expected a name and a colon at offset 1, found ':'"),
        ("{a}", "expected a name and a colon at offset 2, found '}'"),
        ("{a:b", "expected , or } at offset 4, found the end"),
        ("[a", "expected , or ] at offset 2, found the end"),
        ("[a}", "expected , or ] at offset 2, found '}'"),
        ('"a', "expected a closing quotation mark at offset 2, found the end"),
        ('"a""', "expected a closing quotation mark at offset 4, found the end"),
        ("{} x", "expected the end at offset 3, found 'x'"),
        ('a"b', "expected the end at offset 1, found '\"'"),
    ],
)
def test_what_is_no_jsv_is_told_where(text: str, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_jsv(text)
    assert caught.value.detail == f"the body is not JSV: {message}"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a:", "}")])
def test_nesting_is_bounded(opening: str, closing: str) -> None:
    read_jsv(opening * 100 + closing * 100)
    for depth in (101, 100_000):
        with pytest.raises(Invalid):
            read_jsv(opening * depth + closing * depth)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "True"),
        (False, "False"),
        (12, "12"),
        (1.5, "1.5"),
        ("", '""'),
        ("a b", "a b"),
        (" a", '" a"'),
        ("a\nb", '"a\nb"'),
        ('say "a"', '"say ""a"""'),
        ("2024-05-03T02:03:39", "2024-05-03T02:03:39"),
        ({"a": 1, "b": None, "c:d": [], 'e"': ""}, '{a:1,"c:d":[],"e""":""}'),
        (["a", None, {"b": "c,d"}], '[a,,{b:"c,d"}]'),
    ],
)
def test_a_value_is_written(value: Any, text: str) -> None:
    assert write_jsv(value) == text


def without_nothing(value: Any) -> Any:
    """Without what JSV cannot tell: members that hold nothing, and an array of nothing alone."""
    match value:
        case dict():
            return {name: without_nothing(each) for name, each in value.items() if each is not None}
        case [None]:
            return []
        case list():
            return [without_nothing(each) for each in value]
        case _:
            return value


@given(trees)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert read_jsv(write_jsv(value)) == without_nothing(value)


@given(st.text(st.sampled_from('{}[]:,"ab \n'), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value = read_jsv(text)
    except HookwardError:
        return
    assert read_jsv(write_jsv(value)) == without_nothing(value)
