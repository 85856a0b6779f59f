"""Which operation a method and a path mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hookward.domain.errors import Malformed
from hookward.domain.resource_types.operations import ChangeKind, Format, Operation
from hookward.domain.resource_types.routing import Match, Mismatch, OperationIndex, match_in_version
from tests.unit.resource_types.resource_types import built_in, made_up

CREATE = Operation(method="POST", path="/shops/{shopId}/orders", event=ChangeKind.CREATED)
UPDATE = Operation(
    method="PUT", path="/shops/{shopId}/orders/{orderId}", event=ChangeKind.UPDATED, fills={"orderId": "id"}
)
SEARCH = Operation(method="POST", path="/shops/{shopId}/orders/search")
NEXT = Operation(method="POST", path="/shops/next/{shopId}", event=ChangeKind.UPDATED, formats=(Format.JSON,))
EXPORT = Operation(
    method="POST", path="/shops/{shopId}/export", event=ChangeKind.UPDATED, formats=(Format.JSON, Format.JSV)
)
SHOP = replace(
    made_up(), operations=(CREATE, UPDATE, SEARCH, NEXT, EXPORT), watch_routes=("/shops/{shopId}/orders/watch",)
)
INDEX = OperationIndex([SHOP])


def found(method: str, path: str) -> tuple[Operation, dict[str, str]] | Mismatch:
    match = INDEX.resolve(method, path)
    return (match.operation, dict(match.parameters)) if isinstance(match, Match) else match


@pytest.mark.parametrize(
    ("method", "path", "operation", "parameters"),
    [
        ("POST", "/shops/9/orders", CREATE, {"shopId": "9"}),
        ("PUT", "/shops/9/orders/o-1", UPDATE, {"shopId": "9", "orderId": "o-1"}),
        ("PUT", "/shops/a%2Fb/orders/Zo%C3%AB%20+", UPDATE, {"shopId": "a/b", "orderId": "Zoë +"}),
        ("POST", "/shops/next/9", NEXT, {"shopId": "9"}),
        ("POST", "/shops/next/orders", NEXT, {"shopId": "orders"}),
        ("PUT", "/shops/next/orders/o-1", UPDATE, {"shopId": "next", "orderId": "o-1"}),
        ("POST", "/shops/9/export", EXPORT, {"shopId": "9"}),
        ("POST", "/shops/9/export.jsv", EXPORT, {"shopId": "9"}),
        ("POST", "/shops/9/export.json", EXPORT, {"shopId": "9"}),
    ],
)
def test_an_operation_is_found_by_method_and_path(
    method: str, path: str, operation: Operation, parameters: dict[str, str]
) -> None:
    assert found(method, path) == (operation, parameters)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/shops", "/shops/9", "/shops//orders", "/shops/9/orders/", "/shops/9/orders/1/2", "shops/9/orders"],
)
def test_at_any_other_path_there_is_nothing(path: str) -> None:
    assert found("POST", path) == Mismatch()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/shops/9/orders", ("POST",)),
        ("DELETE", "/shops/9/orders/o-1", ("PUT",)),
        ("POST", "/shops/9/orders/watch", ("POST",)),
        ("PUT", "/shops/9/orders/watch", ("POST",)),
    ],
)
def test_a_path_says_which_methods_it_takes(method: str, path: str, allowed: tuple[str, ...]) -> None:
    assert found(method, path) == Mismatch(allowed=allowed)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_operation_that_changes_nothing_hides_the_resource_of_its_name(method: str) -> None:
    assert found(method, "/shops/9/orders/search") == Mismatch()


def test_of_two_operations_that_are_alike_the_first_counts() -> None:
    other = replace(made_up(), name="other", operations=(replace(CREATE, path="/shops/{shopId}/orders"),))
    match = OperationIndex([SHOP, other]).resolve("POST", "/shops/9/orders")
    assert isinstance(match, Match)
    assert match.type is SHOP


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/shops/a%20b/orders/watch", {"shopId": "a b"}),
        ("/shops/9/orders", None),
        ("/shops/9/orders/search", None),
        ("/nothing/9/orders/watch", None),
    ],
)
def test_a_watch_route_says_whose_it_is(path: str, parameters: dict[str, str] | None) -> None:
    match = INDEX.resolve_watch_route(path)
    assert (None if match is None else match.parameters) == parameters
    assert match is None or (match.type, match.route) == (SHOP, "/shops/{shopId}/orders/watch")


def test_a_match_is_what_another_version_of_its_type_says_it_is() -> None:
    match = INDEX.resolve("PUT", "/shops/9/orders/o-1")
    assert isinstance(match, Match)
    newer = replace(SHOP, version=2, operations=(CREATE, replace(UPDATE, fills={})))
    settled_ = match_in_version(match, newer)
    assert settled_ == Match(type=newer, operation=newer.operations[1], parameters=match.parameters)
    assert match_in_version(match, replace(SHOP, operations=(CREATE,))) is None


def test_a_path_that_is_not_utf_8_is_malformed() -> None:
    with pytest.raises(Malformed):
        INDEX.resolve("PUT", "/shops/%FF/orders/1")


@pytest.mark.parametrize("name", sorted(built_in()))
def test_no_two_operations_of_the_built_in_types_are_alike(name: str) -> None:
    index = OperationIndex(built_in().values())
    for operation in built_in()[name].operations:
        for path in operation.paths:
            match = index.resolve(operation.method, path.replace("{", "x").replace("}", ""))
            means = match.operation if isinstance(match, Match) else None
            assert means == (operation if operation.publishes else None)
