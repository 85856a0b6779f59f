"""The programs that Hookward is compared with: a minimal aiohttp client and server."""

from __future__ import annotations

import asyncio
import socket
from multiprocessing.connection import Connection
from typing import Any

from aiohttp import ClientSession, TCPConnector, web

from benchmarks.processes import Helper, commands

TASKS = 64
_HEADERS = {
    "User-Agent": "Hookward/0.1.0",
    "Content-Type": "application/json",
    "webhook-timestamp": "1795190400",
    "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    "hookward-event": "appointment.updated",
    "hookward-attempt": "1",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


async def _send_all(urls: list[str], body: bytes, count: int) -> None:
    """POST ``body`` ``count`` times, 64 at a time, each to the next address."""
    numbers = iter(range(count))

    async def repeat(session: ClientSession) -> None:
        for number in numbers:
            headers = {**_HEADERS, "webhook-id": f"dlv_{number:032x}"}
            async with session.post(urls[number % len(urls)], data=body, headers=headers) as response:
                await response.read()

    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        await asyncio.gather(*(repeat(session) for _ in range(TASKS)))


async def _client(pipe: Connection) -> None:
    pipe.send(None)
    await commands(pipe, _send_all)


def bare_client() -> Helper:
    """Start a process that responds to ``ask(urls, body, count)`` when it has sent ``count`` requests."""
    return Helper(_client, "bare client")


def expected_of_bare(urls: list[str], paths: list[str], count: int) -> dict[str, set[str]]:
    """Return the ids that the bare client sends, by path."""
    return {
        path: {f"dlv_{number:032x}" for number in range(first, count, len(urls))} for first, path in enumerate(paths)
    }


async def _accept(request: web.Request) -> web.Response:
    await request.json()
    return web.json_response({"id": "evt_0193e3a66c1a7d0e8f4b2a1c3d5e7f90"}, status=202)


async def _server(pipe: Connection) -> None:
    app = web.Application()
    app.router.add_post("/v1/events", _accept)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    await web.SockSite(runner, listening).start()
    pipe.send(listening.getsockname()[1])

    def nothing(*_command: Any) -> None:
        return None

    await commands(pipe, nothing)


def bare_server() -> Helper:
    """Start a process that first sends its port: it reads JSON and returns 202 with a part of it."""
    return Helper(_server, "bare server")
