"""What the document shows of resource types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookward.entrypoints.api.openapi.example_log import MADE
from hookward.entrypoints.api.resources import resource_types as wire_types

_GIVEN = {
    "name": "library.loan",
    "title": "A book that a reader has borrowed",
    "scope": ["libraryId"],
    "identity": ["id"],
    "schema": {
        "type": "object",
        "properties": {"id": {"type": "string"}, "due": {"type": "string"}, "renewals": {"type": "integer"}},
        "required": ["id"],
    },
    "sample": {"id": "l-77", "due": "2026-12-04", "renewals": 1},
    "body": "wrapped",
    "keepState": True,
    "paths": {"collection": "/libraries/{libraryId}/loans"},
}
_COLLECTION = "/libraries/{libraryId}/loans"
_ANSWER = {
    **_GIVEN,
    "version": 1,
    "builtIn": False,
    "paths": {"collection": _COLLECTION, "item": _COLLECTION + "/{id}"},
    "watchRoutes": [_COLLECTION + "/watch"],
    "created": MADE,
    "updated": MADE,
}

TYPE_EXAMPLES: Mapping[Any, Mapping[str, Any]] = {
    wire_types.ResourceTypeCreate: {"with paths": _GIVEN},
    wire_types.ResourceTypeUpdate: {"renamed": {**_GIVEN, "title": "A loan"}},
    wire_types.ResourceTypeOut: {"made": _ANSWER},
    wire_types.ResourceTypeListOut: {"page": {"data": [_ANSWER], "nextCursor": None}},
}
