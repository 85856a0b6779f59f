from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.resource_types.model import identity_of
from tests.unit.events.json_strategies import objects
from tests.unit.resource_types.resource_types import built_in, made_up

ONE = made_up(identity=("id",))
THREE = made_up(identity=("a", "b", "c"))


@pytest.mark.parametrize(("value", "identity"), [("x-1", "x-1"), (7, "7"), (0, "0"), (-1, "-1"), (10**30, str(10**30))])
def test_an_identity_is_a_text_or_a_whole_number(value: Any, identity: str) -> None:
    assert identity == identity_of(ONE, {"id": value})


@pytest.mark.parametrize("value", ["", None, True, False, 1.0, Decimal("1.5"), [], ["a"], {}, {"id": 1}])
def test_any_other_value_is_no_identity(value: Any) -> None:
    assert identity_of(ONE, {"id": value}) is None


def test_a_resource_without_the_property_has_no_identity() -> None:
    assert identity_of(ONE, {"name": "x"}) is None


@given(st.tuples(*[st.integers() | st.text(min_size=1)] * 3))
def test_several_values_are_joined_in_the_order_of_the_type(values: tuple[int | str, ...]) -> None:
    resource = dict(zip("cba", reversed(values), strict=True))
    assert "/".join(map(str, values)) == identity_of(THREE, resource)


@pytest.mark.parametrize("missing", ["a", "b", "c"])
def test_an_identity_of_several_values_needs_each(missing: str) -> None:
    resource = {name: 1 for name in "abc" if name != missing}
    assert identity_of(THREE, resource) is None


@given(objects)
def test_an_identity_is_a_text_that_is_not_empty_or_nothing(resource: dict[str, Any]) -> None:
    assert identity_of(THREE, resource) != ""


@pytest.mark.parametrize("name", sorted(built_in()))
def test_the_sample_of_every_built_in_type_says_which_resource_it_is(name: str) -> None:
    assert identity_of(built_in()[name], built_in()[name].sample)
