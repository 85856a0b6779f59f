"""The template and the scope of a watch, and how several problems are named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.errors import Invalid, Problem
from hookward.domain.events.rules import read_scope
from hookward.domain.problems import MAX_UNKNOWN_FIELDS
from hookward.domain.watches.properties import NOT_YET, READ_ONLY
from tests.unit.resource_types.resource_types import built_in, made_up
from tests.unit.watches.watch_input import KEY_IDS, RIGHT, problems, read, read_all, the_problem

WRONG: dict[str, Any] = {
    "address": "ftp://example.com",
    "name": 1,
    "events": [],
    "method": "HEAD",
    "status": "on",
    "basicAuth": [],
    "httpRequestHeader": [],
    "schema": "{",
    "signature": [],
    "ordered": True,
    "more": 1,
}


@pytest.mark.parametrize("schema", [{}, {"id": "${$.resource.id}"}, '{"seats": ${$.resource.seats}}', "[]", '"x"'])
def test_a_template_is_kept_as_it_was_given(schema: Any) -> None:
    assert schema == read(schema=schema).definition.schema


@pytest.mark.parametrize(
    ("schema", "pointer", "gist"),
    [
        (1, "/schema", "this is no template"),
        ([], "/schema", "this is no template"),
        (False, "/schema", "this is no template"),
        ("{", "/schema", "this is not JSON"),
        ("", "/schema", "this is not JSON"),
        ({"a": {"b/c": ["${$.id"]}}, "/schema/a/b~1c/0", "has no end"),
        ({"a": "${id}"}, "/schema/a", "does not start with `$`"),
    ],
)
def test_what_is_wrong_with_a_template_is_named_with_its_place(schema: Any, pointer: str, gist: str) -> None:
    place, message = the_problem(schema=schema)
    assert (place, gist in message) == (pointer, True)


@pytest.mark.parametrize("name", sorted(built_in()))
def test_a_template_is_tried_on_the_sample_of_the_type(name: str) -> None:
    request = read_all({**RIGHT, "schema": {"what": "${$.event} ${$.date.dateTime}"}}, built_in()[name])
    assert request.definition.schema == {"what": "${$.event} ${$.date.dateTime}"}


def test_a_template_that_costs_too_much_on_the_sample_is_refused() -> None:
    resource_type = made_up(sample={"id": 1, "a": [1] * 1000})
    with pytest.raises(Invalid) as caught:
        read_all({**RIGHT, "schema": {"a": "${$.resource.a[?@ > 9]}" * 1000}}, resource_type)
    [found] = caught.value.problems
    assert (found.pointer, found.message.startswith("with the sample of shop.order: a path touches too many")) == (
        "/schema",
        True,
    )


@pytest.mark.parametrize("session", ["0", 0, "7", 7])
def test_any_session_and_every_session_can_be_watched(session: Any) -> None:
    wrong: list[Problem] = []
    scope = read_scope({"sessionId": session}, built_in()["conference.registration"], wrong, complete=False)
    assert (scope, wrong) == ({"sessionId": str(session)}, [])


def test_an_unknown_property_is_named_with_those_that_there_are() -> None:
    pointer, message = the_problem(url="x")
    assert (pointer, message.split(", ")[0], [name for name in NOT_YET if name not in message]) == (
        "/url",
        "url is unknown; a watch holds address",
        [],
    )


@pytest.mark.parametrize("block", ["basicAuth", "signature"])
def test_an_unknown_property_of_a_block_is_named(block: str) -> None:
    given: dict[str, Any] = {"username": "a", "password": "b"} if block == "basicAuth" else {"enabled": True}
    pointer, message = the_problem(**{block: {**given, "a/b": 1}})
    assert (pointer, message.startswith(f"a/b is unknown; {block} holds ")) == (f"/{block}/a~1b", True)


def test_every_problem_is_named_at_once() -> None:
    assert sorted(f"/{name}" for name in WRONG) == sorted(str(pointer) for pointer, _ in problems(WRONG))


@given(st.sets(st.sampled_from(sorted(WRONG))))
def test_no_problem_hides_another(wrong: set[str]) -> None:
    found = problems(RIGHT | {name: WRONG[name] for name in wrong}) if wrong else []
    assert {f"/{name}" for name in wrong} == {str(pointer) for pointer, _ in found}


def test_all_that_is_wrong_with_the_address_points_at_it() -> None:
    assert [pointer for pointer, _ in problems({"address": "https://me@example.com:0/#"})] == ["/address"] * 3


def test_a_header_with_a_bad_name_and_a_bad_value_has_two_problems() -> None:
    found = problems({**RIGHT, "httpRequestHeader": {"Expect": "\n", "a b": "v"}})
    assert [pointer for pointer, _ in found] == [
        "/httpRequestHeader/Expect",
        "/httpRequestHeader/Expect",
        "/httpRequestHeader/a b",
    ]


@pytest.mark.parametrize("value", [0, 0.0])
def test_zero_is_not_false(value: Any) -> None:
    assert the_problem(ordered=value) == ("/ordered", "ordered is not yet supported; leave it out")


def test_a_signature_with_null_for_enabled_is_not() -> None:
    assert read() == read(signature={"enabled": None, "cryptoKeyIds": None, "secret": None})


@pytest.mark.parametrize("events", [0, "created", {}, [], ["created"] * 5, ["created"] * 100_000])
def test_events_are_a_list_of_one_to_four(events: Any) -> None:
    assert the_problem(events=events) == (
        "/events",
        "events must be a list of 1 to 4 of created, updated, deleted, merged; leave it out for all",
    )


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"name": "\ud800"}, "/name"),
        ({"address": "https://example.com/\ud800"}, "/address"),
        ({"basicAuth": {"username": "\ud800", "password": "a"}}, "/basicAuth/username"),
        ({"basicAuth": {"username": "a", "password": "\udfff"}}, "/basicAuth/password"),
        ({"httpRequestHeader": {"x": "\ud800"}}, "/httpRequestHeader/x"),
        ({"httpRequestHeader": {"\ud800": "x"}}, "/httpRequestHeader/\\ud800"),
        ({"\ud800": 1}, "/\\ud800"),
        ({"schema": {"a": "\ud800"}}, "/schema/a"),
        ({"events": ["\ud800"]}, "/events/0"),
        ({"method": "\ud800"}, "/method"),
        ({"signature": {"cryptoKeyIds": ["\ud800"]}}, "/signature/cryptoKeyIds/0"),
    ],
)
def test_half_a_character_is_refused_wherever_it_stands(given: dict[str, Any], pointer: str) -> None:
    assert pointer in [place for place, _ in problems({**RIGHT, **given})]


def test_thousands_of_unknown_properties_give_a_bounded_answer() -> None:
    many = {f"{'x' * 2000}{number}": 1 for number in range(5000)}
    found = problems({**RIGHT, **many, "signature": {"enabled": True, "cryptoKeyIds": KEY_IDS[:1], **many}})
    assert (len(found), all(len(f"{each}") < 2000 for each in found)) == (2 * MAX_UNKNOWN_FIELDS, True)


def test_what_can_only_be_read_is_not_counted_among_the_unknown() -> None:
    assert read() == read(**dict.fromkeys(READ_ONLY))
