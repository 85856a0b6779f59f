"""The ``hookward serve`` that the demo starts, and the requests that it sends to its api."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from hookward.adapters.processes import open_log
from hookward.bootstrap.os_probes import is_api_live, port_is_free
from hookward.config import ServerSettings, environment_without_settings
from hookward.domain.errors import HookwardError
from hookward.domain.json import encode_exact

HOST = "127.0.0.1"
_READY_POLL = 0.05
_GRACE_SECONDS = 6.0
_REQUEST_SECONDS = 10.0


class DemoFailed(HookwardError):
    """The demo cannot continue; the message says why."""


class DemoService:
    """A running service and its API key."""

    def __init__(self, process: Process, client: ClientSession, *, port: int, key: str) -> None:
        self.address = f"http://{HOST}:{port}"
        self.key = key
        self._process = process
        self._client = client

    async def watch(self, route: str, watch: Mapping[str, Any]) -> str:
        """Register a watch on a watch route; return the secret that its requests are signed with."""
        response = await self._ask("POST", route, watch, status=201)
        return str(response["signature"]["secret"])

    async def publish(self, event: Mapping[str, Any]) -> str:
        """Publish one event; return its id."""
        response = await self._ask("POST", "/v1/events", event, status=202)
        return str(response["id"])

    async def deliveries(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest deliveries of the delivery log."""
        response = await self._ask("GET", f"/v1/deliveries?limit={limit}", None, status=200)
        return list(response["data"])

    async def ended(self) -> None:
        """Wait until the process ends."""
        await self._process.wait()

    async def _ask(self, method: str, path: str, body: Any, *, status: int) -> dict[str, Any]:
        data = None if body is None else encode_exact(body)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            async with self._client.request(method, self.address + path, data=data, headers=headers) as response:
                text = await response.text()
        except (ClientError, TimeoutError) as error:
            raise DemoFailed(f"{method} {path}: no response ({type(error).__name__})") from error
        if response.status != status:
            raise DemoFailed(f"{method} {path}: returned {response.status} instead of {status}: {text[:500]}")
        return msgspec.json.decode(text, type=dict[str, Any])


@asynccontextmanager
async def running_service(directory: Path) -> AsyncIterator[DemoService]:
    """Start the whole service with its data and logs in ``directory``; stop it on exit.

    Raises DemoFailed if it ends before it is ready; the caller bounds how long that may take.
    """
    key = "hw_demo_" + secrets.token_hex(16)
    with _reserved_port() as port:
        config = directory / "demo.toml"
        config.write_text(_settings(directory / "data", port, key), "utf-8")
        process = await _start(config, log_of(directory))
        try:
            await _until_ready(process, port)
            async with ClientSession(timeout=ClientTimeout(total=_REQUEST_SECONDS)) as client:
                yield DemoService(process, client, port=port, key=key)
        finally:
            await _end(process)


def log_of(directory: Path) -> Path:
    """Return the log file of a service in ``directory``."""
    return directory / "serve.log"


def _settings(data: Path, port: int, key: str) -> str:
    sections: dict[str, dict[str, Any]] = {
        "server": {"host": HOST, "port": port},
        "data": {"dir": str(data)},
        "security": {"bootstrap_key": key},
        "egress": {"allow": [f"{HOST}/32"]},
        "worker": {"grace": "3s"},
    }
    # a JSON string, number or list of strings is the same in TOML
    lines = (
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items())
        for name, section in sections.items()
    )
    return "\n".join(lines)


async def _start(config: Path, log: Path) -> Process:
    argv = (sys.executable, "-m", "hookward", "serve", "--config", str(config), "--parent", str(os.getpid()))
    output = open_log(log)
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            env=environment_without_settings(),
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in a terminal must not reach the children
        )
    finally:
        os.close(output)


async def _until_ready(process: Process, port: int) -> None:
    while not await is_api_live(HOST, port):
        if process.returncode is not None:
            raise DemoFailed(f"hookward serve ended with exit status {process.returncode}")
        await asyncio.sleep(_READY_POLL)


async def _end(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await process.wait()
                return


@contextmanager
def _reserved_port() -> Iterator[int]:
    """Yield the default port if it is free, else another. Its UDP port is bound so that no other demo takes it."""
    usual = ServerSettings().port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
        try:
            udp_socket.bind((HOST, usual))
        except OSError:
            yield _any_port()
        else:
            yield usual if port_is_free(HOST, usual) else _any_port()


def _any_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
