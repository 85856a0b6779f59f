"""The whole document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hookward.domain.resource_types.model import ResourceType
from hookward.domain.resource_types.schema_cost import JSON_SCHEMA_DIALECT
from hookward.entrypoints.api.http import schemas as wire
from hookward.entrypoints.api.openapi import headers, refusals, resources
from hookward.entrypoints.api.openapi.examples import Examples
from hookward.entrypoints.api.openapi.operations import Operations, plain_path
from hookward.entrypoints.api.openapi.schemas import Schemas
from hookward.entrypoints.api.resources.events import EventCreate
from hookward.entrypoints.api.route import Route

_ABOUT = """\
Hookward delivers change events to the people who asked for them. An upstream service publishes what has happened to a \
resource; every integrator who registered a watch on such resources receives an HTTP request, shaped by their own \
template, signed, retried until it lands, and visible down to each attempt.

An answer that is no success is a problem document (RFC 9457); bad input is named in `errors`, every problem at once. \
Besides what each operation lists, a path that does not exist answers 404 and a method that a path does not take 405. \
Every answer carries `X-Request-Id`. Resource types that accounts add are published and watched as the built-in ones. \
Paths outside `/v1` also answer below each of the configured `server.path_prefixes`.
"""
_TAGS = {
    "events": "Publish what has happened.",
    "watches": "Say who wants to hear of it, where and how.",
    "crypto-keys": "Keys that sign deliveries.",
    "resource-types": "The kinds of thing that change: built-in ones, and those of an account.",
    "deliveries": "What was sent, and what came of it.",
    "erasures": "Remove what is stored of one resource.",
    "api-keys": "Who may do what in an account.",
    "accounts": "Who has a world of their own; for operators.",
    "service": "Health, and this description; no key needed.",
}
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer hw_…`"},
    "basic": {"type": "http", "scheme": "basic", "description": "The key as user name, without password."},
    "key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "The bare key."},
}


def build_openapi(routes: Iterable[Route], types: Iterable[ResourceType], *, version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document: a function of its arguments alone."""
    known = sorted(types, key=lambda each: each.name)
    schemas = Schemas()
    operations = Operations(schemas, Examples(known))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = operations.of(route)
    schemas.of(wire.ProblemDocument)
    schemas.of(EventCreate)
    schemas.components[EventCreate.__name__]["anyOf"] = resources.event_variants(known)
    components = {**schemas.components, **{each.name: resources.component_of(each) for each in known}}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": JSON_SCHEMA_DIALECT,
        "info": {
            "title": "Hookward",
            "summary": "Webhook delivery that loses nothing.",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
            "version": version,
        },
        "servers": [{"url": "/", "description": "Where this document was read."}],
        "tags": _tags(paths),
        "paths": dict(sorted(paths.items(), key=_own_first)),
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": refusals.components(),
            "parameters": dict(headers.READS),
            "headers": dict(headers.GIVES),
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _own_first(item: tuple[str, Any]) -> tuple[bool, str]:
    """The service's own paths before those that repeat another api's."""
    path, _ = item
    return not path.startswith("/v1/"), path


def _tags(paths: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """Every tag that is used, those that have something to say first."""
    used = {tag for path in paths.values() for operation in path.values() for tag in operation["tags"]}
    order = [*(name for name in _TAGS if name in used), *sorted(used - set(_TAGS))]
    return [{"name": name, **({"description": _TAGS[name]} if name in _TAGS else {})} for name in order]


def encode_openapi(document: dict[str, Any], *, indent: int = 0) -> bytes:
    """The document as JSON; on one line without ``indent``."""
    text = msgspec.json.encode(document)
    return msgspec.json.format(text, indent=indent) if indent else text
