"""What connections do that no handler sees.

What cannot be read as HTTP is answered like any other mistake: aiohttp answers it with plain text and logs it as it
came, keys included. And a request whose body is still on its way when the api is asked to end is answered: aiohttp
drops what comes then, waits in vain until the grace time is over, and hangs up.
"""

from __future__ import annotations

from http import HTTPStatus
from secrets import token_hex

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from hookward.entrypoints.api.answers import problem, problem_response

_UNREADABLE = "the request cannot be read as HTTP/1.1: its first line, a header or the length of its body is malformed"
_TOO_LONG = "the first line or a header of the request is over 8190 bytes; shorten it"
_BROKEN = "something went wrong on our side; the request id helps to find it"


class Runner(web.AppRunner):
    """An application's runner with such connections."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, **made._kwargs)  # noqa: SLF001


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Take what comes, also while ending where it belongs to a request that was begun; no other is begun then."""
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
        document = problem(HTTPStatus(status), _TOO_LONG if isinstance(exc, LineTooLong) else detail, request_id)
        response = problem_response(document)
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response
