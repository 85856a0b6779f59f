"""Formats of mirrored routes beside JSON, by the rules of ServiceStack, and its errors (``ResponseStatus``).

The format of a response comes from the suffix of the path, else from ``?format=``, else from ``Accept``; without any
of them it is JSON.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from hookward.domain.events.jsv import write_jsv
from hookward.domain.resource_types.operations import Format
from hookward.entrypoints.api.http.requests import is_json
from hookward.entrypoints.api.http.responses import json_response, problem_response
from hookward.entrypoints.api.http.schemas import ProblemDocument

_UTF_8 = r"\s*(?:;\s*charset\s*=\s*\"?utf-8\"?\s*)?"
_JSV = re.compile(rf"(?:text|application)/jsv{_UTF_8}", re.IGNORECASE)
_FORM = re.compile(rf"application/x-www-form-urlencoded{_UTF_8}", re.IGNORECASE)
_QUALITY = re.compile(r"\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)
_ACCEPTED = {
    "text/jsv": Format.JSV, "application/jsv": Format.JSV, "application/json": Format.JSON,
    "text/*": Format.JSV, "application/*": Format.JSON, "*/*": Format.JSON,
}  # fmt: skip

CONTENT_TYPES = {
    Format.JSON: "application/json",
    Format.JSV: "text/jsv",
    Format.FORM: "application/x-www-form-urlencoded",
}


def format_of_body(content_type: str) -> Format | None:
    """Return the format of a body with this content type; ``None`` for an unknown one, and if it is not in UTF-8."""
    if is_json(content_type):
        return Format.JSON
    if _JSV.fullmatch(content_type):
        return Format.JSV
    return Format.FORM if _FORM.fullmatch(content_type) else None


def wanted_format(request: web.Request) -> Format:
    """Return the format of the response: JSON or JSV."""
    suffix = request.path.rpartition(".")[2].lower()
    asked = suffix if suffix in (Format.JSON, Format.JSV) else request.query.get("format", "").lower()
    if asked in (Format.JSON, Format.JSV):
        return Format(asked)
    return _accepted(",".join(request.headers.getall("Accept", [])))


def _accepted(header: str) -> Format:
    best, chosen = 0.0, Format.JSON
    for each in header.split(","):
        kind, *parameters = each.split(";")
        found = _ACCEPTED.get(kind.strip().lower())
        qualities = [float(match[1]) for match in map(_QUALITY.fullmatch, parameters) if match is not None]
        quality = qualities[0] if qualities else 1.0
        if found is not None and quality > best:
            best, chosen = quality, found
    return chosen


def formatted(request: web.Request, value: Any, status: int) -> web.Response:
    """Return a response with a value in the requested format."""
    if wanted_format(request) is Format.JSON:
        return json_response(value, status)
    text = write_jsv(msgspec.to_builtins(value))
    return web.Response(body=text.encode(), status=status, content_type=CONTENT_TYPES[Format.JSV])


def as_response_status(
    request: web.Request, document: ProblemDocument, *, retry_after: str | None = None
) -> web.Response:
    """Return a problem as a ``ResponseStatus`` of ServiceStack, with the headers of any problem."""
    response = formatted(request, {"ResponseStatus": _response_status(document)}, document.status)
    plain = problem_response(document, retry_after=retry_after)
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in plain.headers:
            response.headers[name] = plain.headers[name]
    return response


def _response_status(document: ProblemDocument) -> dict[str, Any]:
    code = HTTPStatus(document.status).name.title().replace("_", "")
    errors = [] if document.errors is msgspec.UNSET else document.errors
    return {
        "ErrorCode": code,
        "Message": document.detail,
        "StackTrace": None,
        "Errors": [
            {
                "ErrorCode": code,
                "FieldName": each.parameter or _field(each.pointer or ""),
                "Message": each.message,
                "Meta": None,
            }
            for each in errors
        ],
        "Meta": {"requestId": document.request_id},
    }


def _field(pointer: str) -> str:
    return pointer.removeprefix("/").replace("/", ".").replace("~1", "/").replace("~0", "~")


class _Pascal(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Base of these schemas."""


class ResponseError(_Pascal, frozen=True, kw_only=True):
    """One problem of a field."""

    error_code: str
    field_name: str
    message: str
    meta: None


class ResponseMeta(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Further data: the request id."""

    request_id: str


class ResponseStatus(_Pascal, frozen=True, kw_only=True):
    """An error: its code, a message, and the problems of fields."""

    error_code: str
    message: str
    stack_trace: None
    errors: list[ResponseError]
    meta: ResponseMeta


class ResponseStatusOut(_Pascal, frozen=True, kw_only=True):
    """An error in the form of the mirrored API."""

    response_status: ResponseStatus
