"""Connections to endpoints: host names are resolved in own threads, every address passes the egress policy first."""

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

from hookward.adapters.http_client.tunnel import ProxyFailed, Tunnels
from hookward.domain.egress import EgressPolicy, EgressProxy

_NO_TIMEOUT = ClientTimeout(total=None)  # the sender has the deadline

_MOST_ADDRESSES = 8
"""Addresses of one name: aiohttp tries n addresses up to n² / 2 times, and a hostile name server may return many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderBounds:
    """The limits of one sender.

    ``log_limit``: bytes of a response that are kept. ``answer_limit``: bytes that are read so that the connection can
    be reused; a longer response is a failure. ``idle``: seconds that an unused connection is kept; none is kept while
    ``kept_connections`` are open. ``most_connections``: connections in use, 0 if the caller limits its sends.
    ``dns_ttl``: seconds that the addresses of a name are cached. ``dns_threads``: concurrent look-ups.
    """

    log_limit: int = 16 * 1024
    answer_limit: int = 256 * 1024
    idle: float = 15.0
    kept_connections: int = 1024
    most_connections: int = 0
    dns_ttl: int = 10
    dns_threads: int = 32


class ForbiddenAddress(OSError):
    """The egress policy forbids an address. An ``OSError``, so that aiohttp tries the next address of the name."""

    def __init__(self, refusal: str) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class Exchange:
    """The state of one request that connector, deadline and sender share."""

    __slots__ = ("expired", "fresh", "remote", "reused")

    def __init__(self) -> None:
        self.fresh = False  # in: the connector must open a new connection
        self.reused = False  # out: the connection has carried a request before
        self.remote: str | None = None  # out: the peer
        self.expired = False  # set by the deadline

    def expire(self, task: asyncio.Task[object]) -> None:
        """Cancel the request because its time is over."""
        self.expired = True
        task.cancel()


class ThreadedResolver(AbstractResolver):
    """Resolve names with ``getaddrinfo`` in ``threads`` separate threads.

    A name server that does not respond occupies a thread for as long as resolv.conf says. With the few shared threads
    of the loop (four in uvloop) one dead domain would stop all deliveries.
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
    """Omits forbidden addresses, so that a name that also has allowed addresses is reached at those."""

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

    The policy is checked when a socket is created for one numeric address, which is the one that is connected to. So
    literals, names, and names whose addresses change between look-ups all pass the check. With a proxy it is checked
    before the proxy is asked to connect. A reused connection was checked when it was opened.
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
        self._check(str(where[0]), int(where[1]))
        return socket.socket(family, kind, protocol)

    def _check(self, host: str, port: int) -> None:
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
        """Connect to one of the addresses, through the proxy if there is one. aiohttp calls this method."""
        if self._tunnels is None:
            return await super()._wrap_create_connection(
                *args, addr_infos=addr_infos, req=req, timeout=timeout, client_error=client_error, **kwargs
            )
        try:
            tunnel, peer = await self._open_tunnel(self._tunnels, addr_infos)
        except OSError as error:
            raise client_error(req.connection_key, error) from error
        transport, protocol = await self._wrap_existing_connection(
            *args, sock=tunnel, req=req, timeout=timeout, client_error=client_error, **kwargs
        )
        self._behind[protocol] = peer
        return transport, protocol

    async def _open_tunnel(self, tunnels: Tunnels, addresses: list[AddrInfoType]) -> tuple[socket.socket, str]:
        """Return a socket to the first of the addresses that the proxy can connect to, and the address as text."""
        failed: OSError | None = None
        for *_, where in addresses:
            host, port = str(where[0]), int(where[1])
            try:
                self._check(host, port)
                return await tunnels.open(host, port), _peer(host, port)
            except (ForbiddenAddress, ProxyFailed) as error:
                failed = error
        assert failed is not None, "aiohttp asks for at least one address"
        raise failed

    async def lend(self, origin: ClientRequest, exchange: Exchange) -> Connection:
        """Take an idle connection to ``origin`` or open one, and set ``remote`` and ``reused`` of the exchange."""
        exchange.remote = None
        while True:
            connection = await self.connect(origin, [], _NO_TIMEOUT)
            protocol = connection.protocol
            assert protocol is not None
            peer = self._peers.get(protocol)
            if peer is None:
                exchange.remote = self._note_peer(protocol) or None
                exchange.reused = False
                return connection
            if not exchange.fresh and not protocol.should_close:
                exchange.remote = peer
                exchange.reused = True
                return connection
            connection.close()  # a new one is wanted, or this one holds a response without a request

    def _note_peer(self, protocol: ResponseHandler) -> str:
        """Store the peer of a new connection as ``address:port``; empty if the connection is closed already."""
        transport = protocol.transport
        name = None if transport is None else transport.get_extra_info("peername")
        peer = self._behind.pop(protocol, "") if name is None or self._tunnels is not None else _peer(name[0], name[1])
        self._peers[protocol] = peer
        if len(self._peers) > self._kept:
            protocol.force_close()  # after its response
        return peer

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Abort all connections: a normal close would wait until the peers have read what is still buffered."""
        for protocol in list(self._peers):
            protocol.abort()
        await super().close(abort_ssl=abort_ssl)
        await self._guarded.close()


def _peer(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
