"""Asks the operating system: does an api listen on a port, is a port free, how many descriptors may be open."""

from __future__ import annotations

import asyncio
import errno
import socket


async def is_api_live(host: str, port: int) -> bool:
    """Return whether an api responds to ``GET /livez`` with 200 within a second."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /livez HTTP/1.1\r\nHost: hookward\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def port_is_free(host: str, port: int) -> bool:
    """Return False if the port is in use. Other faults of the address show when the api listens on it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as asking:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asking.bind(address)
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def raise_descriptor_limit() -> None:
    """Raise the limit of open files to the hard limit: every connection needs a descriptor."""
    import resource  # noqa: PLC0415  not on every platform

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
