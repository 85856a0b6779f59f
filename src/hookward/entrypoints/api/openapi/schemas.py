"""JSON Schemas (2020-12) of wire types; every struct becomes a component.

msgspec makes schemas too, but none of a union of structs without tags, which responses hold.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from inspect import cleandoc
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

import msgspec

Schema = dict[str, Any]

_LEAVES: Mapping[Any, Schema] = {
    Any: {},
    None: {"type": "null"},
    types.NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Decimal: {"type": "number"},
    str: {"type": "string"},
    datetime: {"type": "string", "format": "date-time"},
    dict: {"type": "object"},
    list: {"type": "array"},
    msgspec.Raw: {},
}
_KEYWORDS: Mapping[str, str] = {
    "title": "title",
    "description": "description",
    "examples": "examples",
    "pattern": "pattern",
    "multiple_of": "multipleOf",
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "lt": "exclusiveMaximum",
}
_SIZES = {"string": "Length", "array": "Items", "object": "Properties"}


class Schemas:
    """Gathers the components that the described types need."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._structs: dict[str, type] = {}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type; raise TypeError for a kind of type that this module does not know."""
        if isinstance(kind, Mapping):
            return dict(kind)
        if get_origin(kind) is not None:
            return self._generic(kind)
        if kind in _LEAVES:
            return dict(_LEAVES[kind])
        if isinstance(kind, NewType):
            return self.of(kind.__supertype__)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._component(kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return _choice([member.value for member in kind])
        raise _unknown(kind)

    def fields_of(self, struct: type[msgspec.Struct]) -> dict[str, tuple[Schema, bool]]:
        """The properties of a struct by their encoded name: schema, and whether it is required."""
        hints = get_type_hints(struct, include_extras=True)
        found = {}
        for field in msgspec.structs.fields(struct):
            schema = self.of(hints[field.name])
            default = field.default
            if field.default_factory in (list, dict):
                default = field.default_factory()
            if default is not msgspec.NODEFAULT and default is not msgspec.UNSET and default is not None:
                schema["default"] = msgspec.json.decode(msgspec.json.encode(default))  # a tuple is a list
            found[field.encode_name] = schema, field.required
        return found

    def _component(self, struct: type[msgspec.Struct]) -> Schema:
        name = struct.__name__
        if self._structs.setdefault(name, struct) is not struct:
            raise TypeError(f"two wire types are called {name}")
        if name not in self.components:
            self.components[name] = {}  # it may hold itself
            self.components[name] = self._object(struct)
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, struct: type[msgspec.Struct]) -> Schema:
        fields = self.fields_of(struct)
        schema: Schema = {"type": "object"}
        if struct.__doc__:
            schema["description"] = " ".join(cleandoc(struct.__doc__).split())
        schema["properties"] = {name: field for name, (field, _) in fields.items()}
        required = [name for name, (_, needed) in fields.items() if needed]
        if required:
            schema["required"] = required
        if struct.__struct_config__.forbid_unknown_fields:
            schema["additionalProperties"] = False
        return schema

    def _generic(self, kind: Any) -> Schema:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return _with_metas(self.of(arguments[0]), arguments[1:])
        if origin is Literal:
            return _choice(list(arguments))
        if origin in (Union, types.UnionType):
            return _any_of([self.of(each) for each in arguments if each is not msgspec.UnsetType])
        if origin in (list, tuple, set, frozenset, Sequence):
            return {"type": "array", "items": self.of(arguments[0])}
        if origin in (dict, Mapping):
            inner = self.of(arguments[1])
            return {"type": "object", "additionalProperties": inner} if inner else {"type": "object"}
        raise _unknown(kind)


def _unknown(kind: Any) -> TypeError:
    return TypeError(f"the OpenAPI document cannot describe {kind!r}; teach {__name__}")


def _keywords_of(schema: Schema) -> Mapping[str, str]:
    """What each attribute of ``msgspec.Meta`` is in the schema of such a value."""
    kind = schema.get("type")
    size = _SIZES.get(kind[0] if isinstance(kind, list) else str(kind), "Length")
    return {**_KEYWORDS, "min_length": f"min{size}", "max_length": f"max{size}"}


def _with_metas(schema: Schema, metas: tuple[Any, ...]) -> Schema:
    """A schema with what ``msgspec.Meta`` adds to it."""
    for meta in metas:
        if isinstance(meta, msgspec.Meta):
            given = {
                keyword: value
                for name, keyword in _keywords_of(schema).items()
                if (value := getattr(meta, name)) is not None
            }
            schema |= given | (meta.extra_json_schema or {})
    return schema


def _choice(values: list[Any]) -> Schema:
    kinds = {type(value) for value in values}
    schema: Schema = {"type": "string"} if all(issubclass(kind, str) for kind in kinds) else {}
    return {**schema, "enum": values}


def _any_of(schemas: list[Schema]) -> Schema:
    """One of several; plain types, and null beside a type, share one schema."""
    null = {"type": "null"}
    others = [schema for schema in schemas if schema != null]
    if len(others) == 1 and len(others) == len(schemas):
        return others[0]
    if not all(others):
        return {}
    if all(set(schema) == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    only = others[0] if len(others) == 1 else {}
    if isinstance(only.get("type"), str):
        nullable = {"enum": [*only["enum"], None]} if "enum" in only else {}
        return {**only, "type": [only["type"], "null"], **nullable}
    return {"anyOf": schemas}
