"""Resource types as the document shows them: their schemas as components, their samples as events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hookward.domain.resource_types.model import ResourceType, integer_as_string
from hookward.entrypoints.api.openapi.schemas import Schema

_LOCAL = "#/$defs/"
# Who publishes sends what the resource API's own clients only read, and the other way round.
_DROPPED = frozenset({"$schema", "$id", "readOnly", "writeOnly"})


def reference_to_resource(resource_type: ResourceType) -> Schema:
    """Where the document holds the schema of a type's resources."""
    return {"$ref": f"#/components/schemas/{resource_type.name}"}


def component_of(resource_type: ResourceType) -> Schema:
    """The JSON Schema of a type's resources, at home in ``components``."""
    schema: Schema = _moved(resource_type.schema, f"#/components/schemas/{resource_type.name}/$defs/")
    return {**schema, "examples": [resource_type.sample]}


def _moved(value: Any, home: str, *, named: bool = False) -> Any:
    """A copy whose local references lead to ``home``; below ``properties`` and ``$defs`` keys are names."""
    if isinstance(value, Mapping):
        return {
            name: home + inner.removeprefix(_LOCAL)
            if name == "$ref" and isinstance(inner, str) and inner.startswith(_LOCAL)
            else _moved(inner, home, named=not named and name in ("properties", "$defs", "patternProperties"))
            for name, inner in value.items()
            if named or name not in _DROPPED
        }
    if isinstance(value, list):
        return [_moved(inner, home) for inner in value]
    return value


def event_variants(types: Iterable[ResourceType]) -> list[Schema]:
    """What a published event has to be, type by type; the last is that of types which accounts add."""
    known = list(types)
    variants: list[Schema] = [
        {
            "title": each.name,
            "properties": {
                "resourceType": {"const": each.name},
                "scope": {
                    "type": "object",
                    "properties": {name: _scope_value(each, name) for name in each.scope},
                    "required": list(each.scope),
                    "additionalProperties": False,
                },
                "resource": reference_to_resource(each),
                "extraFull": {"anyOf": [reference_to_resource(each), {"type": "null"}]},
            },
            "required": ["scope"],
        }
        for each in known
    ]
    own = {"title": "a type of your own", "properties": {"resourceType": {"not": {"enum": [e.name for e in known]}}}}
    return [*variants, own]


def _scope_value(resource_type: ResourceType, name: str) -> Schema:
    schema: Schema = {"type": ["string", "integer"], "minLength": 1, "maxLength": 255}
    if name in resource_type.any_value:
        wildcard = resource_type.any_value[name]
        schema["description"] = f"Not {wildcard}, which means any and is for watches alone."
    return schema


def event_example(resource_type: ResourceType, word: str = "updated") -> dict[str, Any]:
    """An event of the sample, as it would be published."""
    sample = resource_type.sample
    scope = {name: integer_as_string(sample.get(name)) or "42" for name in resource_type.scope}
    return {"resourceType": resource_type.name, "scope": scope, "event": word, "resource": sample}
