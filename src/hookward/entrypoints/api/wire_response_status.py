"""Errors as ServiceStack says them, for the routes that mirror such an API."""

from __future__ import annotations

import msgspec


class _Pascal(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Base of these shapes."""


class ResponseError(_Pascal, frozen=True, kw_only=True):
    """One problem of a field."""

    error_code: str
    field_name: str
    message: str
    meta: None


class ResponseMeta(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What else there is to say."""

    request_id: str


class ResponseStatus(_Pascal, frozen=True, kw_only=True):
    """What is wrong, and where."""

    error_code: str
    message: str
    stack_trace: None
    errors: list[ResponseError]
    meta: ResponseMeta


class ResponseStatusAnswer(_Pascal, frozen=True, kw_only=True):
    """An error, in the form of the mirrored API."""

    response_status: ResponseStatus
