"""``hookward serve`` as a process of its own, the way a user runs it, and hands to strike it with."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import asyncpg
from redis.asyncio import Redis

from hookward.adapters.embedded.data_dir import Runtime, read_runtime
from tests.answers import checking
from tests.integration.observing import ROOT, command_line, descendants, is_running

KEY = "hw_test_bootstrap_key_0123456789"
TYPE = "appointment"
START_SECONDS = 40.0
STOP_SECONDS = 40.0
_TAIL_LINES = 60
_TAIL_WIDTH = 400
_PAGE = 200
_BATCH = 500

Condition = Callable[[], object | Awaitable[object]]


def free_port() -> int:
    """A port on loopback that has no listener at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def wait_until(condition: Condition, seconds: float = 30.0, *, every: float = 0.05, what: str = "") -> Any:
    """Answer what the condition (plain or async) says as soon as it is truthy; fail when it does not come to be."""
    deadline = time.monotonic() + seconds
    while True:
        said = condition()
        if isinstance(said, Awaitable):
            said = await said
        if said:
            return said
        assert time.monotonic() < deadline, f"did not come to hold within {seconds:g} s: {what or condition}"
        await asyncio.sleep(every)


def new_company() -> str:
    """The id of a company that no other test has."""
    return uuid.uuid4().hex


def event(resource_id: str, *, company: str = "1", **more: Any) -> dict[str, Any]:
    """A change event of an appointment, ready to publish."""
    given = {"resourceType": TYPE, "scope": {"companyId": company}, "event": "updated"}
    return {**given, "resource": {"id": resource_id}, **more}


class Service:
    """``async with Service(data_dir, settings) as service``: up and ready inside, ended on the way out.

    ``settings`` are environment variables such as ``HOOKWARD_DELIVERY__TIMEOUT``. ``stop``, ``end`` and ``start``
    may be called in between: the same data directory and port are used again.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None, *, port: int | None = None) -> None:
        self.data_dir = data_dir
        self.key = KEY
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.parent / f"{data_dir.name}.serve.log"
        self.command = (sys.executable, "-m", "hookward", "serve")
        self.environment = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "HOOKWARD_DATA__DIR": str(data_dir),
            "HOOKWARD_SERVER__PORT": str(self.port),
            "HOOKWARD_SECURITY__BOOTSTRAP_KEY": self.key,
            "HOOKWARD_EGRESS__ALLOW": "127.0.0.1/32",
            "HOOKWARD_LOG__LEVEL": "warning",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException as error:
            error.add_note(self.tail())
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.tail())
        await self._close()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the service was not started"
        return self._process

    @property
    def client(self) -> aiohttp.ClientSession:
        """A session that carries the key and resolves paths against ``url``."""
        assert self._client is not None, "the service was not started"
        return self._client

    async def start(self) -> None:
        """Start ``serve`` and wait until it is ready."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if self._client is None:
            self._client = aiohttp.ClientSession(
                self.url,
                headers={"Authorization": f"Bearer {self.key}"},
                timeout=aiohttp.ClientTimeout(total=30),
                connector=aiohttp.TCPConnector(limit=0),
                trace_configs=[checking(self.environment.get("HOOKWARD_SERVER__PATH_PREFIXES", ""))],
            )
        await wait_until(self.is_ready, START_SECONDS, what="serve is ready")

    async def is_ready(self) -> bool:
        """Whether ``/readyz`` answers 200; fails at once when the process has ended."""
        assert self.process.poll() is None, f"serve ended with {self.process.returncode}\n{self.tail()}"
        try:
            async with self.client.get("/readyz", timeout=aiohttp.ClientTimeout(total=3)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask ``serve`` to end; answers its exit code."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self, seconds: float = STOP_SECONDS) -> int:
        """Wait until ``serve`` has ended; answers its exit code."""
        await wait_until(lambda: self.process.poll() is not None, seconds, every=0.02, what="serve ends")
        return int(self.process.returncode)

    async def end(self) -> set[int]:
        """Kill ``serve`` (SIGKILL) and wait for all its children to be gone; answers their pids."""
        family = self.family()
        self.process.kill()
        self.process.wait()
        await wait_until(lambda: not any(map(is_running, family)), 15, every=0.02, what="the children end with serve")
        return family

    async def _close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            for pid in self.family():
                _signal(pid, signal.SIGCONT)  # what a test stopped must be able to end
            self._process.terminate()
            try:
                await self.ended()
            except AssertionError:
                await self.end()
                raise
        if self._client is not None:
            await self._client.close()
            self._client = None

    def tail(self, lines: int = _TAIL_LINES) -> str:
        """The last lines that ``serve`` and its children wrote."""
        if not self.log.exists():
            return "serve wrote nothing"
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"--- the end of {self.log.name}", *(line[:_TAIL_WIDTH] for line in text)])

    def family(self) -> set[int]:
        """Every process that this ``serve`` started, and what those started."""
        return descendants(self.process.pid)

    def matching(self, words: str) -> list[int]:
        """Those of our own processes whose command line holds ``words``, as ``pgrep -f`` would find them."""
        return sorted(pid for pid in self.family() if words in _command_line(pid))

    @property
    def workers(self) -> list[int]:
        return self.matching("hookward worker")

    @property
    def api(self) -> int:
        return _only(self.matching("hookward api"))

    @property
    def postgres(self) -> int:
        """The postmaster."""
        return _only(self.matching("/bin/postgres -D"))

    @property
    def valkey(self) -> int:
        return _only(self.matching("valkey-server"))

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one of our own processes."""
        assert pid in self.family(), f"{pid} is none of ours"
        os.kill(pid, number)

    async def worker_replaced(self, old: Sequence[int], seconds: float = 10.0) -> None:
        """Wait until as many workers run as before, none of them one of ``old``."""
        await wait_until(
            lambda: len(new := self.workers) == len(old) and not set(new) & set(old), seconds, what="new workers run"
        )

    @property
    def runtime(self) -> Runtime:
        runtime = read_runtime(self.data_dir)
        assert runtime is not None, "no serve runs here"
        return runtime

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Any]:
        """A connection to its PostgreSQL."""
        connection = await asyncpg.connect(self.runtime.database_url, timeout=5, command_timeout=10)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def queue(self) -> AsyncIterator[Any]:
        """A connection to its Valkey."""
        redis = Redis.from_url(str(self.runtime.queue_url), socket_timeout=2)
        try:
            yield redis
        finally:
            await redis.aclose()

    async def ask(self, method: str, path: str, *, expect: int, json: Any = None, **more: Any) -> Any:
        """A request whose status is asserted; answers the decoded body."""
        async with self.client.request(method, path, json=json, **more) as answer:
            text = await answer.text()
            assert answer.status == expect, f"{method} {path}: {answer.status} {text[:2000]}"
            return await answer.json(content_type=None) if text else None

    async def create_watch(self, address: str, *, company: str = "1", **more: Any) -> str:
        """A watch on the appointments of a company; answers its id."""
        given = {"resourceType": TYPE, "scope": {"companyId": company}, "address": address, **more}
        return str((await self.ask("POST", "/v1/watches", expect=201, json=given))["id"])

    async def publish(self, given: Mapping[str, Any]) -> str:
        """Publish one event; answers the id that came with 202."""
        return str((await self.ask("POST", "/v1/events", expect=202, json=given))["id"])

    async def publish_batch(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """Publish events, some hundred at a time; answers their ids, all of which were accepted."""
        ids: list[str] = []
        for start in range(0, len(events), _BATCH):
            batch = {"events": events[start : start + _BATCH]}
            results = (await self.ask("POST", "/v1/events/batch", expect=202, json=batch))["results"]
            refused = [result for result in results if "id" not in result]
            assert not refused, refused[:3]
            ids += [result["id"] for result in results]
        return ids

    async def deliveries(self, **filters: Any) -> list[dict[str, Any]]:
        """The whole delivery log that matches, newest first."""
        found: list[dict[str, Any]] = []
        parameters = {**filters, "limit": str(_PAGE)}
        while True:
            page = await self.ask("GET", "/v1/deliveries", expect=200, params=parameters)
            found += page["data"]
            if page["nextCursor"] is None:
                return found
            parameters["cursor"] = page["nextCursor"]


def _only(pids: list[int]) -> int:
    assert len(pids) == 1, f"expected one process, found {pids}"
    return pids[0]


def _command_line(pid: int) -> str:
    try:
        return command_line(pid)
    except OSError:
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
