"""Read the query parameters of the history: lists of deliveries and of events take the same filters and cursors."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind
from hookward.domain.errors import Problem
from hookward.domain.ids import IdPrefix, WatchId
from hookward.domain.resource_types.operations import ChangeKind
from hookward.entrypoints.api.http.listing import ListParams, id_parser

MAX_TEXT = 512
_SHOWN = 100
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+ -]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HISTORY_PARAMETERS = (
    "watchId", "eventId", "resourceType", "resourceId", "event", "status", "statusCode", "errorType",
    "since", "until", "q", "limit", "cursor",
)  # fmt: skip
_OLDER, _NEWER = b"<", b">"


class HistoryParams(ListParams):
    """The query parameters of one request for deliveries or events."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(request)
        for name in dict.fromkeys(self._query):
            if name not in HISTORY_PARAMETERS:
                self.refuse(name, f"is unknown; this list takes {', '.join(HISTORY_PARAMETERS)}")
            elif len(self._query.getall(name)) > 1:
                self.refuse(name, "is given more than once; give one value")

    def common(self) -> dict[str, Any]:
        """Return what deliveries and events have in common, as the fields of a query."""
        since, until = self.read("since", parse_moment), self.read("until", parse_moment)
        if since is not None and until is not None and since >= until:
            self.refuse("until", "must be later than since")
        limit = self.limit()
        cursor = self.read("cursor", _log_cursor) or {}
        return {
            "resource_type": self.read("resourceType", _printable),
            "resource_id": self.read("resourceId", _printable),
            "kind": self.read("event", parse_change_kind),
            "since_ms": since,
            "until_ms": until,
            "search": self.read("q", _printable),
            "limit": limit,
            **cursor,
        }

    def of_delivery(self) -> dict[str, Any]:
        """Return what is asked of a delivery alone, as the fields of a query."""
        watch = self.read("watchId", id_parser(IdPrefix.WATCH))
        return {
            "watch": None if watch is None else WatchId(watch),
            "status": self.read("status", parse_delivery_status),
            "code": self.read("statusCode", parse_status_code),
            "error": self.read("errorType", parse_error_kind),
        }

    def refuse(self, name: str, message: str) -> None:
        """Note what is wrong with a parameter; of a long name only the beginning is shown."""
        super().refuse(name if len(name) <= _SHOWN else name[:_SHOWN] + "…", message)

    def _detail(self, problems: Sequence[Problem]) -> str:
        return "a query parameter is wrong" if len(problems) == 1 else "query parameters are wrong"


def parse_moment(text: str) -> int:
    """Parse an RFC 3339 date-time to milliseconds since 1970, rounded up; a space counts as the + that it was."""
    what = "must be a moment such as 2026-11-20T10:15:30Z or 2026-11-20T11:15:30+01:00 (RFC 3339, with a + sent as %2B)"
    if not _MOMENT.fullmatch(text):
        raise ValueError(what)
    try:
        since = datetime.fromisoformat(text.replace(" ", "+").upper()) - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError(what) from None
    return max(0, -(-since // timedelta(milliseconds=1)))


def cursors(older: bytes | None, newer: bytes | None) -> dict[str, str | None]:
    """Return ``next_cursor`` and ``prev_cursor`` of a page of deliveries or events."""
    return {
        "next_cursor": None if older is None else urlsafe_b64encode(_OLDER + older).rstrip(b"=").decode(),
        "prev_cursor": None if newer is None else urlsafe_b64encode(_NEWER + newer).rstrip(b"=").decode(),
    }


def parse_change_kind(text: str) -> ChangeKind:
    """Parse the word of what happened to a resource."""
    kind = ChangeKind.from_word(text)
    if kind is None:
        raise ValueError(f"must be one of {', '.join(kind.word for kind in ChangeKind)}")
    return kind


def parse_event_id(text: str) -> str:
    """Parse an event's id, or the id that its publisher gave."""
    if not re.fullmatch(r"[!-~]{1,255}", text):
        raise ValueError(
            f"must be an event's id ({IdPrefix.EVENT}_ and 32 hexadecimal digits) or the id that its publisher gave "
            "(1 to 255 visible ASCII characters)"
        )
    return text


def parse_delivery_status(text: str) -> DeliveryStatus:
    """Parse the word of a delivery's status."""
    words = {status.word: status for status in DeliveryStatus}
    if text not in words:
        raise ValueError(f"must be one of {', '.join(words)}")
    return words[text]


def parse_status_code(text: str) -> int:
    """Parse an HTTP status code."""
    if not re.fullmatch(r"[1-9][0-9]{2}", text):
        raise ValueError("must be an HTTP status code from 100 to 999")
    return int(text)


def parse_error_kind(text: str) -> str:
    """Parse why an attempt had no usable response."""
    if text not in tuple(ErrorKind):
        raise ValueError(f"must be one of {', '.join(ErrorKind)}")
    return text


def _printable(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT or not text.isprintable() or not _encodable(text):
        raise ValueError(f"must be 1 to {MAX_TEXT} printable characters")
    return text


def _encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _log_cursor(text: str) -> dict[str, bytes]:
    what = "must be a nextCursor or prevCursor that this list answered"
    if not re.fullmatch(r"[\w-]{23}", text, re.ASCII):
        raise ValueError(what)
    raw = urlsafe_b64decode(text + "=")
    if raw[:1] not in (_OLDER, _NEWER):
        raise ValueError(what)
    return {"before" if raw[:1] == _OLDER else "after": raw[1:]}
