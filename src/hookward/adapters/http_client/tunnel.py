"""Sockets to a numeric address through an HTTP proxy, by CONNECT (RFC 9110 §9.3.6)."""

from __future__ import annotations

import asyncio
import re
import socket
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver

from hookward.domain.egress import EgressProxy

_MOST_OF_AN_ANSWER = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?![0-9])")


class ProxyFailed(OSError):
    """The proxy is unreachable or opened no tunnel. An ``OSError``, so that the next address is tried."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Tunnels:
    """Opens connections through ``proxy``. The proxy's own address is exempt from the egress policy."""

    def __init__(self, proxy: EgressProxy, resolver: AbstractResolver) -> None:
        self._proxy = proxy
        self._resolver = resolver

    async def open(self, host: str, port: int) -> socket.socket:
        """Return a socket that is connected to ``host``, an IP address, and ``port``. Raises ProxyFailed."""
        loop = asyncio.get_running_loop()
        found = await self._reach(loop)
        try:
            await loop.sock_sendall(found, self._request(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
            _check(await _answer(loop, found))
        except OSError as error:
            found.close()
            if isinstance(error, ProxyFailed):
                raise
            raise ProxyFailed("The operator's egress proxy broke off the connection.") from error
        except BaseException:
            found.close()
            raise
        return found

    def _request(self, authority: str) -> bytes:
        authorization = self._proxy.authorization
        text = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
        if authorization is not None:
            text += f"Proxy-Authorization: {authorization}\r\n"
        return f"{text}\r\n".encode()

    async def _reach(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        failed: OSError | None = None
        try:
            addresses = await self._addresses()
        except OSError as error:
            failed, addresses = error, []
        for family, host in addresses:
            made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            made.setblocking(False)
            try:
                await loop.sock_connect(made, (host, self._proxy.port))
            except OSError as error:
                made.close()
                failed = error
            except BaseException:
                made.close()
                raise
            else:
                return made
        raise ProxyFailed("The operator's egress proxy cannot be reached.") from failed

    async def _addresses(self) -> list[tuple[socket.AddressFamily, str]]:
        host = self._proxy.host
        try:
            version = ip_address(host).version
        except ValueError:
            found = await self._resolver.resolve(host, self._proxy.port, socket.AF_UNSPEC)
            return [(socket.AddressFamily(each["family"]), each["host"]) for each in found]
        return [(socket.AF_INET if version == 4 else socket.AF_INET6, host)]


async def _answer(loop: asyncio.AbstractEventLoop, asked: socket.socket) -> bytes:
    """Return the head of the proxy's response. Nothing may follow it: the server waits for the client to speak."""
    read = b""
    while b"\r\n\r\n" not in read:
        chunk = await loop.sock_recv(asked, 4096)
        read += chunk
        if not chunk or len(read) > _MOST_OF_AN_ANSWER:
            raise ProxyFailed("The operator's egress proxy gave no answer that HTTP/1.1 knows.")
    return read


def _check(response: bytes) -> None:
    status = _STATUS.match(response)
    if status is None or (status[1].startswith(b"2") and not response.endswith(b"\r\n\r\n")):
        raise ProxyFailed("The operator's egress proxy gave no answer that HTTP/1.1 knows.")
    if not status[1].startswith(b"2"):
        raise ProxyFailed(
            f"The operator's egress proxy made no connection to the server: it answered {int(status[1])}."
        )
