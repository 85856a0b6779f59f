from __future__ import annotations

import pytest

from hookward.domain.resource_types.model import MAX_SCOPE_PARAMETERS, BodyShape
from tests.unit.resource_types.resource_types import built_in, made_up


def test_the_words_of_a_body_are_those_of_the_contract() -> None:
    assert [str(shape) for shape in BodyShape] == ["merged", "wrapped"]


def test_the_repr_of_a_type_shows_neither_schema_nor_sample() -> None:
    assert "order-1" not in repr(made_up())


@pytest.mark.parametrize("name", sorted(built_in()))
def test_a_built_in_type_has_at_most_four_scope_parameters(name: str) -> None:
    assert len(built_in()[name].scope) <= MAX_SCOPE_PARAMETERS
