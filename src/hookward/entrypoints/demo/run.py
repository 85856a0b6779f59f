"""The demo from start to end: start, watch, publish, receive, check the delivery log, stop; and what it prints."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from hookward.adapters.clock import SystemClock
from hookward.bootstrap.factories import built_in_types
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.signing.standard_webhooks import secret_from_text
from hookward.entrypoints.demo.receiver import Received, Receiver
from hookward.entrypoints.demo.service import DemoFailed, DemoService, log_of, running_service

TIMEOUT_SECONDS = 36.0
"""The time from the start to the last entry in the delivery log; stopping takes at most 12 s more."""

_KINDS = (ChangeKind.CREATED, ChangeKind.UPDATED, ChangeKind.DELETED)
_LOG_POLL = 0.05
_LOG_PAGE = 100
_REMOVALS = 10
_REMOVAL_POLL = 0.1
_DELIVERED = "delivered"
_FINAL = frozenset({_DELIVERED, "failed", "cancelled"})
_UNNAMED_SCOPE = "42"
_TEMPLATES: dict[str, Any] = {
    "appointment": {
        "change": "${$.event}",
        "title": "${$.client.firstName} ${$.client.lastName} with ${$.staff.firstName} ${$.staff.lastName}",
        "starts": "${$.start.dateTime}",
    },
    "queue.registration": (
        '{"change": "${$.event}", "ahead": ${$.numberOfPeopleAhead}, "waits": ${$.waitingTime}, '
        '"who": "${$.client.firstName}"}'
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An event that was accepted."""

    id: str
    resource_type: str
    kind: ChangeKind


@dataclass(slots=True)
class DemoResults:
    """What was published, what arrived, and what the delivery log says about it."""

    published: list[Published] = field(default_factory=list)
    arrived: dict[str, bool] = field(default_factory=dict)
    logged: dict[str, tuple[str, str]] = field(default_factory=dict)
    ok: bool = False

    def receive(self, each: Received) -> None:
        """Record a request: a message counts as verified if all its requests were."""
        self.arrived[each.message] = each.verified and self.arrived.get(each.message, True)

    def read_log(self, rows: list[dict[str, Any]]) -> None:
        """Record the delivery of each event: its id and status."""
        self.logged = {row["event"]["id"]: (row["id"], row["status"]) for row in rows}

    def all_finished(self) -> bool:
        """Return whether the delivery of every event has ended, delivered or not."""
        return all(self.logged.get(each.id, ("", ""))[1] in _FINAL for each in self.published)

    def deliveries(self) -> list[dict[str, Any]]:
        """Return one item for each event, as ``--json`` prints them."""
        found = [(each, *self.logged.get(each.id, ("", "pending"))) for each in self.published]
        return [
            {
                "resourceType": each.resource_type,
                "event": each.kind.word,
                "status": status,
                "verified": self.arrived.get(delivery, False),
            }
            for each, delivery, status in found
        ]

    def check(self, types: Sequence[ResourceType]) -> bool:
        """Return whether every event arrived with a valid signature and is delivered in the log; keep it in ``ok``."""
        self.ok = self._succeeded() == len(types) * len(_KINDS)
        return self.ok

    def summary(self, types: Sequence[ResourceType]) -> str:
        """Return how many deliveries succeeded, as a sentence."""
        expected = len(types) * len(_KINDS)
        return (
            f"{self._succeeded()} of {expected} deliveries arrived with a valid signature and are delivered in the log"
        )

    def _succeeded(self) -> int:
        return sum(row["verified"] and row["status"] == _DELIVERED for row in self.deliveries())


async def run_demo(stop: asyncio.Event, *, once: bool, as_json: bool) -> bool:
    """Run the demo; return whether every event arrived with a valid signature and is delivered in the log.

    With ``once`` it returns then, else when ``stop`` is set. It stops everything that it started and removes all data.
    """
    output, results = DemoOutput(as_json=as_json), DemoResults()
    with _temporary_directory() as directory:
        performing = asyncio.create_task(_perform(results, directory, output, once=once), name="demo.perform")
        stopping = asyncio.create_task(stop.wait(), name="demo.stop")
        await asyncio.wait({performing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (performing, stopping):
            task.cancel()
        await asyncio.wait({performing, stopping})
        failure = None if performing.cancelled() else performing.exception()
        if isinstance(failure, DemoFailed):
            output.failure(str(failure), log_of(directory))
        elif failure is not None:
            raise failure
        ok = failure is None and results.ok
        if not ok:
            output.result(ok=False, deliveries=results.deliveries())
    return ok


async def _perform(results: DemoResults, directory: Path, output: DemoOutput, *, once: bool) -> None:
    """Run the demo; return only with ``once``. Raises DemoFailed, also if the service ends."""
    types = list(built_in_types().values())

    def on_received(each: Received) -> None:
        output.received(each)
        results.receive(each)

    async with Receiver(SystemClock(), on_received) as receiver, AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                output.say("starting PostgreSQL, Valkey, api and worker …", "dim")
                service = await stack.enter_async_context(running_service(directory))
                await _watch(service, receiver, types, output)
                await _publish(service, types, results)
                await _follow(service, results)
        except TimeoutError:
            raise DemoFailed(f"not done within {TIMEOUT_SECONDS:g} s; {results.summary(types)}") from None
        if not results.check(types):
            raise DemoFailed(results.summary(types))
        output.say(f"\n✓ {results.summary(types)}", "bold green")
        output.result(ok=True, deliveries=results.deliveries())
        if once:
            return
        receiver.on_received = output.received
        output.say(f"\napi: {service.address}   key: {service.key}", "bold")
        output.say(f"curl -H 'Authorization: Bearer {service.key}' '{service.address}/v1/deliveries?limit=1'", "dim")
        output.say("Ctrl-C stops everything and removes all data", "dim")
        await service.ended()
        results.ok = False
        raise DemoFailed("hookward serve has ended")


async def _watch(service: DemoService, receiver: Receiver, types: Sequence[ResourceType], output: DemoOutput) -> None:
    for each in types:
        route, watch = _route(each), _watch_of(each, receiver.address(each.name))
        secret = secret_from_text(await service.watch(route, watch))
        if secret is None:
            raise DemoFailed(f"POST {route}: returned a secret that is not valid")
        receiver.trust(each.name, secret)
        output.say(f"watch on {each.name}: POST {route}" + (" with a template" if "schema" in watch else ""))
    output.say()


async def _publish(service: DemoService, types: Sequence[ResourceType], results: DemoResults) -> None:
    for kind in _KINDS:
        for each in types:
            event = {
                "resourceType": each.name,
                "scope": _scope(each),
                "event": kind.word,
                "resource": each.sample,
            }
            results.published.append(Published(id=await service.publish(event), resource_type=each.name, kind=kind))


async def _follow(service: DemoService, results: DemoResults) -> None:
    """Read the delivery log until every delivery has ended."""
    while not results.all_finished():
        await asyncio.sleep(_LOG_POLL)
        results.read_log(await service.deliveries(_LOG_PAGE))


def _scope(resource_type: ResourceType) -> dict[str, str]:
    return {name: str(resource_type.sample.get(name, _UNNAMED_SCOPE)) for name in resource_type.scope}


def _route(resource_type: ResourceType) -> str:
    return resource_type.watch_routes[0].format_map(_scope(resource_type))


def _watch_of(resource_type: ResourceType, address: str) -> dict[str, Any]:
    watch: dict[str, Any] = {"name": "demo", "address": address, "signature": {"enabled": True}}
    if resource_type.name in _TEMPLATES:
        watch["schema"] = _TEMPLATES[resource_type.name]
    return watch


@contextmanager
def _temporary_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="hookward-demo-"))
    try:
        yield directory
    finally:
        # child processes of a service that was killed may write for another moment
        for _ in range(_REMOVALS):
            shutil.rmtree(directory, ignore_errors=True)
            if not directory.exists():
                break
            time.sleep(_REMOVAL_POLL)


_TAIL_LINES = 25
_BODY_CHARS = 400


class DemoOutput:
    """Prints the demo; with ``as_json`` on standard error, and one line of JSON on standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        self._console = Console(stderr=as_json, highlight=False, markup=False, emoji=False)

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def received(self, each: Received) -> None:
        """Print a request as received: its event, the returned status, whether its signature is valid, and its body."""
        mark, word, style = ("✓", "yes", "green") if each.verified else ("✗", "no", "red")
        line = Text.assemble(
            (f"{mark} ", style),
            (f"{each.event:<34}", "bold"),
            f" attempt {each.attempt}  status {each.status}  signature verified: ",
            (word, style),
        )
        self._console.print(line, soft_wrap=True)
        body = each.body[:_BODY_CHARS].decode("utf-8", "replace")
        self._console.print(Text(f"  {body}", style="dim"), no_wrap=True, overflow="ellipsis")

    def failure(self, reason: str, log: Path) -> None:
        """Print why the demo failed, and the end of the service's log."""
        self.say(f"✗ the demo failed: {reason}", "bold red")
        try:
            with log.open(encoding="utf-8", errors="replace") as lines:
                tail = deque(lines, maxlen=_TAIL_LINES)
        except OSError:
            return
        self.say("the end of the service's log:", "dim")
        for line in tail:
            self.say("  " + line.rstrip("\n"), "dim")

    def result(self, *, ok: bool, deliveries: Sequence[dict[str, Any]]) -> None:
        """Print the line of JSON if ``as_json`` is set."""
        if self._as_json:
            print(json.dumps({"ok": ok, "deliveries": list(deliveries)}, ensure_ascii=False), flush=True)
