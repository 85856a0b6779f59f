"""Translate the errors of aiohttp into failures.

The messages are Hookward's own: those of aiohttp repeat addresses, headers and what the server sent.
"""

from __future__ import annotations

import errno
import socket
import ssl

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientPayloadError,
    InvalidURL,
)
from aiohttp.http import HttpProcessingError

from hookward.adapters.http_client.connector import ForbiddenAddress
from hookward.adapters.http_client.tunnel import ProxyFailed
from hookward.domain.delivery.outcome import ErrorKind, Failure


class Unusable(Exception):
    """A response arrived that cannot be used; ``failure`` says why."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(kind=kind, message=message)


class Lost(Exception):
    """The connection ended before a complete response; ``silent``: not one byte of it arrived, as far as is known."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__()
        self.silent = silent


FOREIGN = (ClientError, HttpProcessingError, OSError, ValueError, Unusable, Lost)
"""What sending a request may raise without a defect in Hookward."""


def failure_of(error: BaseException, *, https: bool) -> Failure:
    """Return the failure, with a message for the integrator, for one of ``FOREIGN``."""
    match error:
        case Unusable():
            failure = error.failure
        case Lost():
            failure = _of_lost_connection(error)
        case ClientConnectorCertificateError() | ClientConnectorSSLError():
            failure = _of_tls(error)
        case ClientConnectorError():
            failure = _of_connecting(error, https=https)
        case ClientPayloadError():
            failure = _protocol("The answer ended before it was complete, or its framing is broken.")
        case HttpProcessingError():
            failure = _protocol("The answer is not valid HTTP/1.1, or its headers are larger than Hookward reads.")
        case ValueError():
            failure = _failure_of_bad_response(error)
        case _:
            failure = _connection("The connection broke.")
    return failure


def _failure_of_bad_response(error: ValueError) -> Failure:
    if isinstance(error, InvalidURL) and error.description:  # inet_aton reads it, but an address policy may not
        message = "The host is an IPv4 address in an unusual notation; write it as four decimal numbers."
        return Failure(kind=ErrorKind.FORBIDDEN_ADDRESS, message=message)
    return _protocol("The address or a header holds something that HTTP/1.1 cannot carry.")


def _protocol(message: str) -> Failure:
    return Failure(kind=ErrorKind.PROTOCOL, message=message)


def _connection(message: str) -> Failure:
    return Failure(kind=ErrorKind.CONNECTION, message=message)


def _tls(message: str) -> Failure:
    return Failure(kind=ErrorKind.TLS, message=message)


def _of_tls(error: ClientConnectorCertificateError | ClientConnectorSSLError) -> Failure:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _tls(f"The certificate is not trusted: {cause.verify_message}.")
    return _tls(_handshake(cause))


def _of_connecting(error: ClientConnectorError, *, https: bool) -> Failure:
    cause = error.os_error
    if isinstance(cause, ForbiddenAddress):
        return Failure(kind=ErrorKind.FORBIDDEN_ADDRESS, message=cause.refusal)
    if isinstance(cause, ProxyFailed):
        return _connection(cause.message)
    if isinstance(error, ClientConnectorDNSError):
        reason = cause.strerror if isinstance(cause, socket.gaierror) else None
        return Failure(kind=ErrorKind.DNS, message=f"The host name was not found: {reason or 'no answer'}.")
    if https and isinstance(cause, ConnectionResetError | ConnectionAbortedError):
        return _tls("The server closed the connection during the TLS handshake.")
    if isinstance(cause, ConnectionRefusedError):
        return _connection("The server refused the connection.")
    name = errno.errorcode.get(cause.errno or 0)
    return _connection("No connection to the server" + (f" ({name})." if name else "."))


def _of_lost_connection(error: Lost) -> Failure:
    cause = error.__cause__
    if cause is not None and isinstance(cause.__cause__, ssl.SSLError):
        return _tls(_handshake(cause.__cause__))
    if not error.silent:
        return _protocol("The server closed the connection in the middle of its answer.")
    return _connection("The server closed the connection before it answered.")


def _handshake(cause: BaseException | None) -> str:
    reason = cause.reason if isinstance(cause, ssl.SSLError) else None
    return f"TLS failed: {reason.lower().replace('_', ' ')}." if reason else "TLS failed."
