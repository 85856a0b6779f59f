"""An integrator's server inside the test: records every request, answers by a script per path."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How to answer one request. ``delay`` is seconds; ``hang`` never answers, ``close`` ends the connection."""

    status: int = 200
    delay: float = 0.0
    hang: bool = False
    close: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"


@dataclass(slots=True, kw_only=True, eq=False)
class Received:
    """A request, and when (monotonic seconds) it came, was answered, or was given up by the sender."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    answered: float | None = None
    status: int | None = None
    given_up: float | None = None

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def attempt(self) -> int:
        return int(self.headers.get("hookward-attempt", "0"))

    @property
    def in_flight(self) -> bool:
        return self.answered is None and self.given_up is None


Script = Callable[[Received], Reply]

OK = Reply()


def failing_first(times: int, reply: Reply, then: Reply = OK) -> Script:
    """Answers the first ``times`` requests of each delivery with ``reply``, all others with ``then``."""
    seen: Counter[str] = Counter()

    def script(received: Received) -> Reply:
        seen[received.id] += 1
        return reply if seen[received.id] <= times else then

    return script


class Receiver:
    """``async with Receiver() as receiver``: listens on loopback; a path without a script answers 200."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._scripts: dict[str, Script] = {}
        self._open: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in list(self._open):
            connection.abort()
        while self._open:
            await asyncio.sleep(0)

    def on(self, path: str, script: Script | Reply) -> str:
        """Answer a path so from now on; answers the whole address."""
        self._scripts[path] = script if callable(script) else lambda _received: script
        return self.url + path

    def reply(self, received: Received) -> Reply:
        script = self._scripts.get(received.path)
        return OK if script is None else script(received)

    def answer(self, received: Received, reply: Reply = OK) -> None:
        """Answer a request that hangs, at last."""
        [connection] = [each for each in self._open if each.carries(received)]
        connection.answer(received, reply)

    # What came

    def at(self, path: str) -> list[Received]:
        """Requests of one path, in order."""
        return [received for received in self.requests if received.path == path]

    @property
    def in_flight(self) -> list[Received]:
        """Requests that are neither answered nor given up."""
        return [received for received in self.requests if received.in_flight]

    @property
    def ids(self) -> set[str]:
        return {received.id for received in self.requests}

    @property
    def succeeded(self) -> set[str]:
        """Deliveries that were answered 2xx at least once."""
        return {each.id for each in self.requests if each.status is not None and 200 <= each.status < 300}

    def counts(self) -> Counter[str]:
        """Requests by webhook-id."""
        return Counter(received.id for received in self.requests)

    def repeated(self) -> set[tuple[str, int]]:
        """Attempts (delivery and number) that came more than once."""
        return {pair for pair, times in Counter((each.id, each.attempt) for each in self.requests).items() if times > 1}

    def needless(self) -> set[str]:
        """Deliveries that went on to another attempt after one was answered 2xx."""
        done = {(each.id, each.attempt) for each in self.requests if each.status is not None and each.status < 300}
        first: dict[str, int] = {}
        for id_, number in done:
            first[id_] = min(number, first.get(id_, number))
        return {each.id for each in self.requests if each.attempt > first.get(each.id, each.attempt)}


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, one request at a time, bodies by Content-Length."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._buffer = b""
        self._current: Received | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._receiver._open.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._receiver._open.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._current is not None and self._current.in_flight:
            self._current.given_up = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def abort(self) -> None:
        self._transport.abort()

    def carries(self, received: Received) -> bool:
        return self._current is received

    def _next(self) -> None:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if self._current is not None or not separator:
            return
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
        size = int(headers.get("content-length", "0"))
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        method, path, _ = line.split(" ", 2)
        received = Received(method=method, path=path, headers=headers, body=rest[:size], at=time.monotonic())
        self._current = received
        self._receiver.requests.append(received)
        self._begin(received, self._receiver.reply(received))

    def _begin(self, received: Received, reply: Reply) -> None:
        if reply.hang:
            return
        if reply.delay > 0:
            self._timer = asyncio.get_running_loop().call_later(reply.delay, self.answer, received, reply)
        else:
            self.answer(received, reply)

    def answer(self, received: Received, reply: Reply) -> None:
        self._timer = None
        if reply.close:
            self._transport.close()
            return
        head = [f"HTTP/1.1 {reply.status} Whatever", f"Content-Length: {len(reply.body)}"]
        head += [f"{name}: {value}" for name, value in reply.headers.items()]
        received.answered, received.status = time.monotonic(), reply.status
        self._transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + reply.body)
        self._current = None
        if self._buffer:
            self._next()
