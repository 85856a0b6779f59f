"""The document of a delivery (CONTRACT section 5): the change event as a template or an integrator sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET

from hookward.domain.change import ChangeEvent
from hookward.domain.exact_json import decode_exact, encode_exact
from hookward.domain.resource_type import BodyShape


@lru_cache(maxsize=4096)
def date(second: int, zone: str) -> dict[str, str]:
    """``{"dateTime": "2026-11-20T10:15:30", "timeZone": "Europe/Paris"}`` of a second since 1970.

    A zone that this machine does not know, although the one that accepted it did, gives UTC, and says so.
    """
    try:
        moment = datetime.fromtimestamp(second, UTC if zone == "UTC" else ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return date(second, "UTC")
    return {"dateTime": moment.strftime("%Y-%m-%dT%H:%M:%S"), "timeZone": zone}


def document(
    event: ChangeEvent, resource: Any, *, shape: BodyShape, second: int, zone: str, previous: Any = UNSET
) -> dict[str, Any]:
    """The document as values; ``second`` is the moment of rendering.

    ``resource`` is the decoded body of ``event``, or its ``extra``. ``previous`` is the decoded previous state,
    ``None`` where it is not known, ``UNSET`` where nobody asks: a property of that name is then the resource's own.
    """
    moment = date(second, zone)
    if shape is BodyShape.MERGED:
        made = {**resource, "date": moment, "event": event.kind.word}
        if previous is None:
            made.pop("previousData", None)
    else:
        made = {
            "event": event.kind.word,
            "date": moment,
            "resourceType": event.resource_type,
            "scope": event.scope,
            "resource": resource,
        }
    if previous is not None and previous is not UNSET:
        made["previousData"] = previous
    return made


def body_without_template(
    event: ChangeEvent, *, shape: BodyShape, second: int, zone: str, extra: bool = False, previous: bool = False
) -> bytes:
    """The document as JSON, spliced from the stored bytes where that gives the same as building it.

    With ``extra`` it holds the event's extra resource where there is one, with ``previous`` the previous state.
    """
    resource = event.extra if extra and event.extra is not None else event.body
    head = _head(event.kind.word, second, zone)
    before = b',"previousData":' + event.previous if previous and event.previous is not None else b""
    if shape is BodyShape.WRAPPED:
        return (
            b"{" + head + b',"resourceType":' + encode_exact(event.resource_type) + b',"scope":'
            + encode_exact(event.scope) + b',"resource":' + resource + before + b"}"
        )  # fmt: skip
    if _holds_own_names(resource):
        state = event.previous_resource() if previous else UNSET
        made = document(event, decode_exact(resource), shape=shape, second=second, zone=zone, previous=state)
        return encode_exact(made)
    rest = resource[1:]
    return b"{" + head + before + (b"}" if rest == b"}" else b"," + rest)


def _holds_own_names(body: bytes) -> bool:
    """Whether a name of ours may be among those of ``body``, as it is or escaped."""
    return b'"date"' in body or b'"event"' in body or b'"previousData"' in body or b"\\u" in body


@lru_cache(maxsize=4096)
def _head(word: str, second: int, zone: str) -> bytes:
    return b'"event":"' + word.encode() + b'","date":' + encode_exact(date(second, zone))
