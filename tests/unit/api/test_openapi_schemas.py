"""Wire types become JSON Schemas, keyword by keyword."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, NewType

import msgspec
import pytest
from msgspec import Meta

from hookward.entrypoints.api.openapi.schemas import Schemas

Name = NewType("Name", str)
STRING, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(msgspec.Struct, forbid_unknown_fields=True):
    """A leaf."""

    size: int


class Tree(msgspec.Struct, rename="camel"):
    leaves: list[Leaf | Tree]
    a_name: Annotated[str, Meta(max_length=3)] = "oak"
    extra: str | msgspec.UnsetType = msgspec.UNSET
    tags: list[str] = msgspec.field(default_factory=list)
    note: str | None = None


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Any, {}), (None, NULL), (bool, {"type": "boolean"}), (float, {"type": "number"}), (Name, STRING),
        (datetime, {"type": "string", "format": "date-time"}), (dict, {"type": "object"}), (list, {"type": "array"}),
        (list[int], {"type": "array", "items": INTEGER}), (Sequence[int], {"type": "array", "items": INTEGER}),
        (tuple[str, ...], {"type": "array", "items": STRING}), (dict[str, Any], {"type": "object"}),
        (Mapping[str, int], {"type": "object", "additionalProperties": INTEGER}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}), (Literal[True, "a"], {"enum": [True, "a"]}),
        (Colour, {"type": "string", "enum": ["red", "blue"]}), (int | str, {"type": ["integer", "string"]}),
        (str | msgspec.UnsetType, STRING), (str | None, {"type": ["string", "null"]}), (Any | None, {}),
        (Literal["a"] | None, {"type": ["string", "null"], "enum": ["a", None]}),
        (Annotated[str, Meta(min_length=1)] | int, {"anyOf": [{"type": "string", "minLength": 1}, INTEGER]}),
        (Annotated[list[int] | None, Meta(max_length=2)],
         {"type": ["array", "null"], "items": INTEGER, "maxItems": 2}),
        (Annotated[dict[str, int], Meta(min_length=1)],
         {"type": "object", "additionalProperties": INTEGER, "minProperties": 1}),
        (Annotated[int, Meta(ge=1, lt=9, description="few", examples=[3])],
         {"type": "integer", "minimum": 1, "exclusiveMaximum": 9, "description": "few", "examples": [3]}),
        (Annotated[str, "not ours", Meta(pattern="^a", extra_json_schema={"readOnly": True})],
         {"type": "string", "pattern": "^a", "readOnly": True}),
        ({"type": "object"}, {"type": "object"}),
    ],
)  # fmt: skip
def test_a_type_is_described(kind: Any, schema: dict[str, Any]) -> None:
    assert Schemas().of(kind) == schema


def test_a_struct_becomes_a_component_that_may_hold_itself() -> None:
    schemas = Schemas()
    leaf, tree = ({"$ref": f"#/components/schemas/{name}"} for name in ("Leaf", "Tree"))
    assert schemas.of(Tree) == tree
    assert schemas.components["Leaf"] == {
        "type": "object", "description": "A leaf.", "properties": {"size": INTEGER}, "required": ["size"],
        "additionalProperties": False,
    }  # fmt: skip
    assert schemas.components["Tree"] == {
        "type": "object",
        "properties": {
            "leaves": {"type": "array", "items": {"anyOf": [leaf, tree]}},
            "aName": {"type": "string", "maxLength": 3, "default": "oak"},
            "extra": STRING,
            "tags": {"type": "array", "items": STRING, "default": []},
            "note": {"type": ["string", "null"]},
        },
        "required": ["leaves"],
    }


def test_two_structs_of_one_name_are_refused() -> None:
    schemas = Schemas()
    schemas.of(Leaf)
    with pytest.raises(TypeError, match="two wire types are called Leaf"):
        schemas.of(msgspec.defstruct("Leaf", [("other", str)]))


@pytest.mark.parametrize("kind", [object, set, frozenset[int] | complex])
def test_a_type_without_a_description_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="cannot describe"):
        Schemas().of(kind)
