"""Send one HTTP request to an endpoint and return the outcome."""

from __future__ import annotations

import asyncio
from ssl import SSLContext
from time import perf_counter_ns
from types import TracebackType
from typing import Self

from aiohttp.abc import AbstractResolver

from hookward.adapters.http_client.connector import Exchange, GuardedConnector, SenderBounds, ThreadedResolver
from hookward.adapters.http_client.errors import FOREIGN, Lost, failure_of
from hookward.adapters.http_client.exchange import converse
from hookward.adapters.http_client.request import Preparations
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome, Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy, EgressProxy


class HttpSender:
    """The HTTP client for all endpoints: keep-alive, no redirects, no cookies, no decompression.

    All requests go through ``proxy`` if it is given. Proxy settings of the environment are ignored.

    An attempt is one request, with one exception: when a reused connection turns out to be closed and not one byte of a
    response has arrived, the request is sent once more on a new connection, within the same deadline. A server that
    closes an idle connection just as a request is written is no failing endpoint, and the retry that would otherwise
    follow 5 s later could be a duplicate as well, with the same ``webhook-id`` and signature.
    """

    def __init__(
        self,
        egress: EgressPolicy,
        *,
        bounds: SenderBounds | None = None,
        resolver: AbstractResolver | None = None,
        tls: SSLContext | None = None,
        proxy: EgressProxy | None = None,
    ) -> None:
        """Open a connection pool in the running loop; ``tls`` replaces the system's trust store."""
        self._bounds = bounds = bounds or SenderBounds()
        self._loop = asyncio.get_running_loop()
        resolver = resolver or ThreadedResolver(bounds.dns_threads)
        self._connector = GuardedConnector(egress, resolver, bounds, tls, proxy)
        self._preparations = Preparations()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; requests in flight fail."""
        await self._connector.close()

    async def send(self, request: OutgoingRequest, *, timeout: float) -> Outcome:  # noqa: ASYNC109
        """Send ``request`` and read its response within ``timeout`` seconds, which include the DNS look-up."""
        started = perf_counter_ns()
        exchange = Exchange()
        task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        deadline = self._loop.call_later(timeout, exchange.expire, task)  # asyncio.timeout costs 3 µs more
        response = failure = None
        try:
            response = await self._exchange(request, exchange)
        except asyncio.CancelledError:
            if not exchange.expired or task.cancelling() > cancelling + 1:
                raise  # another part of the program cancelled this task
            failure = _timed_out(timeout, exchange)
        except FOREIGN as error:
            https = request.address.startswith("https:")
            failure = _timed_out(timeout, exchange) if exchange.expired else failure_of(error, https=https)
        finally:
            deadline.cancel()
            if exchange.expired:
                task.uncancel()
        return Outcome(
            duration_us=(perf_counter_ns() - started) // 1000,
            response=response,
            failure=failure,
            remote=exchange.remote,
        )

    async def _exchange(self, request: OutgoingRequest, exchange: Exchange) -> Response:
        prepared = self._preparations.of(request)
        head, body = prepared.head(request), request.body or b""
        connection = await self._connector.lend(prepared.origin, exchange)
        try:
            return await converse(connection, head, body, self._bounds)
        except Lost as lost:
            if not (exchange.reused and lost.silent) or self._connector.closed:
                raise
        exchange.fresh = True
        connection = await self._connector.lend(prepared.origin, exchange)
        return await converse(connection, head, body, self._bounds)


def _timed_out(timeout: float, exchange: Exchange) -> Failure:
    missing = "connection" if exchange.remote is None else "complete answer"
    return Failure(kind=ErrorKind.TIMEOUT, message=f"No {missing} within {timeout:g} s.")
