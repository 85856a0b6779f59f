"""Connections of the api: errors, time limits and shutdown that aiohttp handles in another way.

What cannot be parsed as HTTP gets a problem document: aiohttp responds with plain text and logs the bytes, keys
included. A client that sends slowly, does not read the response, or is one too many is disconnected: aiohttp waits
without limit. A request whose body is still arriving when the api shuts down gets its response: aiohttp drops the
bytes, waits until the grace time is over, and hangs up.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from http import HTTPStatus
from secrets import token_hex
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong

from hookward.entrypoints.api.http.responses import TooSlow, build_problem, problem_response

_UNREADABLE = "the request cannot be read as HTTP/1.1: its first line, a header or the length of its body is malformed"
_TOO_LONG = "the first line or a header of the request is over 8190 bytes; shorten it"
_BROKEN = "something went wrong on our side; the request id helps to find it"
_FULL = "too many connections are open; try again"
_FULL_RETRY_SECONDS = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionBounds:
    """Limits of connections: at most ``most`` are open.

    ``request``: seconds for the first head of a connection, for each body, and to read a response. ``idle``: seconds
    from a response to the end of the next head.
    """

    most: int
    request: float
    idle: float


class Runner(web.AppRunner):
    """Runs an application with these connections."""

    __slots__ = ("_bounds",)

    def __init__(self, app: web.Application, bounds: ConnectionBounds, **kwargs: Any) -> None:
        super().__init__(
            app, keepalive_timeout=bounds.idle, auto_decompress=False, access_log=None, handle_signals=False, **kwargs
        )
        self._bounds = bounds

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self._bounds)


class _Server(web.Server):
    def __init__(self, made: web.Server, bounds: ConnectionBounds) -> None:
        super().__init__(made.request_handler, request_factory=self._timed, **made._kwargs)  # noqa: SLF001
        self._make = made.request_factory
        self.bounds = bounds

    def __call__(self) -> web.RequestHandler:
        return _ClientConnection(self, loop=self._loop, **self._kwargs)

    @property
    def is_full(self) -> bool:
        return len(self._connections) >= self.bounds.most

    def _timed(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        if not payload.is_eof():
            assert isinstance(protocol, _ClientConnection)
            protocol.await_body(payload)
        return self._make(message, payload, protocol, writer, task)


class _ClientConnection(web.RequestHandler):
    __slots__ = ("_bounds", "_head_timer", "_reader_timer", "_server")

    def __init__(self, server: _Server, *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(server, loop=loop, **kwargs)
        self._server = server
        self._bounds = server.bounds
        self._head_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast("asyncio.Transport", transport)  # uvloop's is none by name
        if self._server.is_full:
            self._force_close = True  # reads nothing
            made.write(_no_room())
            made.close()
            return
        super().connection_made(made)
        _give_up_on_deaf(made, self._bounds.request)
        self._head_timer = self._loop.call_later(self._bounds.request, self._no_head)

    def connection_lost(self, exc: BaseException | None) -> None:
        for timer in (self._head_timer, self._reader_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_timer = self._loop.call_later(self._bounds.request, self._no_reader)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reader_timer is not None:
            self._reader_timer.cancel()

    def await_body(self, payload: StreamReader) -> None:
        """Limit the time for the rest of a request's body."""
        timer = self._loop.call_later(self._bounds.request, self._no_body, payload)
        payload.on_eof(timer.cancel)

    def _no_head(self) -> None:
        if not self._request_count:  # without a response: a client that has sent nothing would take it for the next one
            self.force_close()

    def _no_body(self, payload: StreamReader) -> None:
        if payload.is_eof() or payload.exception() is not None:
            return
        if self._current_request is None:  # it has its response already
            self.force_close()
            return
        self._lingering_time = 0.0
        payload.set_exception(TooSlow(f"the body was not there within {self._bounds.request:g} s; send it faster"))

    def _no_reader(self) -> None:
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Accept data during shutdown too, if it belongs to a request that was begun; begin no other request then."""
        ending = self._close, self._force_close
        if not any(ending) or not self._request_in_progress or self.transport is None:
            super().data_received(data)
            return
        self._close = self._force_close = False
        try:
            super().data_received(data)
        finally:
            self._close, self._force_close = ending

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  it quotes the request
    ) -> web.StreamResponse:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("a request failed outside its handler", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun: there is no other to give")
        detail = _BROKEN if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _UNREADABLE
        request_id = token_hex(12)
        document = build_problem(HTTPStatus(status), _TOO_LONG if isinstance(exc, LineTooLong) else detail, request_id)
        response = problem_response(document)
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response


def _no_room() -> bytes:
    request_id = token_hex(12)
    document = build_problem(HTTPStatus.SERVICE_UNAVAILABLE, _FULL, request_id)
    body = problem_response(document).body
    assert isinstance(body, bytes)
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n"
        f"Retry-After: {_FULL_RETRY_SECONDS}\r\nX-Request-Id: {request_id}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _give_up_on_deaf(transport: asyncio.Transport, seconds: float) -> None:
    """Let the kernel end a connection whose peer reads nothing, even if too little is left for ``pause_writing``."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # not on every platform
    accepted = transport.get_extra_info("socket")
    if option is not None and accepted is not None:
        accepted.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))
