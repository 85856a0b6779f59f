"""Clients of the api that are slow with a request, take no answer, or are too many; others are served meanwhile."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from aiohttp import web

from hookward.domain.errors import HookwardError
from hookward.entrypoints.api.http.connection import ConnectionBounds, Runner
from hookward.entrypoints.api.http.responses import problem_of, problem_response
from tests.integration.observing import until

pytestmark = pytest.mark.both_loops

PATIENT = 60.0
SHORT = 0.2
QUICK = b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Api:
    port: int
    runner: Runner

    @property
    def open(self) -> int:
        assert self.runner.server is not None
        return len(self.runner.server.connections)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def serves(self) -> bool:
        async with self.connect() as (reader, writer):
            writer.write(QUICK)
            return await answered(reader) == (200, b"quick")


async def _quick(_request: web.Request) -> web.Response:
    return web.Response(body=b"quick")


async def _echo(request: web.Request) -> web.Response:
    try:
        return web.Response(body=await request.read())
    except HookwardError as error:
        return problem_response(problem_of(error))


async def _large(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return web.Response(body=b"x" * int(request.query["bytes"]))


@asynccontextmanager
async def serving(*, most: int = 100, request: float = PATIENT, idle: float = PATIENT) -> AsyncIterator[Api]:
    app = web.Application()
    app.add_routes([web.get("/quick", _quick), web.post("/echo", _echo), web.get("/large", _large)])
    app.add_routes([web.post("/quick", _quick)])
    runner = Runner(app, ConnectionBounds(most=most, request=request, idle=idle), shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield Api(runner.addresses[0][1], runner)
    finally:
        await runner.cleanup()


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.split("\r\n") if line.lower().startswith("content-length"))
        return int(head.split()[1]), await reader.readexactly(int(length.split(": ")[1]))


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the connection is closed."""
    async with asyncio.timeout(10):
        return await reader.read()


@pytest.mark.parametrize("start", [b"", b"G", b"GET /quick HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_a_first_head_that_does_not_end_is_cut_off_in_silence(start: bytes) -> None:
    async with serving(request=SHORT) as api, api.connect() as (reader, writer):
        writer.write(start)
        assert await api.serves()
        assert await closed(reader) == b""


async def test_a_head_that_trickles_is_cut_off_all_the_same() -> None:
    async with serving(request=SHORT) as api, api.connect() as (reader, writer):

        async def trickle() -> None:
            writer.write(b"GET /quick HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        with suppress(ConnectionError):
            assert await closed(reader) == b""
        trickling.cancel()
        assert await api.serves()


@pytest.mark.parametrize(
    "head", [b"Content-Length: 100", b"Content-Length: 100\r\nExpect: 100-continue", b"Transfer-Encoding: chunked"]
)
async def test_a_body_that_does_not_end_is_answered_and_cut_off(head: bytes) -> None:
    async with serving(request=SHORT) as api, api.connect() as (reader, writer):
        writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n4" % head)
        assert await api.serves()
        rest = await closed(reader)
    rest = rest.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert rest.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert json.loads(rest.partition(b"\r\n\r\n")[2])["detail"] == (
        "the body was not there within 0.2 s; send it faster"
    )


async def test_a_body_that_no_handler_waits_for_any_more_is_cut_off() -> None:
    async with serving(request=SHORT) as api, api.connect() as (reader, writer):
        writer.write(b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n4")
        assert await answered(reader) == (200, b"quick")
        assert await closed(reader) == b""


async def test_a_body_that_comes_in_pieces_is_taken_whole_and_its_time_starts_again() -> None:
    async with serving(request=5) as api, api.connect() as (reader, writer):
        for _ in range(2):
            writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
            await api.serves()  # a round trip later
            writer.write(b"cd")
            assert await answered(reader) == (200, b"abcd")


async def test_a_client_that_goes_in_the_middle_of_its_body_leaves_nothing() -> None:
    async with serving(request=SHORT) as api:
        async with api.connect() as (_, writer):
            writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n4")
            await until(lambda: api.open)
        await until(lambda: not api.open)
        assert await api.serves()


@pytest.mark.parametrize("more", [b"", b"GET /quick HTTP/1.1\r\nX-Slow: "])
async def test_a_connection_is_kept_for_so_long_after_an_answer(more: bytes) -> None:
    async with serving(idle=SHORT) as api, api.connect() as (reader, writer):
        for _ in range(2):
            writer.write(QUICK)
            assert await answered(reader) == (200, b"quick")
        writer.write(more)
        assert await closed(reader) == b""


async def test_one_connection_too_many_is_told_so_and_let_in_once_another_has_gone() -> None:
    async with serving(most=2) as api, api.connect() as (_, writer):
        async with api.connect() as (reader, other):
            for each in (writer, other):
                each.write(QUICK)
            await answered(reader)
            async with api.connect() as (refused, _):
                said = await closed(refused)
        await until(lambda: api.open == 1)
        assert await api.serves()
    assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 1\r\n" in said
    assert json.loads(said.partition(b"\r\n\r\n")[2])["detail"] == "too many connections are open; try again"


def deaf(api: Api, size: int) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(("127.0.0.1", api.port))
    client.sendall(b"GET /large?bytes=%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % size)
    return client


async def test_a_client_that_takes_no_answer_is_cut_off() -> None:
    async with serving(request=SHORT) as api:
        with deaf(api, 60_000):  # little enough to wait in the transport for ever
            await until(lambda: api.open)
            assert await api.serves()
            await until(lambda: not api.open)


async def test_a_client_that_takes_its_answer_by_the_byte_is_cut_off() -> None:
    async with serving(request=SHORT) as api:
        with deaf(api, 20_000_000) as client:
            await until(lambda: api.open)
            assert await api.serves()

            def gone() -> bool:
                with suppress(ConnectionError):
                    client.recv(1024)
                return not api.open

            await until(gone, 10)
