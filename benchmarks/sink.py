"""The endpoints of all integrators: one process that returns 200 to every request and records it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection
from time import monotonic, monotonic_ns
from typing import Any, NamedTuple, cast

from benchmarks.processes import Helper, commands

HANGING = b"/hang/"
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
_POLL_SECONDS = 0.02


class Receipt(NamedTuple):
    """A received request; ``at`` is nanoseconds on the machine's monotonic clock."""

    path: str
    webhook_id: str
    at: int


class Endpoint(asyncio.Protocol):
    """One connection: reads head and body by Content-Length, records path and ``webhook-id``, responds.

    A path below ``/hang/`` never gets an answer.
    """

    def __init__(self, seen: list[tuple[bytes, bytes, int]], hung: set[asyncio.Transport]) -> None:
        self._seen = seen
        self._hung = hung
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclass of it

    def connection_lost(self, _error: Exception | None) -> None:
        self._hung.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            total = end + 4 + content_length(buffer, end)
            if len(buffer) < total:
                break
            self._take(buffer, end)
            buffer = buffer[total:]
        self._buffer = buffer

    def _take(self, buffer: bytes, end: int) -> None:
        start = buffer.index(b" ") + 1
        path = buffer[start : buffer.index(b" ", start)]
        if path.startswith(HANGING):
            self._hung.add(self._transport)
            return
        found = buffer.find(b"webhook-id: ", 0, end) + 12
        self._seen.append((path, buffer[found : buffer.index(b"\r\n", found)], monotonic_ns()))
        self._transport.write(_OK)


def content_length(buffer: bytes, end: int) -> int:
    """Return the Content-Length of a head that ends at ``end``."""
    start = buffer.find(b"Content-Length: ", 0, end)
    if start < 0:
        start = buffer.lower().find(b"content-length: ", 0, end)
    return 0 if start < 0 else int(buffer[start + 16 : buffer.index(b"\r\n", start)])


async def _serve(pipe: Connection) -> None:
    seen: list[tuple[bytes, bytes, int]] = []
    hung: set[asyncio.Transport] = set()
    server = await asyncio.get_running_loop().create_server(lambda: Endpoint(seen, hung), "127.0.0.1", 0, backlog=1024)
    pipe.send(server.sockets[0].getsockname()[1])

    def handle(command: str) -> Any:
        if command == "count":
            return len(seen)
        if command == "take":
            taken = list(seen)
            seen.clear()
            return taken
        for transport in list(hung):
            transport.abort()
        return None

    await commands(pipe, handle)


class Sink:
    """The sink process, as measurements use it."""

    def __init__(self, helper: Helper, port: int) -> None:
        self._helper = helper
        self.pid = helper.pid
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    async def start(cls, helper: Helper) -> Sink:
        return cls(helper, await helper.hear())

    async def until(self, count: int, *, seconds: float) -> None:
        """Wait until ``count`` requests have arrived, at most ``seconds``; the caller checks what is missing then."""
        end = monotonic() + seconds
        while await self._helper.ask("count") < count and monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)

    async def take(self) -> list[Receipt]:
        """Return what was received since the last call."""
        return [Receipt(path.decode(), id_.decode(), at) for path, id_, at in await self._helper.ask("take")]

    async def release(self) -> None:
        """Close the connections that wait for a response."""
        await self._helper.ask("release")


def sink_process() -> Helper:
    """Start the process; it ends with the ``with`` block."""
    return Helper(_serve, "sink")


def astray(receipts: Iterable[Receipt], expected: Mapping[str, set[str]]) -> list[str]:
    """Return what did not arrive exactly once at its own path; ``expected`` holds the ids of each path."""
    seen = Counter((receipt.path, receipt.webhook_id) for receipt in receipts)
    wanted = {(path, id_) for path, ids in expected.items() for id_ in ids}
    missing = wanted - seen.keys()
    foreign = seen.keys() - wanted
    twice = [key for key, count in seen.items() if count > 1]
    found = []
    for kind, keys in (("missing", missing), ("at the wrong path", foreign), ("more than once", twice)):
        if keys:
            path, id_ = min(keys)
            found.append(f"{len(keys)} deliveries {kind}, such as {id_} at {path}")
    return found


def per_second(receipts: list[Receipt]) -> float:
    """Return requests per second between the first and the last."""
    times = [receipt.at for receipt in receipts]
    return (len(times) - 1) * 1e9 / (max(times) - min(times))
