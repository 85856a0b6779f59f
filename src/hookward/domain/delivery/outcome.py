"""The outcome of one HTTP request to an endpoint: a response or a failure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hookward.domain.redaction import redacted_repr


class ErrorKind(StrEnum):
    """Why an attempt has no usable response (``error.type`` in the delivery log)."""

    TIMEOUT = "timeout"
    DNS = "dns"
    TLS = "tls"
    CONNECTION = "connection"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"
    FORBIDDEN_ADDRESS = "forbidden_address"
    TEMPLATE = "template"
    OAUTH = "oauth"


class Response(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An HTTP response as received; ``truncated`` says that ``body`` was cut at the log's bound."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool = False

    __repr__ = redacted_repr


class Failure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why there is no response; ``message`` is written for the integrator and holds no secret."""

    kind: ErrorKind
    message: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of one request: either a ``response`` or a ``failure``.

    ``duration_us`` is microseconds from the start of the send to the end of the response; ``remote`` is the peer's
    ``address:port`` where a connection was made.
    """

    duration_us: int
    response: Response | None = None
    failure: Failure | None = None
    remote: str | None = None
