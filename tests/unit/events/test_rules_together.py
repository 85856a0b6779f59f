"""Scope and identity of a published event, and how several problems are named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.events.rules import MAX_RESOURCE_ID, MAX_SCOPE_VALUE
from hookward.domain.problems import MAX_UNKNOWN_FIELDS
from tests.unit.events.events import PROPERTIES, RIGHT, problems, read, the_problem


@pytest.mark.parametrize("given", [{}, dict.fromkeys(RIGHT)])
def test_what_is_missing_is_named_together(given: dict[str, Any]) -> None:
    assert [pointer for pointer, _ in problems(given)] == ["/resourceType", "/event", "/resource"]


def test_a_missing_resource_is_called_missing() -> None:
    assert the_problem(resource=None) == ("/resource", "resource is missing; give the resource after the change")


@pytest.mark.parametrize("scope", [{}, None])
def test_a_missing_scope_parameter_is_called_missing(scope: Any) -> None:
    assert the_problem(scope=scope) == ("/scope/shopId", "shopId is missing; the scope of shop.order needs it")


def test_an_unknown_scope_parameter_is_named_with_those_that_there_are() -> None:
    assert the_problem(scope={"shopId": 1, "shop/id": 1}) == (
        "/scope/shop~1id",
        "shop/id is unknown; the scope of shop.order holds shopId",
    )


def test_an_unknown_property_is_named_with_those_that_there_are() -> None:
    assert the_problem(resourceID="x") == (
        "/resourceID",
        f"resourceID is unknown; an event holds {', '.join(PROPERTIES)}",
    )


WRONG = {
    "resourceType": "nothing",
    "scope": [],
    "event": "moved",
    "resource": [],
    "previousData": 1,
    "extraFull": 1,
    "resourceId": "",
    "occurredAt": "yesterday",
    "timeZone": "Paris",
    "id": "",
    "more": 1,
}


def test_every_problem_is_named_at_once() -> None:
    assert sorted(f"/{name}" for name in WRONG) == sorted(str(pointer) for pointer, _ in problems(WRONG))


@given(st.sets(st.sampled_from(sorted(set(WRONG) - {"resourceType"}))))
def test_no_problem_hides_another(wrong: set[str]) -> None:
    given = RIGHT | {name: WRONG[name] for name in wrong}
    found = problems(given) if wrong else []
    assert {f"/{name}" for name in wrong} == {str(pointer) for pointer, _ in found}


def test_what_is_wrong_within_resource_and_scope_is_named_beside_a_bad_kind() -> None:
    given = RIGHT | {"event": "moved", "resource": {"seats": "x"}, "extraFull": {"seats": "x"}, "scope": {"shop": 1}}
    assert [pointer for pointer, _ in problems(given)] == [
        "/event",
        "/resource/seats",
        "/extraFull/seats",
        "/scope/shop",
        "/scope/shopId",
        "/resourceId",
    ]


def test_thousands_of_unknown_properties_give_a_bounded_answer() -> None:
    many = {f"{'x' * 2000}{number}": 1 for number in range(5000)}
    found = problems({**RIGHT, **many, "scope": {**RIGHT["scope"], **many}})
    assert (len(found), all(len(f"{each}") < 2000 for each in found)) == (2 * MAX_UNKNOWN_FIELDS, True)


@pytest.mark.parametrize("value", [1, 0, -1, 10**30])
def test_a_scope_value_may_be_a_whole_number(value: int) -> None:
    assert {"shopId": str(value)} == read(scope={"shopId": value}).scope


@pytest.mark.parametrize("value", ["", "\ud800", "x" * (MAX_SCOPE_VALUE + 1), 1.0, True, None, [], {}])
def test_a_scope_value_is_a_text_or_a_whole_number(value: Any) -> None:
    assert the_problem(scope={"shopId": value}) == (
        "/scope/shopId",
        "shopId must be a text of 1 to 255 characters, or a whole number",
    )


@pytest.mark.parametrize("scope", [[], "9", 9, True])
def test_a_scope_is_an_object(scope: Any) -> None:
    assert the_problem(scope=scope) == ("/scope", "scope must be an object with shopId")


@pytest.mark.parametrize("session", ["0", 0])
def test_session_0_cannot_be_published(session: Any) -> None:
    scope = {"conferenceId": "1", "sessionId": session}
    pointer, message = the_problem(resourceType="conference.registration", scope=scope)
    assert (pointer, message) == (
        "/scope/sessionId",
        "sessionId 0 means any and cannot be published; name the one that changed",
    )


def test_0_is_a_value_like_any_other_where_it_does_not_mean_any() -> None:
    assert read(scope={"shopId": 0}).scope == {"shopId": "0"}


@pytest.mark.parametrize("value", ["a", "a/b", "é", "x" * MAX_RESOURCE_ID, 7])
def test_a_given_resource_id_wins(value: Any) -> None:
    assert str(value) == read(resourceId=value).resource_id


@pytest.mark.parametrize("value", ["", "\ud800", "x" * (MAX_RESOURCE_ID + 1), 1.5, True, [], {}])
def test_a_resource_id_is_a_text_of_some_length(value: Any) -> None:
    pointer, message = the_problem(resourceId=value)
    assert (pointer, message.endswith("must be a text of 1 to 1024 characters")) == ("/resourceId", True)


def test_an_identity_of_several_parts_is_joined() -> None:
    event = read(resourceType="part", scope={}, resource={"line": 3, "order": "o", "shop": 1})
    assert event.resource_id == "1/o/3"


def test_an_identity_that_is_too_long_is_refused() -> None:
    pointer, message = the_problem(resource={"id": "x" * (MAX_RESOURCE_ID + 1)})
    assert (pointer, message.endswith("must be a text of 1 to 1024 characters")) == ("/resourceId", True)


@pytest.mark.parametrize("resource", [{}, {"shop": 1, "order": 2}, {"shop": 1, "order": 2, "line": None}])
def test_a_resource_without_identity_needs_a_resource_id(resource: Any) -> None:
    assert the_problem(resourceType="part", scope={}, resource=resource) == (
        "/resourceId",
        "the resource does not say which it is; give shop, order, line as text or whole number, or a resourceId",
    )


def test_a_resource_id_stands_for_an_identity_that_is_missing() -> None:
    assert read(resource={}, resourceId="o-9").resource_id == "o-9"
