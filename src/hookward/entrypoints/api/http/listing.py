"""The filters of the log's lists, as query parameters: read all at once, so that every wrong one is named."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from aiohttp import web

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind
from hookward.domain.errors import Problem
from hookward.domain.ids import IdPrefix, WatchId, from_text
from hookward.domain.resource_types.operations import ChangeKind
from hookward.entrypoints.api.http.requests import DEFAULT_LIMIT, MAX_LIMIT
from hookward.entrypoints.api.http.responses import BadParameter

LOG_PARAMETERS = (
    "watchId", "eventId", "resourceType", "resourceId", "event", "status", "statusCode", "errorType",
    "since", "until", "q", "limit", "cursor",
)  # fmt: skip
T = TypeVar("T")
MAX_TEXT = 512
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+ -]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OLDER, _NEWER = b"<", b">"


class Filters:
    """The parameters of one request; ``check`` raises for all that were wrong, once all were read."""

    def __init__(self, request: web.Request, known: tuple[str, ...]) -> None:
        self._query = request.query
        self._known = known
        self._problems: list[Problem] = []
        for name in dict.fromkeys(self._query):
            if name not in known:
                self._refuse(name, f"is unknown; this list takes {', '.join(known)}")
            elif len(self._query.getall(name)) > 1:
                self._refuse(name, "is given more than once; give one value")

    def check(self) -> None:
        """Refuse the request if anything in it was wrong."""
        if self._problems:
            shown = "a query parameter is wrong" if len(self._problems) == 1 else "query parameters are wrong"
            raise BadParameter(shown, tuple(self._problems))

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """A parameter; ``parse`` raises ValueError with what would be right."""
        text = self._query.get(name)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self._refuse(name, f"must be {error}")
            return None

    def common(self) -> dict[str, Any]:
        """What deliveries and events have in common, as the fields of a query."""
        since, until = self.read("since", moment_ms), self.read("until", moment_ms)
        if since is not None and until is not None and since >= until:
            self._refuse("until", "must be later than since")
        limit = self.read("limit", _limit)
        cursor = self.read("cursor", _cursor) or {}
        return {
            "resource_type": self.read("resourceType", _text),
            "resource_id": self.read("resourceId", _text),
            "kind": self.read("event", _kind),
            "since_ms": since,
            "until_ms": until,
            "search": self.read("q", _text),
            "limit": DEFAULT_LIMIT if limit is None else limit,
            **cursor,
        }

    def of_delivery(self) -> dict[str, Any]:
        """What is asked of a delivery alone, as the fields of a query."""
        watch = self.read("watchId", id_of(IdPrefix.WATCH))
        return {
            "watch": None if watch is None else WatchId(watch),
            "status": self.read("status", status_of),
            "code": self.read("statusCode", code_of),
            "error": self.read("errorType", error_of),
        }

    def _refuse(self, name: str, message: str) -> None:
        shown = name if len(name) <= 100 else name[:100] + "…"
        self._problems.append(Problem(message=f"{shown} {message}", parameter=shown))


def id_of(prefix: IdPrefix) -> Callable[[str], bytes]:
    """A whole id of this kind."""

    def parse(text: str) -> bytes:
        id_ = from_text(prefix, text)
        if id_ is None:
            raise ValueError(f"an id: {prefix}_ and 32 hexadecimal digits")
        return id_

    return parse


def event_name(text: str) -> str:
    """An event's id, or what its publisher called it."""
    if not re.fullmatch(r"[!-~]{1,255}", text):
        raise ValueError(
            f"an event's id ({IdPrefix.EVENT}_ and 32 hexadecimal digits) or the id that its publisher gave "
            "(1 to 255 visible ASCII characters)"
        )
    return text


def moment_ms(text: str) -> int:
    """RFC 3339 as milliseconds since 1970, rounded up; a blank stands for the plus that a query makes one of."""
    what = "a moment such as 2026-11-20T10:15:30Z or 2026-11-20T11:15:30+01:00 (RFC 3339, with a + sent as %2B)"
    if not _MOMENT.fullmatch(text):
        raise ValueError(what)
    try:
        since = datetime.fromisoformat(text.replace(" ", "+").upper()) - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError(what) from None
    return max(0, -(-since // timedelta(milliseconds=1)))


def status_of(text: str) -> DeliveryStatus:
    words = {status.word: status for status in DeliveryStatus}
    if text not in words:
        raise ValueError(f"one of {', '.join(words)}")
    return words[text]


def code_of(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{2}", text):
        raise ValueError("an HTTP status code from 100 to 999")
    return int(text)


def error_of(text: str) -> str:
    if text not in tuple(ErrorKind):
        raise ValueError(f"one of {', '.join(ErrorKind)}")
    return text


def cursors(older: bytes | None, newer: bytes | None) -> dict[str, str | None]:
    """``next_cursor`` and ``prev_cursor`` of a page."""
    return {
        "next_cursor": None if older is None else urlsafe_b64encode(_OLDER + older).rstrip(b"=").decode(),
        "prev_cursor": None if newer is None else urlsafe_b64encode(_NEWER + newer).rstrip(b"=").decode(),
    }


def _cursor(text: str) -> dict[str, bytes]:
    what = "a nextCursor or prevCursor that this list answered"
    if not re.fullmatch(r"[\w-]{23}", text, re.ASCII):
        raise ValueError(what)
    raw = urlsafe_b64decode(text + "=")
    if raw[:1] not in (_OLDER, _NEWER):
        raise ValueError(what)
    return {"before" if raw[:1] == _OLDER else "after": raw[1:]}


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _text(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT or not text.isprintable() or not _encodable(text):
        raise ValueError(f"1 to {MAX_TEXT} printable characters")
    return text


def _encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _kind(text: str) -> ChangeKind:
    kind = ChangeKind.from_word(text)
    if kind is None:
        raise ValueError(f"one of {', '.join(kind.word for kind in ChangeKind)}")
    return kind
