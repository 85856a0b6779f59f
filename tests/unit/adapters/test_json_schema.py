"""Validation that ends, whatever schema an account brings and whatever a publisher sends."""

from __future__ import annotations

from typing import Any

import pytest

from hookward.adapters.json_schema import JsonSchemas, ResourceSchema
from hookward.domain.errors import Invalid

MANY = 100_000


def pointers(schema: dict[str, Any], resource: Any) -> list[str | None]:
    return [each.pointer for each in ResourceSchema(schema).problems(resource, "resource")]


def test_every_problem_of_a_resource_is_named() -> None:
    schema = {"properties": {"a": {"type": "string"}, "b": {"items": {"minimum": 3}}}, "required": ["c"]}
    assert sorted(map(str, pointers(schema, {"a": 1, "b": [1, 5, 2]}))) == [
        "/resource", "/resource/a", "/resource/b/0", "/resource/b/2",
    ]  # fmt: skip


def test_of_very_many_problems_a_hundred_are_named() -> None:
    assert len(pointers({"items": {"type": "string"}}, [1] * 1000)) == 100


def test_of_a_large_resource_the_first_problem_is_named() -> None:
    [problem] = ResourceSchema({"items": {"type": "string"}}).problems(["x"] * MANY + [1] * MANY)
    assert (problem.pointer, "too large to look for more" in problem.message) == (f"/{MANY}", True)


def test_of_a_large_resource_with_alternatives_only_that_it_is_wrong() -> None:
    [problem] = ResourceSchema({"anyOf": [{"items": {"type": "string"}}] * 3}).problems([1] * MANY, "resource")
    assert (problem.pointer, "too large to say where" in problem.message) == ("/resource", True)


def test_a_long_text_that_many_rules_refuse_is_not_quoted_by_each() -> None:
    [problem] = ResourceSchema({"allOf": [{"maxLength": 1}] * 50}).problems("x" * 1_000_000)
    assert len(problem.message) < 400


def test_many_complaints_of_one_resource_do_not_each_quote_it() -> None:
    names = [f"k{number}" for number in range(3000)]
    [problem] = ResourceSchema({"dependentRequired": {name: ["z"] for name in names}}).problems(dict.fromkeys(names, 1))
    assert "too large to look for more" in problem.message


@pytest.mark.parametrize(
    ("schema", "resource"),
    [
        ({"items": {"anyOf": [{"minimum": number} for number in range(400)]}}, [0] * MANY),
        ({"items": {"enum": [[number] for number in range(60)]}}, [[1]] * MANY),
        ({"items": {"multipleOf": 0.01}}, [1e300] * MANY),
        ({"properties": {"a": {"pattern": "[01]*1[01]{400}2"}}}, {"a": "01" * 400_000}),
        ({"patternProperties": {"[01]*1[01]{400}2": {}}}, {f"{number:b}" * 60: 1 for number in range(2000)}),
    ],
)
def test_a_resource_that_would_take_too_long_to_judge_is_refused_unjudged(
    schema: dict[str, Any], resource: Any
) -> None:
    [problem] = ResourceSchema(schema).problems(resource, "resource")
    assert (problem.pointer, "more values than" in problem.message) == ("/resource", True)


def test_a_heavy_schema_judges_small_resources() -> None:
    schema = {"items": {"anyOf": [{"const": {"a": number}} for number in range(40)]}}
    assert [pointers(schema, [{"a": number}]) for number in (39, 40)] == [[], ["/resource/0"]]


def test_nothing_outside_the_schema_is_read() -> None:
    for reference in ("http://127.0.0.1:1/x", "file:///etc/hostname"):
        with pytest.raises(Invalid, match="refers to no schema"):
            JsonSchemas().compiled({"$ref": reference})


def test_the_address_that_a_schema_gives_itself_changes_nothing() -> None:
    schema = {
        "$id": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {"a": {"maximum": 1}},
        "$ref": "#/$defs/a",
    }
    assert pointers(schema, 2) == ["/resource"]


def test_what_is_no_schema_is_named() -> None:
    problems = JsonSchemas().problems({"type": "nope", "properties": {"a": {"minimum": "x"}}}, "schema")
    assert sorted(str(each.pointer) for each in problems) == ["/schema/properties/a/minimum", "/schema/type"]


@pytest.mark.parametrize(
    ("pattern", "size"),
    [("^[a-z]+$", 4), ("^.{1,64}$", 1024), ("(?=a)b", None), (r"(a)\1", None), ("(", None),
     ("(a{1,100}){1,100}" * 9, None)],
)  # fmt: skip
def test_a_pattern_is_as_heavy_as_what_it_compiles_to(pattern: str, size: int | None) -> None:
    assert JsonSchemas().pattern_size(pattern) == size


def test_formats_are_not_asserted() -> None:
    assert pointers({"format": "email"}, "no address") == []


@pytest.mark.parametrize("schema", [{"items": {"type": "string"}}, {"allOf": [{"maxLength": 1}] * 50}])
@pytest.mark.parametrize("resource", [["x"], [1], "x", "xx", "x" * 1_000_000])
def test_a_resource_is_valid_where_there_is_no_problem(schema: dict[str, Any], resource: Any) -> None:
    compiled = ResourceSchema(schema)
    assert compiled.is_valid(resource) == (compiled.problems(resource) == [])
