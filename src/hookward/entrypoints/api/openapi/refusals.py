"""The problems that a route may return, derived from its row, and each as a response component."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from hookward.entrypoints.api.http.responses import kind_of
from hookward.entrypoints.api.openapi.schemas import Schema
from hookward.entrypoints.api.route import Route

# Each with a detail that the service gives.
_REFUSALS: Mapping[int, tuple[str, str]] = {
    400: ("The body or a query parameter cannot be read.", "limit must be a whole number from 1 to 200"),
    401: ("No key, or one that is not known.", "no key; send Authorization: Bearer <key>"),
    403: ("The key lacks the scope.", "this key lacks the scope publish"),
    404: ("There is nothing of that name in this account.", "there is no such watch"),
    408: ("The body did not come in time.", "the body was not there within 60 s; send it faster"),
    409: ("What it is forbids it.", "the resource type is watched"),
    412: ("It has changed since it was read.", "the watch has changed; read it again"),
    413: ("The body is too large.", "the body is over 1048576 bytes"),
    415: (
        "The content type is not taken.",
        "the content type is text/plain; send Content-Type: application/json in UTF-8",
    ),
    422: ("It can be read but breaks a rule; errors names every problem.", "the watch has problems"),
    429: ("Too much waits or is under way; Retry-After says when to try again.", "too much waits; try again later"),
    502: (
        "The authorization server gave no token that lasts.",
        "the authorization server gave an access token but no refresh token, so nothing was stored",
    ),
    503: (
        "The store cannot be reached; nothing was taken.",
        "the store cannot be reached; nothing was taken, try again",
    ),
}
_ERRORS: Mapping[int, list[dict[str, str]]] = {
    400: [{"message": "limit must be a whole number from 1 to 200", "parameter": "limit"}],
    422: [{"message": "address is missing; give a text", "pointer": "/address"}],
}
_HEADERS: Mapping[int, tuple[str, ...]] = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
_CHANGING = frozenset({"PUT", "PATCH", "DELETE"})


def statuses_of(route: Route) -> list[int]:
    """Return the statuses of problems, ascending: those of every route of its kind, and those that it declares."""
    if route.scope is None:
        return sorted(route.refuses)
    found = {400, 401, 403, 503, *route.refuses}
    if "{" in route.path:
        found |= {404, 422}
    if route.takes is not None:
        found |= {408, 413, 415, 422}
    if route.method in _CHANGING:
        found |= {404, 409, 412}
    return sorted(found)


def name_of(status: int) -> str:
    """Return the name of a problem's component: ``NotFound``."""
    return kind_of(HTTPStatus(status))[1].replace(" ", "")


def reference_to_problem(status: int) -> Schema:
    """Return the reference to the response of a problem."""
    return {"$ref": f"#/components/responses/{name_of(status)}"}


def in_form_of(status: int, schema: str, media: tuple[str, ...]) -> Schema:
    """Return the response of a problem on a route with an error format of its own."""
    description, _ = _REFUSALS[status]
    content = {each: {"schema": {"$ref": f"#/components/schemas/{schema}"}} for each in media}
    return {"description": description, "headers": _headers_of(status), "content": content}


def _headers_of(status: int) -> Schema:
    names = ("X-Request-Id", *_HEADERS.get(status, ()))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def components() -> dict[str, Schema]:
    """Return every problem as a response, by name."""
    return {name_of(status): _response(status) for status in _REFUSALS}


def _response(status: int) -> Schema:
    description, detail = _REFUSALS[status]
    type_, title = kind_of(HTTPStatus(status))
    example: dict[str, Any] = {
        "type": type_,
        "title": title,
        "status": status,
        "detail": detail,
        "requestId": "9f1c2ab04de75c1199aa0b3d",
    }
    if status in _ERRORS:
        example["errors"] = _ERRORS[status]
    media = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}, "example": example}
    return {
        "description": description,
        "headers": _headers_of(status),
        "content": {"application/problem+json": media},
    }
