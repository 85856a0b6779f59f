"""The document of a delivery: the change event as a template or a subscriber sees it (docs/reference).

``DocumentOptions`` are a watch's choices: which resources of the event the document holds, its shape and time zone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from hookward.domain.events.model import ChangeEvent
from hookward.domain.json import decode_exact, encode_exact
from hookward.domain.resource_types.model import BodyShape


@lru_cache(maxsize=4096)
def date(second: int, zone: str) -> dict[str, str]:
    """Return ``{"dateTime": "2026-11-20T10:15:30", "timeZone": "Europe/Paris"}`` for seconds since 1970.

    A zone that this machine does not know, although the one that accepted it did, gives a date in UTC that says so.
    """
    try:
        moment = datetime.fromtimestamp(second, UTC if zone == "UTC" else ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return date(second, "UTC")
    return {"dateTime": moment.strftime("%Y-%m-%dT%H:%M:%S"), "timeZone": zone}


def event_document(
    event: ChangeEvent, resource: Any, *, shape: BodyShape, second: int, zone: str, previous: Any = UNSET
) -> dict[str, Any]:
    """Return the document, decoded; ``second`` is the time of rendering in seconds since 1970.

    ``resource`` is the decoded body of ``event``, or its ``extra``. ``previous`` is the decoded previous state,
    ``None`` if it is not known, ``UNSET`` if the watch does not ask for it: the resource may then have a property of
    that name.
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
    """Return the document as JSON, spliced from the stored bytes if that gives the same as building it.

    With ``extra`` it holds the event's extra resource if there is one, with ``previous`` the previous state.
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
        made = event_document(event, decode_exact(resource), shape=shape, second=second, zone=zone, previous=state)
        return encode_exact(made)
    rest = resource[1:]
    return b"{" + head + before + (b"}" if rest == b"}" else b"," + rest)


def _holds_own_names(body: bytes) -> bool:
    """Return whether ``body`` may have a member that the document adds, plain or escaped."""
    return b'"date"' in body or b'"event"' in body or b'"previousData"' in body or b"\\u" in body


@lru_cache(maxsize=4096)
def _head(word: str, second: int, zone: str) -> bytes:
    return b'"event":"' + word.encode() + b'","date":' + encode_exact(date(second, zone))


class DocumentOptions(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How the documents of one watch are built.

    With ``extra`` they hold the event's extra resource if there is one, with ``previous`` the state before the change
    if it is known. ``zone`` applies to events that name none; without it the account's zone (``home``) does.
    """

    shape: BodyShape
    extra: bool = False
    previous: bool = False
    zone: str | None = None

    def with_shape(self, shape: BodyShape) -> DocumentOptions:
        """Return these options with another body shape: that of the type version the event was accepted under."""
        return self if self.shape is shape else msgspec.structs.replace(self, shape=shape)

    def build(
        self, change: ChangeEvent, resource: Any, *, previous: Any, second: int, home: str | None = None
    ) -> dict[str, Any]:
        """Return the document as values; ``second`` is the moment of rendering, in seconds since 1970.

        ``resource`` is the decoded resource that these options ask for: the event's body, or with ``extra`` its extra
        resource. ``previous`` is the decoded previous state, ``UNSET`` unless these options ask for it.
        """
        return event_document(
            change,
            resource,
            shape=self.shape,
            second=second,
            zone=change.zone or self.zone or home or "UTC",
            previous=previous,
        )

    def body(self, change: ChangeEvent, second: int, home: str | None = None) -> bytes:
        """Return the document as JSON."""
        return body_without_template(
            change,
            shape=self.shape,
            second=second,
            zone=change.zone or self.zone or home or "UTC",
            extra=self.extra,
            previous=self.previous,
        )
