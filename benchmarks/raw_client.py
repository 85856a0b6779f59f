"""Load on an api by a minimal protocol: the client costs little, and the same for every server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic, monotonic_ns
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

import msgspec

from benchmarks.sink import content_length

OnAnswer = Callable[["RawConnection", int, bytes], None]


class Published(NamedTuple):
    """An accepted event; times are nanoseconds on the machine's monotonic clock, ``at`` just before it was sent."""

    event_id: str
    at: int
    answered: int


def request(port: int, key: str, event: dict[str, Any]) -> bytes:
    """Return the bytes of ``POST /v1/events``."""
    body = msgspec.json.encode(event)
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class RawConnection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, on_answer: OnAnswer) -> None:
        self._on_answer = on_answer
        self._buffer = b""
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed = True

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or len(buffer) < (total := end + 4 + content_length(buffer, end)):
            self._buffer = buffer
            return
        self._buffer = b""
        self._on_answer(self, int(buffer[9:12]), buffer[end + 4 : total])


async def accepted_per_second(port: int, data: bytes, *, connections: int, warm_up: float, seconds: float) -> float:
    """Return the responses ``202`` per second; each connection sends a request when it has the last response."""
    starting, ending = monotonic() + warm_up, monotonic() + warm_up + seconds
    counted = 0
    wrong: list[int] = []

    def on_answer(connection: RawConnection, status: int, _body: bytes) -> None:
        nonlocal counted
        now = monotonic()
        counted += starting <= now < ending
        if status != 202:
            wrong.append(status)
        elif now < ending:
            connection.send(data)

    async with _Connections(port, connections, on_answer) as opened:
        for each in opened.all:
            each.send(data)
        await asyncio.sleep(warm_up + seconds + 0.2)
        if wrong or any(each.closed for each in opened.all):
            raise RuntimeError(f"the server refused: {wrong[:3] or 'it closed a connection'}")
    return counted / seconds


async def publish_at(port: int, data: list[bytes], *, rate: float, seconds: float) -> list[list[Published]]:
    """Publish at a fixed rate that does not depend on responses; return what was accepted, in the order of ``data``."""
    published: list[list[Published]] = [[] for _ in data]
    under_way: dict[RawConnection, tuple[int, int]] = {}
    idle: list[RawConnection] = []

    def on_answer(connection: RawConnection, status: int, body: bytes) -> None:
        which, at = under_way.pop(connection)
        idle.append(connection)
        if status == 202:
            published[which].append(Published(msgspec.json.decode(body)["id"], at, monotonic_ns()))

    loop = asyncio.get_running_loop()
    async with _Connections(port, 64, on_answer) as opened:
        idle += opened.all
        begun = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - loop.time()))
            while not idle:  # 64 in flight: far more than is measured here
                await asyncio.sleep(0.001)
            connection = idle.pop()
            under_way[connection] = (number % len(data), monotonic_ns())
            connection.send(data[number % len(data)])
        end = monotonic() + 10
        while under_way and monotonic() < end:
            await asyncio.sleep(0.01)
    if sum(map(len, published)) != int(rate * seconds):
        raise RuntimeError("not every event was accepted")
    return published


class _Connections:
    def __init__(self, port: int, count: int, on_answer: OnAnswer) -> None:
        self._port = port
        self._count = count
        self._on_answer = on_answer
        self.all: list[RawConnection] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, connection = await loop.create_connection(
                lambda: RawConnection(self._on_answer), "127.0.0.1", self._port
            )
            self.all.append(connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self.all:
            connection.close()
