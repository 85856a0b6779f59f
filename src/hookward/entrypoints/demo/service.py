"""A ``hookward serve`` of the demo's own, and what the demo asks of its api."""

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
    """The demo cannot go on; says why."""


class DemoService:
    """A running service and the key to it."""

    def __init__(self, process: Process, client: ClientSession, *, port: int, key: str) -> None:
        self.address = f"http://{HOST}:{port}"
        self.key = key
        self._process = process
        self._client = client

    async def watch(self, route: str, watch: Mapping[str, Any]) -> str:
        """Register a watch on a watch route; answers the secret that its requests are signed with."""
        answer = await self._ask("POST", route, watch, status=201)
        return str(answer["signature"]["secret"])

    async def publish(self, event: Mapping[str, Any]) -> str:
        """Publish one event; answers its id."""
        answer = await self._ask("POST", "/v1/events", event, status=202)
        return str(answer["id"])

    async def deliveries(self, limit: int) -> list[dict[str, Any]]:
        """The newest deliveries of the delivery log."""
        answer = await self._ask("GET", f"/v1/deliveries?limit={limit}", None, status=200)
        return list(answer["data"])

    async def ended(self) -> None:
        """Wait until the process ends, whyever."""
        await self._process.wait()

    async def _ask(self, method: str, path: str, body: Any, *, status: int) -> dict[str, Any]:
        data = None if body is None else encode_exact(body)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            async with self._client.request(method, self.address + path, data=data, headers=headers) as response:
                text = await response.text()
        except (ClientError, TimeoutError) as error:
            raise DemoFailed(f"{method} {path}: no answer ({type(error).__name__})") from error
        if response.status != status:
            raise DemoFailed(f"{method} {path}: answered {response.status} instead of {status}: {text[:500]}")
        return msgspec.json.decode(text, type=dict[str, Any])


@asynccontextmanager
async def running_service(directory: Path) -> AsyncIterator[DemoService]:
    """Start the whole service with everything it keeps and logs in ``directory``; stopped on the way out.

    Raises DemoFailed when it ends before it answers; how long that may take is the caller's to bound.
    """
    key = "hw_demo_" + secrets.token_hex(16)
    with _held_port() as port:
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
    """Where a service in ``directory`` writes what it says."""
    return directory / "serve.log"


def _settings(data: Path, port: int, key: str) -> str:
    sections: dict[str, dict[str, Any]] = {
        "server": {"host": HOST, "port": port},
        "data": {"dir": str(data)},
        "security": {"bootstrap_key": key},
        "egress": {"allow": [f"{HOST}/32"]},
        "worker": {"grace": "3s"},
    }
    # a JSON text, number or list of texts is one in TOML, too
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
            start_new_session=True,  # a terminal's Ctrl-C is ours alone
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
def _held_port() -> Iterator[int]:
    """The usual port if it is free, else any; its UDP twin, held meanwhile, keeps another demo from taking it too."""
    usual = ServerSettings().port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as twin:
        try:
            twin.bind((HOST, usual))
        except OSError:
            yield _any_port()
        else:
            yield usual if port_is_free(HOST, usual) else _any_port()


def _any_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as asking:
        asking.bind((HOST, 0))
        port: int = asking.getsockname()[1]
        return port
