"""An integrator's server on loopback, down to the bytes: each of its connections follows a script."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Received:
    head: str
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split("\r\n", 1)[0]

    @property
    def headers(self) -> dict[str, str]:
        pairs = (line.split(": ", 1) for line in self.head.split("\r\n")[1:] if line)
        return {name.lower(): value for name, value in pairs}


@dataclass
class Talk:
    """One connection, seen from the server."""

    number: int
    endpoint: Endpoint
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def receive(self) -> Received:
        """The next request; ends the script when the client closes instead."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        received = Received(head, b"")
        received.body = await self.reader.readexactly(int(received.headers.get("content-length", "0")))
        self.endpoint.requests.append(received)
        self.endpoint.arrived.release()
        return received

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_closed(self) -> None:
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """End with a TCP reset instead of a close."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Script = Callable[[Talk], Awaitable[None]]


@dataclass
class Endpoint:
    """``async with Endpoint(script) as endpoint``; counts what reaches it."""

    script: Script
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    connections: int = 0
    requests: list[Received] = field(default_factory=list)
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    ended: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://{self.host}:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._follow(Talk(self.connections, self, reader, writer)))
        self._tasks.add(task)

    async def _follow(self, talk: Talk) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self.script(talk)
        finally:
            talk.writer.close()
            with suppress(OSError):
                await talk.writer.wait_closed()
            self.ended.release()


def answering(answer: bytes) -> Script:
    """Answers every request of every connection with these bytes, and keeps the connection."""

    async def script(talk: Talk) -> None:
        while True:
            await talk.receive()
            await talk.send(answer)

    return script


def closing(answer: bytes = b"") -> Script:
    """Answers with these bytes and closes."""

    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(answer)

    return script


def trickling(start: bytes, rest: bytes) -> Script:
    """Answers ``start``, then ``rest`` again and again for as long as the client listens."""

    async def script(talk: Talk) -> None:
        await talk.receive()
        await talk.send(start)
        while True:
            await talk.send(rest)
            await asyncio.sleep(0.001)

    return script


async def silence(talk: Talk) -> None:
    """Takes the request and never says a word."""
    await talk.receive()
    await talk.until_closed()
