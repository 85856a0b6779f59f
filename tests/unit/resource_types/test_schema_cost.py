"""What a schema may cost, and which schemas are refused for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookward.adapters.catalog import load_catalog
from hookward.domain.resource_types.schema_cost import MAX_SUBSCHEMAS, SchemaCost, measure_schema
from hookward.domain.resource_types.schema_places import count_values


def size(pattern: str) -> int | None:
    """Patterns are as heavy as they are long; one that looks around cannot be used."""
    return None if "(?" in pattern else len(pattern)


def cost_of(schema: Any) -> SchemaCost:
    found, problems = measure_schema(schema, size)
    assert found is not None, problems
    return found


def steps(schema: Any) -> int:
    return cost_of(schema).steps


def refused(schema: Any) -> list[str | None]:
    found, problems = measure_schema(schema, size)
    assert found is None
    return [each.pointer for each in problems]


def test_a_schema_costs_a_step_and_one_for_each_keyword() -> None:
    assert [steps(each) for each in (True, {}, {"type": "object", "minProperties": 1})] == [1, 1, 3]


def test_what_judges_one_value_together_adds_up() -> None:
    assert steps({"allOf": [{}, {}], "not": {}, "dependentSchemas": {"a": {}}}) == 4 + 4


def test_the_most_of_any_one_value_counts_not_the_sum_of_all() -> None:
    heavy = {"type": "string", "minLength": 1, "maxLength": 9, "title": "", "default": ""}
    assert steps({"properties": {"a": heavy, "b": heavy}}) == 6
    assert steps({"items": heavy, "prefixItems": [heavy]}) == 6
    assert steps({"properties": {"a": heavy}, "additionalProperties": heavy}) == 6


def test_what_meets_a_value_from_several_sides_adds_up() -> None:
    assert steps({"properties": {"a": {"type": "string", "title": ""}}, "patternProperties": {"a": True}}) == 4
    assert steps({"items": {"a": 1, "b": 2}, "contains": {"a": 1}, "c": 1, "d": 1}) == 5


def test_a_recursion_that_does_not_multiply_costs_what_one_level_does() -> None:
    assert steps({"properties": {"children": {"items": {"$ref": "#"}}}}) == 2 + 2


def test_what_judges_a_value_along_several_ways_is_counted_for_each() -> None:
    assert steps({"allOf": [{}, {"$ref": "#/allOf/0"}]}) == 2 + 1 + 2 + 1


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"t": {"anyOf": [{"properties": {"a": {"$ref": "#/$defs/t"}}}] * 2}}, "$ref": "#/$defs/t"},
        {"items": {"$ref": "#"}, "contains": {"$ref": "#"}},
        {"$defs": {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(30)} | {"d30": {}},
         "$ref": "#/$defs/d0"},
    ],
)  # fmt: skip
def test_what_doubles_is_as_good_as_endless(schema: Any) -> None:
    assert steps(schema) > 1 << 30


@pytest.mark.parametrize(
    ("schema", "cost"),
    [
        ({"enum": ["a"] * 500 + [None, True]}, 2),
        ({"enum": [1, 2, 3]}, 2 + 14 * 4),
        ({"enum": [{"a": [1]}]}, 2 + 14 * 5),
        ({"const": "a"}, 2),
        ({"const": {"a": 1}}, 2 + 14 * 3),
        ({"multipleOf": 0.01}, 1002),
        ({"enum": 7, "const": 7}, 3),
    ],
)
def test_what_has_to_be_compared_or_divided_is_heavy(schema: Any, cost: int) -> None:
    assert steps(schema) == cost


def test_patterns_cost_for_each_character_where_they_meet_one_text() -> None:
    assert cost_of({"pattern": "abc", "allOf": [{"pattern": "ab"}]}).per_character == 5
    assert cost_of({"properties": {"a": {"pattern": "abc"}, "b": {"pattern": "ab"}}}).per_character == 3
    assert cost_of({"patternProperties": {"abc": {}, "ab": {}}}).per_character == 5


@pytest.mark.parametrize(
    ("schema", "branches"), [({"allOf": [{}]}, False), ({"items": {"anyOf": [{}]}}, True), ({"oneOf": [{}]}, True)]
)
def test_alternatives_are_branches(schema: Any, branches: bool) -> None:
    assert cost_of(schema).branches is branches


def test_the_names_of_the_resource_itself_are_found_wherever_they_are() -> None:
    schema = {
        "properties": {"a": {"properties": {"inner": {}}}}, "required": ["b", 7], "$ref": "#/$defs/x",
        "$defs": {"x": {"properties": {"c": {}}, "allOf": [True, {"$ref": "#/$defs/x/properties/c"}]},
                  "y": {"properties": {"unused": {}}}},
    }  # fmt: skip
    assert cost_of(schema).names == {"a", "b", "c"}


def test_a_reference_leads_to_a_schema_of_the_document() -> None:
    schema = {
        "$defs": {"a b/~": {"$anchor": "here"}}, "definitions": {"old": {"items": [7]}},
        "allOf": [{"$ref": "#/$defs/a%20b~1~0"}, {"$ref": "#here"}, {"$ref": "#/definitions/old"}, {"$ref": 7}],
    }  # fmt: skip
    assert cost_of(schema).steps == 4 + 4 * 2 + 2 * 2 + 2


@pytest.mark.parametrize(
    ("schema", "pointers"),
    [
        ({"$ref": "#"}, [""]),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}, ["/$defs/b/not"]),
        ({"$ref": "http://example.com/x"}, ["/$ref"]),
        ({"$ref": "other.json#/x"}, ["/$ref"]),
        ({"items": {"$ref": "#/nowhere"}, "not": {"$ref": "#nowhere"}}, ["/items/$ref", "/not/$ref"]),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, ["/$schema"]),
        ({"items": {"$id": "x"}}, ["/items/$id"]),
        ({"items": {"$anchor": "x"}, "not": {"$anchor": "x"}}, ["/items/$anchor"]),
        ({"$dynamicRef": "#x", "dependencies": {}}, ["/$dynamicRef", "/dependencies"]),
        ({"pattern": "(?=x)"}, ["/pattern"]),
        ({"patternProperties": {"(?<x>)": {}, "a" * 1001: {}}},
         ["/patternProperties/(?<x>)", "/patternProperties/" + "a" * 980 + "…"]),
        ({"anyOf": [{}] * MAX_SUBSCHEMAS}, [""]),
    ],
)  # fmt: skip
def test_what_cannot_be_bounded_is_refused_where_it_is(schema: Any, pointers: list[str]) -> None:
    assert sorted(map(str, refused(schema))) == sorted(pointers)


def test_what_lies_too_deep_is_refused() -> None:
    [pointer] = refused(json.loads('{"not":' * 70 + "{}" + "}" * 70))
    assert pointer == "/not" * 65


def test_what_leads_on_too_often_is_refused() -> None:
    chain = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(70)} | {"d70": {}}
    assert refused({"$defs": chain, "$ref": "#/$defs/d0"}) == [""]


def test_what_is_malformed_is_passed_over() -> None:
    schema = {
        "properties": 7,
        "allOf": 7,
        "items": 7,
        "pattern": 7,
        "required": 7,
        "$anchor": 7,
        "patternProperties": 7,
    }
    assert steps(schema) == 8


def test_the_built_in_types_are_light() -> None:
    assert all(steps(each.schema) < 20 for each in load_catalog())


def test_values_are_counted_with_the_names_of_objects() -> None:
    values: list[Any] = [1, [], {"a": 1, "b": [1, 2]}]
    assert [count_values(each) for each in values] == [1, 1, 7]


def test_every_property_that_may_be_missing_may_be_complained_of() -> None:
    schema: dict[str, Any] = {"required": ["a", "b"], "dependentRequired": {"a": ["c"], "b": ["c", "d"], "e": 7}}
    assert cost_of(schema).complaints == cost_of({"items": schema}).complaints == 8
    assert cost_of({"required": 7}).complaints == 2
