"""What is wrong with a declared operation."""

from __future__ import annotations

from typing import Any

import pytest

from hookward.domain.resource_types.operations import ChangeKind, Format, Operation, faults

ITEM = "/shops/{shopId}/orders/{orderId}"


def operation(**changes: Any) -> Operation:
    given: dict[str, Any] = {
        "method": "PUT", "path": ITEM, "event": ChangeKind.UPDATED, "fills": {"orderId": "id"},
    }  # fmt: skip
    return Operation(**{**given, **changes})


def test_an_operation_whose_parameters_all_mean_something_is_right() -> None:
    assert list(faults(operation(aliases={"orderId": "number"}), ("shopId",))) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"method": "GET"}, "the method GET must be one of POST, PUT, PATCH, DELETE"),
        ({"path": ITEM + "/"}, f"the path {ITEM}/ must be made of /literals and /{{parameters}}"),
        ({"path": "/a b" + ITEM}, f"the path /a b{ITEM} must be made of /literals and /{{parameters}}"),
        ({"path": ITEM + "/{shopId}"}, f"the path {ITEM}/{{shopId}} names a parameter twice"),
        ({"path": "/orders/{orderId}"}, "the path /orders/{orderId} lacks shopId of the scope"),
        ({"path": ITEM + "/{x}"}, f"the path {ITEM}/{{x}} names x, which is neither in the scope nor fills a property"),
        ({"fills": {"orderId": "id", "x": "y"}}, f"the path {ITEM} lacks x, which fills a property"),
        ({"aliases": {"x": "y"}}, f"x of {ITEM} has an alias but fills no property"),
        (
            {"formats": (Format.JSON, Format.JSV)},
            f"the path {ITEM} must end in a literal to take the suffix of a format",
        ),
    ],
)
def test_an_operation_at_odds_with_itself_is_told_so(changes: dict[str, Any], fault: str) -> None:
    assert list(faults(operation(**changes), ("shopId",))) == [fault]


def test_an_operation_that_changes_nothing_may_name_anything() -> None:
    assert list(faults(Operation(method="POST", path="/orders/{orderId}/print"), ("shopId",))) == []
