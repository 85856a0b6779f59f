"""The document of a delivery (CONTRACT section 5): the change event as a template or an integrator sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from hookward.domain.change import ChangeEvent
from hookward.domain.exact_json import encode_exact
from hookward.domain.resource_type import BodyShape


@lru_cache(maxsize=4096)
def date(second: int, zone: str) -> dict[str, str]:
    """``{"dateTime": "2026-11-20T10:15:30", "timeZone": "Europe/Paris"}`` of a second since 1970."""
    moment = datetime.fromtimestamp(second, UTC if zone == "UTC" else ZoneInfo(zone))
    return {"dateTime": moment.strftime("%Y-%m-%dT%H:%M:%S"), "timeZone": zone}


def document(event: ChangeEvent, resource: Any, *, shape: BodyShape, second: int, zone: str) -> dict[str, Any]:
    """The document as values. ``resource`` is the decoded body of ``event``; ``second`` is the moment of rendering."""
    moment = date(second, zone)
    if shape is BodyShape.MERGED:
        return {**resource, "date": moment, "event": event.kind.word}
    return {
        "event": event.kind.word,
        "date": moment,
        "resourceType": event.resource_type,
        "scope": event.scope,
        "resource": resource,
    }


def body_without_template(event: ChangeEvent, *, shape: BodyShape, second: int, zone: str) -> bytes:
    """The document as JSON, spliced from the stored bytes where that gives the same as building it."""
    head = _head(event.kind.word, second, zone)
    if shape is BodyShape.WRAPPED:
        return (
            b"{" + head + b',"resourceType":' + encode_exact(event.resource_type) + b',"scope":'
            + encode_exact(event.scope) + b',"resource":' + event.body + b"}"
        )  # fmt: skip
    if _holds_own_names(event.body):
        return encode_exact(document(event, event.resource(), shape=shape, second=second, zone=zone))
    rest = event.body[1:]
    return b"{" + head + (b"}" if rest == b"}" else b"," + rest)


def _holds_own_names(body: bytes) -> bool:
    """Whether a name of ours may be among those of ``body``, as it is or escaped."""
    return b'"date"' in body or b'"event"' in body or b'"previousData"' in body or b"\\u" in body


@lru_cache(maxsize=4096)
def _head(word: str, second: int, zone: str) -> bytes:
    return b'"event":"' + word.encode() + b'","date":' + encode_exact(date(second, zone))
