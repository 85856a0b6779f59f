"""The query parameters of lists: all of them are read before a request is refused, so that every wrong one is named."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from aiohttp import web

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind
from hookward.domain.errors import Problem
from hookward.domain.ids import IdPrefix, WatchId, from_text
from hookward.domain.resource_types.operations import ChangeKind
from hookward.entrypoints.api.http.responses import BadParameter

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_TEXT = 512
LOG_PARAMETERS = (
    "watchId", "eventId", "resourceType", "resourceId", "event", "status", "statusCode", "errorType",
    "since", "until", "q", "limit", "cursor",
)  # fmt: skip

T = TypeVar("T")
_SHOWN = 100
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+ -]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OLDER, _NEWER = b"<", b">"


class ListParams:
    """The query parameters of one request for a list.

    ``read`` collects what is wrong instead of raising it; ``check`` raises BadParameter for all of that.
    """

    def __init__(self, request: web.Request) -> None:
        self._query = request.query
        self._problems: list[Problem] = []

    def check_names(self, known: Sequence[str]) -> None:
        """Refuse parameters that the list does not take: a misspelt filter would return everything."""
        for name in dict.fromkeys(self._query):
            if name not in known:
                self.refuse(name, f"is unknown; this list takes {', '.join(known)}")

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Return a parameter, or ``None`` if it is missing or wrong; ``parse`` raises ValueError with what is right."""
        text = self._query.get(name)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.refuse(name, str(error))
            return None

    def limit(self) -> int:
        """Return the page size."""
        limit = self.read("limit", _limit)
        return DEFAULT_LIMIT if limit is None else limit

    def cursor(self, prefix: IdPrefix) -> bytes | None:
        """Return the id after which the page begins, of a list that is ordered by ids."""
        return self.read("cursor", cursor_of(lambda text: from_text(prefix, text)))

    def refuse(self, name: str, message: str) -> None:
        """Note what is wrong with a parameter."""
        self._problems.append(Problem(message=f"{name} {message}", parameter=name))

    def check(self) -> None:
        """Raise BadParameter with every problem, if there is one."""
        if self._problems:
            raise BadParameter(self._detail(self._problems), tuple(self._problems))

    def _detail(self, problems: Sequence[Problem]) -> str:
        return "; ".join(each.message for each in problems)


class LogParams(ListParams):
    """The query parameters of one request for deliveries or events."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(request)
        for name in dict.fromkeys(self._query):
            if name not in LOG_PARAMETERS:
                self.refuse(name, f"is unknown; this list takes {', '.join(LOG_PARAMETERS)}")
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


def next_page(records: Sequence[T], limit: int, cursor: Callable[[T], str]) -> tuple[Sequence[T], str | None]:
    """Return one page of ``records``, of which one more than ``limit`` was asked for, and the cursor of the next page.

    The cursor, made by ``cursor`` of the last record of the page, is ``None`` on the last page.
    """
    page = records[:limit]
    return page, cursor(page[-1]) if len(records) > limit else None


def cursor_of(parse: Callable[[str], T | None]) -> Callable[[str], T]:
    """Return a parser of the cursors of a list; ``parse`` returns ``None`` for what is no cursor of it."""

    def read(text: str) -> T:
        found = parse(text)
        if found is None:
            raise ValueError("must be a nextCursor of this list")
        return found

    return read


def id_parser(prefix: IdPrefix) -> Callable[[str], bytes]:
    """Return a parser of whole ids of this kind."""

    def parse(text: str) -> bytes:
        id_ = from_text(prefix, text)
        if id_ is None:
            raise ValueError(f"must be an id: {prefix}_ and 32 hexadecimal digits")
        return id_

    return parse


def parse_event_id(text: str) -> str:
    """Parse an event's id, or the id that its publisher gave."""
    if not re.fullmatch(r"[!-~]{1,255}", text):
        raise ValueError(
            f"must be an event's id ({IdPrefix.EVENT}_ and 32 hexadecimal digits) or the id that its publisher gave "
            "(1 to 255 visible ASCII characters)"
        )
    return text


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


def cursors(older: bytes | None, newer: bytes | None) -> dict[str, str | None]:
    """Return ``next_cursor`` and ``prev_cursor`` of a page of deliveries or events."""
    return {
        "next_cursor": None if older is None else urlsafe_b64encode(_OLDER + older).rstrip(b"=").decode(),
        "prev_cursor": None if newer is None else urlsafe_b64encode(_NEWER + newer).rstrip(b"=").decode(),
    }


def _log_cursor(text: str) -> dict[str, bytes]:
    what = "must be a nextCursor or prevCursor that this list answered"
    if not re.fullmatch(r"[\w-]{23}", text, re.ASCII):
        raise ValueError(what)
    raw = urlsafe_b64decode(text + "=")
    if raw[:1] not in (_OLDER, _NEWER):
        raise ValueError(what)
    return {"before" if raw[:1] == _OLDER else "after": raw[1:]}


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _printable(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT or not text.isprintable() or not _encodable(text):
        raise ValueError(f"must be 1 to {MAX_TEXT} printable characters")
    return text


def _encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def parse_change_kind(text: str) -> ChangeKind:
    """Parse the word of what happened to a resource."""
    kind = ChangeKind.from_word(text)
    if kind is None:
        raise ValueError(f"must be one of {', '.join(kind.word for kind in ChangeKind)}")
    return kind
