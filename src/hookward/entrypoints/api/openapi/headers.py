"""Headers that routes name in ``reads`` and ``gives``, and parameters of paths."""

from __future__ import annotations

from collections.abc import Mapping

from hookward.domain.resource_types.rules import MAX_TYPE_NAME
from hookward.entrypoints.api.openapi.schemas import Schema
from hookward.entrypoints.api.resources.resource_types import NAME_PATTERN

_VISIBLE = {"type": "string", "pattern": "^[!-~]{1,255}$"}

READS: Mapping[str, Schema] = {
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "1 to 255 printable ASCII characters that the response repeats; made if it is missing.",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same as id in the body: repeating the key returns the first result for 24 h.",
        "schema": _VISIBLE,
    },
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag that was read: 412 when it has changed since.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag that was read: 304 while it has not changed, 412 where it was to be changed.",
        "schema": {"type": "string"},
    },
}
"""Request headers; each is a component that operations refer to."""

GIVES: Mapping[str, Schema] = {
    "X-Request-Id": {
        "description": "Names this request: that of the request, or one made for it.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Location": {"description": "The path of what was made.", "schema": {"type": "string"}},
    "ETag": {"description": "Names this version (RFC 9110).", "schema": {"type": "string"}},
    "Cache-Control": {"description": "How long it may be kept (RFC 9111).", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "WWW-Authenticate": {"description": "How to authenticate.", "required": True, "schema": {"type": "string"}},
}
"""Response headers; each is a component that operations refer to."""

_ID = "^{}_[0-9a-f]{{32}}$"
IN_PATH: Mapping[str, Schema] = {
    "watchId": {"type": "string", "pattern": _ID.format("wat")},
    "deliveryId": {"type": "string", "pattern": _ID.format("dlv")},
    "keyId": {"type": "string", "pattern": _ID.format("key")},
    "apiKeyId": {"type": "string", "pattern": _ID.format("apk")},
    "accountId": {"type": "string", "pattern": _ID.format("acc")},
    "erasureId": {"type": "string", "pattern": _ID.format("ers")},
    "eventId": {
        **_VISIBLE,
        "description": "The event's own id, or for as long as it is remembered the id that its publisher gave.",
    },
    "name": {"type": "string", "pattern": NAME_PATTERN, "maxLength": MAX_TYPE_NAME, "description": "The type's name."},
}
"""The schemas of path parameters; any other is ``OTHER_IN_PATH``."""

OTHER_IN_PATH: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
