"""Addresses with placeholders: what is refused, what is filled in, and that no value leads anywhere else."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from hookward.adapters.http_client.request import _parse
from hookward.domain.errors import Invalid, TemplateFailed
from hookward.domain.templates.addresses import (
    MAX_FILLED,
    MAX_PLACEHOLDERS,
    address_complaints,
    compile_address,
    has_placeholder,
)
from tests.unit.events.json_strategies import documents

HOST_ONLY = "stands in the scheme, user, host or port, which must be fixed; use placeholders in the path and the query"


def complaints(address: str) -> list[str]:
    with pytest.raises(Invalid) as caught:
        compile_address(address)
    return [each.message for each in caught.value.problems]


def filled(address: str, **values: Any) -> str:
    return compile_address(address).fill(values)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a%20b"),
        ("../x", "..%2Fx"),
        ("?x=1&y#z", "%3Fx%3D1%26y%23z"),
        ("a+b%2F;,:@!$'()*", "a%2Bb%252F%3B%2C%3A%40%21%24%27%28%29%2A"),
        ("\r\nHost: x", "%0D%0AHost%3A%20x"),
        ("é😀", "%C3%A9%F0%9F%98%80"),
        ("A-Za-z0-9-._~", "A-Za-z0-9-._~"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (None, ""),
        ("", ""),
        ([1, "a"], "%5B1%2C%22a%22%5D"),
        ({"a": 1}, "%7B%22a%22%3A1%7D"),
    ],
)
def test_a_value_is_encoded_for_the_one_place_in_which_it_stands(value: Any, text: str) -> None:
    assert filled("https://h.test/a/${$.v}/b?x=${$.v}&y=1", v=value) == f"https://h.test/a/{text}/b?x={text}&y=1"


def test_what_selects_nothing_gives_nothing() -> None:
    assert filled("https://h.test/${$.no}/b?x=${$.no.one}") == "https://h.test//b?x="


def test_several_matches_are_compact_json() -> None:
    assert filled("http://h.test/?ids=${$.a[*].id}", a=[{"id": 1}, {"id": 2}]) == "http://h.test/?ids=%5B1%2C2%5D"


@pytest.mark.parametrize(
    "address",
    [
        "https://h.test/${$.v}",
        "https://h.test?${$.v}",
        "HTTPS://h.test:8443/a/${$['v']}/${$.v}",
        "https://[::1]/${$.v}",
        "https://h.test/a${$.v}b?${$.v}=${$.v}",
        "https://h.test/../${$.v}",
        "https://h.test/${$.a['}/?#']}",
    ],
)
def test_path_and_query_may_hold_placeholders(address: str) -> None:
    assert has_placeholder(address)
    assert list(address_complaints(compile_address(address).fill({"v": "x"}))) == []


@pytest.mark.parametrize(
    "address",
    [
        "${$.url}",
        "${$.scheme}://h.test/",
        "http${$.s}://h.test/",
        "https://${$.host}/",
        "https://${$.host}",
        "https://a.${$.host}.test/x",
        "https://h.test${$.path}",
        "https://h.test:${$.port}/",
        "https://${$.user}@h.test/",
        "https://u:${$.password}@h.test/",
        "https://${$['a/b']}/",
        "https://${$['?']}.h.test/",
        "//${$.host}/x",
    ],
)
def test_nothing_before_the_path_may(address: str) -> None:
    assert [HOST_ONLY in each for each in complaints(address)].count(True) == 1


@pytest.mark.parametrize(
    ("address", "gist"),
    [
        ("https://h.test/${$.v", "the placeholder `${$.v` has no end; close it with }"),
        ("https://h.test/${v}", "the placeholder `${v}`: `v` does not start with `$`"),
        ("https://h.test/${$..v}", "the placeholder `${$..v}`: `..` searches at any depth"),
        ("https://h.test/${}", "does not start with `$`"),
        ("https://h.test/#${$.v}", "address must not have a fragment"),
        ("https://h.test/$${$.v}", "address holds characters that no URL may"),
        ("https://h.test/%${$.v}", "address holds a % that is not followed by two hexadecimal digits"),
        ("https://h.test/%4${$.v}", "address holds a % that is not followed by two hexadecimal digits"),
        ("ftp://h.test/${$.v}", "address must be an absolute http:// or https:// URL"),
        ("/hooks/${$.v}", "address must be an absolute http:// or https:// URL"),
        ("https://h.test/a b/${$.v}", "address holds characters that no URL may"),
        (f"https://h.test/{'${$.v}' * (MAX_PLACEHOLDERS + 1)}", f"address has more than {MAX_PLACEHOLDERS} placeh"),
    ],
)
def test_what_is_wrong_with_it_is_said_once(address: str, gist: str) -> None:
    [complaint] = complaints(address)
    assert gist in complaint


def test_what_is_wrong_twice_is_said_once() -> None:
    assert len(complaints("https://h.test/${v}/${v}")) == 1


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(complaints("https://u@${$.host}/a b/${no}/${$..x}/%zz#f")) == 7


@pytest.mark.parametrize("value", [".", ".."])
@pytest.mark.parametrize(
    "address",
    ["https://h.test/a/${$.v}/b", "https://h.test/${$.v}", "https://h.test/${$.v}?x", "http://h.test/a/${$.v}${$.n}"],
)
def test_a_value_that_is_a_dot_segment_leads_nowhere(address: str, value: str) -> None:
    with pytest.raises(TemplateFailed, match="which means another path"):
        filled(address, v=value)


@pytest.mark.parametrize(
    "address", ["https://h.test/.${$.v}", "https://h.test/%2e${$.v}/b", "https://h.test/.%2E${$.no}/b"]
)
def test_nor_does_one_that_completes_a_dot_segment(address: str) -> None:
    with pytest.raises(TemplateFailed, match="which means another path"):
        filled(address, v=".")


@pytest.mark.parametrize(
    "address", ["https://h.test/a/${$.v}.json", "https://h.test/?x=/${$.v}/", "https://h.test/../a${$.v}"]
)
def test_dots_elsewhere_are_dots(address: str) -> None:
    assert filled(address, v="..") == address.replace("${$.v}", "..")


@pytest.mark.parametrize("values", [{"v": "x" * (MAX_FILLED + 1)}, {"v": "é" * 2000}, {"v": ["x"] * 9000}])
def test_an_address_does_not_grow_without_end(values: dict[str, Any]) -> None:
    with pytest.raises(TemplateFailed, match="would be longer than 8192 characters"):
        filled("https://h.test/${$.v}", **values)


def test_a_path_that_costs_too_much_gives_no_address() -> None:
    with pytest.raises(TemplateFailed, match="touches too many values"):
        filled("https://h.test/${$.a[?@ > 9]}", a=[1] * 300_000)


@pytest.mark.parametrize("value", ["\ud800", ["\ud800"]])
def test_a_value_that_is_no_text_gives_no_address(value: Any) -> None:
    with pytest.raises(TemplateFailed, match="none that JSON can hold"):
        filled("https://h.test/${$.v}", v=value)


hostile = st.text() | st.text("./?#&=%2eE\\@:;+ \r\n\0é[]{}", max_size=12) | documents


@given(hostile, hostile)
def test_no_value_changes_where_an_address_leads(first: Any, second: Any) -> None:
    template = compile_address("https://h.test:8443/hooks/${$.a}/x${$.b}?q=${$.a}&r=${$.b}x")
    try:
        address = template.fill({"a": first, "b": second})
    except TemplateFailed:
        return
    url = _parse(address)  # as the sender reads it
    path, _, query = address.removeprefix("https://h.test:8443").partition("?")
    assert (url.scheme, url.host, url.port, url.raw_user, url.raw_fragment) == ("https", "h.test", 8443, None, "")
    assert [path.count("/"), len(query.split("&")), query.count("="), address.count("?")] == [3, 2, 2, 1]
    assert [path.startswith("/hooks/"), path.split("/")[3][0], query[:2], query[-1]] == [True, "x", "q=", "x"]
    assert list(address_complaints(address)) == []
    assert URL(address).raw_path.count("/") == 3  # nor after dot segments are removed


@given(st.text(), st.text())
def test_what_is_filled_in_can_be_read_back(first: str, second: str) -> None:
    template = compile_address("https://h.test/-${$.a}?-${$.b}")
    path, _, query = template.fill({"a": first, "b": second}).removeprefix("https://h.test/-").partition("?-")
    assert (unquote(path, errors="strict"), unquote(query, errors="strict")) == (first, second)
