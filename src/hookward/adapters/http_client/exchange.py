"""One request and its response on one connection, in HTTP/1.1 (RFC 9112).

This module writes the request as bytes; aiohttp's protocol and its C parser read the response. What is used of aiohttp
below its client session is in this module and in ``connector``: ``Connection``, ``ResponseHandler``
(``set_response_params``, ``read``, ``transport``, ``abort``) and ``StreamWriter.drain``; with a proxy, also how
``TCPConnector`` makes a connection. Little of it is documented and the last is private, so pyproject.toml bounds the
version (ADR 7).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import ClientOSError, ServerDisconnectedError, StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage, StreamWriter

from hookward.adapters.http_client.connector import SenderBounds
from hookward.adapters.http_client.errors import Lost, Unusable
from hookward.domain.delivery.outcome import ErrorKind, Response

_MOST_INTERIM = 32
"""Interim responses (1xx) before the final one: a server sends more than a few only if something is wrong."""

_AT_ONCE = 64 * 1024
"""Bytes of a body that are written to the transport in one piece; its own high-water mark is the same."""


async def converse(connection: Connection, head: bytes, body: bytes, bounds: SenderBounds) -> Response:
    """Send a request and return its response; the connection is released for reuse if possible.

    Raises ``Lost``, ``Unusable`` or an error of aiohttp, after closing the connection.
    """
    protocol = connection.protocol
    assert protocol is not None
    try:
        protocol.set_response_params(
            read_until_eof=True, auto_decompress=False, read_bufsize=bounds.log_limit,
            max_line_size=8190, max_field_size=8190, max_headers=100,
        )  # fmt: skip
        response = await (_exchange if len(body) <= _AT_ONCE else _exchange_at_length)(protocol, head, body, bounds)
    except BaseException:
        _drop(connection, protocol)
        raise
    transport = protocol.transport
    if transport is None or transport.get_write_buffer_size():
        _drop(connection, protocol)  # it responds without reading: unsent data would accumulate
    else:
        connection.release()
    return response


def _drop(connection: Connection, protocol: ResponseHandler) -> None:
    """Abort: a normal close waits, possibly for ever, until the peer has read what is still buffered."""
    protocol.abort()
    connection.close()


async def _exchange(protocol: ResponseHandler, head: bytes, body: bytes, bounds: SenderBounds) -> Response:
    _transport(protocol).write(head + body)
    return await _response(protocol, bounds)


async def _exchange_at_length(protocol: ResponseHandler, head: bytes, body: bytes, bounds: SenderBounds) -> Response:
    """Read while the body is written: a server may refuse the request before it has read all of it."""
    _transport(protocol).write(head)
    writing = asyncio.create_task(_write(protocol, memoryview(body)), name="http.write")
    try:
        return await _response(protocol, bounds)
    finally:
        if not writing.done():
            protocol.abort()
            writing.cancel()
        await asyncio.wait((writing,))


async def _write(protocol: ResponseHandler, body: memoryview) -> None:
    """Write the body as fast as the peer reads. Errors of the connection are left to the reader of the response."""
    drain = StreamWriter(protocol, asyncio.get_running_loop()).drain
    with suppress(Lost, OSError):
        for start in range(0, len(body), _AT_ONCE):
            _transport(protocol).write(body[start : start + _AT_ONCE])
            await drain()


def _transport(protocol: ResponseHandler) -> asyncio.Transport:
    transport = protocol.transport
    if transport is None or transport.is_closing():
        raise Lost(silent=True)
    return transport


async def _response(protocol: ResponseHandler, bounds: SenderBounds) -> Response:
    message, content = await _final(protocol)
    if content.is_eof() and content.total_bytes <= bounds.log_limit:
        body, truncated = content.read_nowait(), False
    else:
        body, truncated = await _read(content, bounds)
    headers = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.raw_headers])
    return Response(status=message.code, headers=headers, body=body, truncated=truncated)


async def _final(protocol: ResponseHandler) -> tuple[RawResponseMessage, StreamReader]:
    """Return status and headers of the final response. Raises Lost when the connection ends before them."""
    try:
        message, content = await protocol.read()
        interim = 0
        while 100 <= message.code < 200 and message.code != 101:
            interim += 1
            if interim > _MOST_INTERIM:
                raise Unusable(ErrorKind.PROTOCOL, f"More than {_MOST_INTERIM} interim answers (1xx) came.")
            message, content = await protocol.read()
    except ServerDisconnectedError as error:
        raise Lost(silent=isinstance(error.message, str)) from error
    except ClientOSError as error:
        raise Lost(silent=True) from error
    if message.code == 101:  # the connection speaks something else now
        raise Unusable(ErrorKind.PROTOCOL, "The answer switches protocols, which was not requested.")
    if message.code < 100:
        raise Unusable(ErrorKind.PROTOCOL, "The answer has a status below 100, which HTTP does not know.")
    return message, content


async def _read(content: StreamReader, bounds: SenderBounds) -> tuple[bytes, bool]:
    kept = bytearray()
    seen = 0
    while chunk := await content.readany():
        seen += len(chunk)
        if seen > bounds.answer_limit:
            raise Unusable(ErrorKind.TOO_LARGE, f"The answer is longer than {bounds.answer_limit} bytes.")
        kept += chunk[: bounds.log_limit - len(kept)]
    return bytes(kept), seen > len(kept)
