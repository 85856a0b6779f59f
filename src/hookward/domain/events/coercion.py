"""Converts strings from paths, queries, forms and JSV to the types that a resource's JSON Schema asks for.

A value that the schema does not describe, or that cannot be converted, stays a string: validation then says what is
wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from hookward.domain.errors import HookwardError, Malformed
from hookward.domain.events.jsv import read_jsv
from hookward.domain.json import decode_exact

MAX_FIELDS = 1000
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,299})", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,299})(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}

JsonSchema = Mapping[str, Any]


def coerce(value: Any, schema: JsonSchema) -> Any:
    """Return ``value``, made of strings, objects, arrays and ``None``, with the types that ``schema`` asks for."""
    types = _types(schema)
    if isinstance(value, str):
        return value if "string" in types else _typed_text(value, types, schema)
    if isinstance(value, dict):
        return {name: coerce(each, _schema_of(name, schema)) for name, each in value.items()}
    if isinstance(value, list):
        return [coerce(each, schema.get("items", {})) for each in value]
    return value


def read_form(text: str, schema: JsonSchema) -> dict[str, Any]:
    """Return the properties in a query or an urlencoded body. Arrays and objects are JSV, or a name occurs repeatedly.

    Raises Malformed if it is not UTF-8 or has too many fields.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise Malformed("the form is not UTF-8 text") from None
    except ValueError:
        raise Malformed(f"the form has more than {MAX_FIELDS} fields") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    form: dict[str, Any] = {}
    for name, several in values.items():
        many = len(several) > 1 and "array" in _types(_schema_of(name, schema))
        form[name] = several if many else several[-1]
    return {name: coerce(value, _schema_of(name, schema)) for name, value in form.items()}


def read_query(text: str, schema: JsonSchema) -> dict[str, Any]:
    """Return the properties in a query, as ``read_form`` does; parameters that the schema does not name are ignored."""
    known = schema.get("properties", {})
    fields = [each for each in text.split("&") if unquote_plus(each.partition("=")[0], errors="replace") in known]
    return read_form("&".join(fields), schema)


def _types(schema: JsonSchema) -> tuple[str, ...]:
    types = schema.get("type", ())
    return (types,) if isinstance(types, str) else tuple(types)


def _schema_of(name: str, schema: JsonSchema) -> JsonSchema:
    found = schema.get("properties", {}).get(name)
    if found is None:
        found = schema.get("additionalProperties")
    return found if isinstance(found, Mapping) else {}


def _typed_text(text: str, types: tuple[str, ...], schema: JsonSchema) -> Any:
    if "null" in types and text in ("", "null"):
        return None
    if "boolean" in types and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if ("integer" in types and _INTEGER.fullmatch(text)) or ("number" in types and _NUMBER.fullmatch(text)):
        return _number(text)
    if "array" in types:
        return _container(text if text.startswith("[") else f"[{text}]", text, schema)
    if "object" in types and text.startswith("{"):
        return _container(text, text, schema)
    return text


def _number(text: str) -> Any:
    try:
        return decode_exact(text.encode())
    except Malformed:  # outside the range of a double
        return text


def _container(jsv: str, text: str, schema: JsonSchema) -> Any:
    try:
        return coerce(read_jsv(jsv), schema)
    except HookwardError:
        return text
