"""A watch that is to be created: its type and scope come from the body or from the path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hookward.domain.errors import Invalid
from hookward.domain.oauth.model import OAuthDefinition
from hookward.domain.watches.model import WatchDefinition
from hookward.domain.watches.new_watch import read_new_watch, read_new_watch_at
from hookward.domain.watches.oauth_rules import no_keys
from hookward.domain.watches.properties import shown_properties
from hookward.domain.watches.rules import DEFAULT_BOUNDS, WatchRequest
from tests.unit.resource_types.resource_types import made_up
from tests.unit.watches.watch_input import RIGHT, SECOND

TYPE = made_up()
PARAMETERS = {"shopId": "9", "orderId": "no parameter of a scope"}


def by_body(given: Any) -> WatchRequest:
    return read_new_watch(given, TYPE, (), second=SECOND, bounds=DEFAULT_BOUNDS, check_key=no_keys)


def by_path(given: Any, parameters: dict[str, str] | None = None) -> WatchRequest:
    named = PARAMETERS if parameters is None else parameters
    return read_new_watch_at(given, TYPE, named, second=SECOND, bounds=DEFAULT_BOUNDS, check_key=no_keys)


def pointers(read: Callable[[Any], WatchRequest], given: Any) -> list[str | None]:
    with pytest.raises(Invalid) as refused:
        read(given)
    return [each.pointer for each in refused.value.problems]


def test_a_path_names_the_scope() -> None:
    assert by_path(RIGHT).definition.scope == {"shopId": "9"}


@pytest.mark.parametrize("more", [{"resourceType": TYPE.name}, {"scope": {"shopId": "9"}}, {"scope": None}])
def test_a_body_may_repeat_what_the_path_names(more: dict[str, Any]) -> None:
    assert by_path({**RIGHT, **more}) == by_path(RIGHT)


def test_a_body_that_contradicts_its_path_is_refused_with_all_else_that_is_wrong() -> None:
    given = {**RIGHT, "resourceType": "other", "scope": {"shopId": "8"}, "name": 7}
    assert pointers(by_path, given) == ["/resourceType", "/scope", "/name"]
    assert pointers(by_path, {**RIGHT, "scope": {}}) == ["/scope"]


def test_a_scope_of_the_path_is_validated() -> None:
    assert pointers(lambda given: by_path(given, {"shopId": ""}), RIGHT) == ["/scope/shopId"]


@pytest.mark.parametrize("read", [by_body, by_path])
def test_what_is_no_object_is_refused_once(read: Callable[[Any], WatchRequest]) -> None:
    assert pointers(read, []) == [""]


def test_a_scope_of_the_body_is_validated_with_all_else() -> None:
    assert pointers(by_body, {**RIGHT, "scope": [], "name": 7}) == ["/scope", "/name"]
    assert pointers(by_body, {**RIGHT, "scope": []}) == ["/scope"]
    assert by_body({**RIGHT, "scope": None}).definition.scope == {}


def test_a_definition_shows_how_tokens_are_requested() -> None:
    oauth = OAuthDefinition(client_id="c", access_token_url="https://login.example.com/t")
    shown = shown_properties(WatchDefinition(address="https://example.com/", oauth=oauth))["oauth2_auth"]
    assert (shown.client_id, shown.grant_type, shown.extra_parameters) == ("c", "refresh_token", {})
