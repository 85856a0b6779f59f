"""Responses: JSON from values, problem documents from errors."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from hookward.domain.errors import (
    Conflict,
    Forbidden,
    HookwardError,
    Invalid,
    Malformed,
    NotFound,
    PreconditionFailed,
    RequestRejected,
    StoreUnavailable,
    TokenNotGranted,
    TooLarge,
    TooManyPending,
)
from hookward.entrypoints.api.http.schemas import ProblemDocument, ProblemItem

_encode = msgspec.json.Encoder(decimal_format="number").encode

_STATUS: dict[type[HookwardError], HTTPStatus] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    TooManyPending: HTTPStatus.TOO_MANY_REQUESTS,
    TokenNotGranted: HTTPStatus.BAD_GATEWAY,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_AWAY = "the store cannot be reached; nothing was taken, try again"
STORE_RETRY_SECONDS = "1"
_TITLES = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}


class NotAuthenticated(RequestRejected):
    """No key, or one that is not known (401)."""


class UnsupportedType(RequestRejected):
    """A content type that the route does not take (415)."""


class BadParameter(RequestRejected):
    """A query parameter that is wrong (400)."""


class TooSlow(RequestRejected):
    """A body that does not come to its end (408)."""


_STATUS[NotAuthenticated] = HTTPStatus.UNAUTHORIZED
_STATUS[Forbidden] = HTTPStatus.FORBIDDEN
_STATUS[UnsupportedType] = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
_STATUS[BadParameter] = HTTPStatus.BAD_REQUEST
_STATUS[TooSlow] = HTTPStatus.REQUEST_TIMEOUT


def json_response(value: Any, status: int = 200) -> web.Response:
    """Return a JSON response."""
    return web.Response(body=_encode(value), status=status, content_type="application/json")


def secret_response(value: Any, status: int = 200, *, location: str | None = None) -> web.Response:
    """Return a JSON response with a secret, which no cache may store (RFC 9111 §5.2.2.5).

    ``location`` is the path of what was created.
    """
    response = json_response(value, status)
    if location is not None:
        response.headers["Location"] = location
    response.headers["Cache-Control"] = "no-store"
    return response


def problem_of(error: HookwardError, request_id: str = "") -> ProblemDocument:
    """Return the problem document of an error; an unexpected error shows nothing of itself."""
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)
    detail = "something went wrong on our side; the request id helps to find it"
    errors: list[ProblemItem] | msgspec.UnsetType = msgspec.UNSET
    if isinstance(error, StoreUnavailable):
        detail = _AWAY
    elif isinstance(error, RequestRejected):
        detail = error.detail
        if error.problems:
            errors = [ProblemItem(message=p.message, pointer=p.pointer, parameter=p.parameter) for p in error.problems]
    return build_problem(status, detail, request_id, errors)


def build_problem(
    status: HTTPStatus, detail: str, request_id: str, errors: list[ProblemItem] | msgspec.UnsetType = msgspec.UNSET
) -> ProblemDocument:
    """Return a problem document (RFC 9457)."""
    type_, title = kind_of(status)
    return ProblemDocument(
        type=type_, title=title, status=status, detail=detail, request_id=request_id, errors=errors,
    )  # fmt: skip


def kind_of(status: HTTPStatus) -> tuple[str, str]:
    """Return ``type`` and ``title`` of a problem. They stay the same on Python 3.13, which renamed two statuses."""
    title = _TITLES.get(status, status.phrase)
    return "urn:hookward:problem:" + title.lower().replace(" ", "-"), title


def problem_response(document: ProblemDocument, *, retry_after: str | None = None) -> web.Response:
    """Return a problem document as a response."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    if document.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(
        body=_encode(document), status=document.status, content_type="application/problem+json", headers=headers
    )


def format_timestamp(value: datetime | None) -> str | None:
    """Return a moment as RFC 3339 in UTC: ``2026-11-20T10:15:30.123456Z``."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def body_text(data: bytes | None) -> str | None:
    """Return a body as a string; bytes that are not UTF-8 become U+FFFD."""
    return None if data is None else data.decode("utf-8", "replace")
