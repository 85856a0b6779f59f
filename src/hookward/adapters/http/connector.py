"""Connections to integrators: names looked up in threads of our own, each address judged before it is connected to."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ssl import SSLContext
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import AddrInfoType, ClientConnectorError, ClientRequest, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from hookward.adapters.http.tunnel import ProxyFailed, Tunnels
from hookward.domain.egress import EgressPolicy, EgressProxy

_OURS_ALONE = ClientTimeout(total=None)  # the deadline is the sender's

_MOST_ADDRESSES = 8
"""Of one name; aiohttp tries n addresses up to n² / 2 times, and the answer of a hostile name server has no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderBounds:
    """What one sender may hold.

    ``log_limit``: bytes of an answer that are kept. ``answer_limit``: bytes that are read, so that the connection can
    be used again; a longer answer is a failure. ``idle``: seconds an unused connection is kept; none is kept while
    ``kept_connections`` are open. ``most_connections``: connections in use, 0 where the caller bounds its sends.
    ``dns_ttl``: seconds the addresses of a name are remembered. ``dns_threads``: look-ups at a time.
    """

    log_limit: int = 16 * 1024
    answer_limit: int = 256 * 1024
    idle: float = 15.0
    kept_connections: int = 1024
    most_connections: int = 0
    dns_ttl: int = 10
    dns_threads: int = 32


class ForbiddenAddress(OSError):
    """The guard's refusal; an ``OSError``, as connecting may try the next address of the name after it."""

    def __init__(self, refusal: str) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class Exchange:
    """What connector, deadline and sender tell each other about one request."""

    __slots__ = ("expired", "fresh", "remote", "reused")

    def __init__(self) -> None:
        self.fresh = False  # asked of the connector: no idle connection, a new one
        self.reused = False  # told by it: the connection has carried a request before
        self.remote: str | None = None  # told by it: the peer
        self.expired = False  # told by the deadline

    def expire(self, task: asyncio.Task[object]) -> None:
        """End the request, as its time is up."""
        self.expired = True
        task.cancel()


class ThreadedResolver(AbstractResolver):
    """``getaddrinfo`` in ``threads`` threads of its own.

    A name server that does not answer holds a thread for as long as resolv.conf says; the loop's few shared threads
    (four in uvloop) would let one dead domain stop everybody's deliveries.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        lookup = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, lookup)
        except UnicodeError as error:  # a label that IDNA cannot encode
            raise socket.gaierror(socket.EAI_NONAME, "not a possible host name") from error
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=0)
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _GuardedResolver(AbstractResolver):
    """Leaves out forbidden addresses, so that a name that also has allowed ones is reached at those."""

    def __init__(self, resolver: AbstractResolver, egress: EgressPolicy) -> None:
        self._resolver = resolver
        self._egress = egress

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        judged = [(result, self._egress.refusal(result["host"], port)) for result in found]
        allowed = [result for result, refusal in judged if refusal is None]
        if not allowed:
            if judged and judged[0][1] is not None:
                raise ForbiddenAddress(judged[0][1])
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        return allowed[:_MOST_ADDRESSES]

    async def close(self) -> None:
        await self._resolver.close()


class GuardedConnector(TCPConnector):
    """A connection pool behind the egress guard.

    The decision falls where a socket is made for one numeric address, which is then the one connected to: literals,
    names, and names whose answer changes between look-ups all pass there. With a proxy it falls where the proxy is
    asked for one. A connection that is used again was judged when it was opened.
    """

    def __init__(
        self,
        egress: EgressPolicy,
        resolver: AbstractResolver,
        bounds: SenderBounds,
        tls: SSLContext | None,
        proxy: EgressProxy | None = None,
    ) -> None:
        self._guarded = _GuardedResolver(resolver, egress)
        self._egress = egress
        self._tunnels = None if proxy is None else Tunnels(proxy, resolver)
        self._kept = bounds.kept_connections
        self._peers: WeakKeyDictionary[ResponseHandler, str] = WeakKeyDictionary()  # of the open connections
        self._behind: WeakKeyDictionary[ResponseHandler, str] = WeakKeyDictionary()  # the proxy, until noted as peers
        super().__init__(
            resolver=self._guarded,
            socket_factory=self._socket,
            keepalive_timeout=bounds.idle,
            limit=bounds.most_connections,
            ttl_dns_cache=bounds.dns_ttl,
            ssl=True if tls is None else tls,
        )

    def _socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = address
        self._judge(str(where[0]), int(where[1]))
        return socket.socket(family, kind, protocol)

    def _judge(self, host: str, port: int) -> None:
        refusal = self._egress.refusal(host, port)
        if refusal is not None:
            raise ForbiddenAddress(refusal)

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[AddrInfoType],
        req: ClientRequest,
        timeout: ClientTimeout,  # noqa: ASYNC109  aiohttp's
        client_error: type[Exception] = ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        """Where aiohttp makes a connection to one of some addresses; through the proxy where there is one."""
        if self._tunnels is None:
            return await super()._wrap_create_connection(
                *args, addr_infos=addr_infos, req=req, timeout=timeout, client_error=client_error, **kwargs
            )
        try:
            tunnel, peer = await self._dig(self._tunnels, addr_infos)
        except OSError as error:
            raise client_error(req.connection_key, error) from error
        transport, protocol = await self._wrap_existing_connection(
            *args, sock=tunnel, req=req, timeout=timeout, client_error=client_error, **kwargs
        )
        self._behind[protocol] = peer
        return transport, protocol

    async def _dig(self, tunnels: Tunnels, addresses: list[AddrInfoType]) -> tuple[socket.socket, str]:
        """A socket that ends at the first of the addresses that the proxy connects to."""
        failed: OSError | None = None
        for *_, where in addresses:
            host, port = str(where[0]), int(where[1])
            try:
                self._judge(host, port)
                return await tunnels.open(host, port), _peer(host, port)
            except (ForbiddenAddress, ProxyFailed) as error:
                failed = error
        assert failed is not None, "aiohttp asks for at least one address"
        raise failed

    async def lend(self, origin: ClientRequest, exchange: Exchange) -> Connection:
        """Take or open a connection to ``origin``, and tell the exchange about it."""
        exchange.remote = None
        while True:
            connection = await self.connect(origin, [], _OURS_ALONE)
            protocol = connection.protocol
            assert protocol is not None
            peer = self._peers.get(protocol)
            if peer is None:
                exchange.remote = self._welcome(protocol) or None
                exchange.reused = False
                return connection
            if not exchange.fresh and not protocol.should_close:
                exchange.remote = peer
                exchange.reused = True
                return connection
            connection.close()  # no longer wanted, or it holds an answer that nobody asked for

    def _welcome(self, protocol: ResponseHandler) -> str:
        """Note the peer of a new connection: ``address:port``, or nothing when it is gone already."""
        transport = protocol.transport
        name = None if transport is None else transport.get_extra_info("peername")
        peer = self._behind.pop(protocol, "") if name is None or self._tunnels is not None else _peer(name[0], name[1])
        self._peers[protocol] = peer
        if len(self._peers) > self._kept:
            protocol.force_close()  # after its answer
        return peer

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close all connections at once: merely closed, they would wait for readers of what they still hold."""
        for protocol in list(self._peers):
            protocol.abort()
        await super().close(abort_ssl=abort_ssl)
        await self._guarded.close()


def _peer(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
