"""The demo from start to end: start, watch, publish, receive, check the delivery log, stop.

What the demo prints.
"""

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
"""For all from the start to the last line in the delivery log; stopping takes at most 12 s more."""

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
    """What was published, what arrived, and what the delivery log says of it."""

    published: list[Published] = field(default_factory=list)
    arrived: dict[str, bool] = field(default_factory=dict)
    logged: dict[str, tuple[str, str]] = field(default_factory=dict)
    ok: bool = False

    def receive(self, each: Received) -> None:
        """Note a request: a message is verified when all its requests were."""
        self.arrived[each.message] = each.verified and self.arrived.get(each.message, True)

    def read_log(self, rows: list[dict[str, Any]]) -> None:
        """Note each event's delivery: its id and status."""
        self.logged = {row["event"]["id"]: (row["id"], row["status"]) for row in rows}

    def settled(self) -> bool:
        """Whether every event's delivery has ended, one way or the other."""
        return all(self.logged.get(each.id, ("", ""))[1] in _FINAL for each in self.published)

    def deliveries(self) -> list[dict[str, Any]]:
        """One an event, as ``--json`` shows them."""
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

    def judge(self, types: Sequence[ResourceType]) -> bool:
        """Whether all of them arrived, verified and are delivered."""
        self.ok = self._good() == len(types) * len(_KINDS)
        return self.ok

    def verdict(self, types: Sequence[ResourceType]) -> str:
        """How many did."""
        expected = len(types) * len(_KINDS)
        return f"{self._good()} of {expected} deliveries arrived, verified and are delivered in the log"

    def _good(self) -> int:
        return sum(row["verified"] and row["status"] == _DELIVERED for row in self.deliveries())


async def run_demo(stop: asyncio.Event, *, once: bool, as_json: bool) -> bool:
    """Show the whole service; answers whether every delivery arrived, verified and is delivered in the log.

    With ``once`` returns then, else when ``stop`` is set. Everything that was started is stopped, all data removed.
    """
    show, account = DemoOutput(as_json=as_json), DemoResults()
    with _temporary_directory() as directory:
        performing = asyncio.create_task(_perform(account, directory, show, once=once), name="demo.perform")
        stopping = asyncio.create_task(stop.wait(), name="demo.stop")
        await asyncio.wait({performing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (performing, stopping):
            task.cancel()
        await asyncio.wait({performing, stopping})
        failure = None if performing.cancelled() else performing.exception()
        if isinstance(failure, DemoFailed):
            show.failure(str(failure), log_of(directory))
        elif failure is not None:
            raise failure
        ok = failure is None and account.ok
        if not ok:
            show.result(ok=False, deliveries=account.deliveries())
    return ok


async def _perform(account: DemoResults, directory: Path, show: DemoOutput, *, once: bool) -> None:
    """All of the demo; ends only with ``once``, or when the service does. Raises DemoFailed."""
    types = list(built_in_types().values())

    def on_received(each: Received) -> None:
        show.received(each)
        account.receive(each)

    async with Receiver(SystemClock(), on_received) as receiver, AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                show.say("starting PostgreSQL, Valkey, api and worker …", "dim")
                service = await stack.enter_async_context(running_service(directory))
                await _watch(service, receiver, types, show)
                await _publish(service, types, account)
                await _follow(service, account)
        except TimeoutError:
            raise DemoFailed(f"not done within {TIMEOUT_SECONDS:g} s; {account.verdict(types)}") from None
        if not account.judge(types):
            raise DemoFailed(account.verdict(types))
        show.say(f"\n✓ {account.verdict(types)}", "bold green")
        show.result(ok=True, deliveries=account.deliveries())
        if once:
            return
        receiver.on_received = show.received
        show.say(f"\nthe api: {service.address}   its key: {service.key}", "bold")
        show.say(f"curl -H 'Authorization: Bearer {service.key}' '{service.address}/v1/deliveries?limit=1'", "dim")
        show.say("Ctrl-C stops all of it and removes its data", "dim")
        await service.ended()
        account.ok = False
        raise DemoFailed("hookward serve has ended")


async def _watch(service: DemoService, receiver: Receiver, types: Sequence[ResourceType], show: DemoOutput) -> None:
    for each in types:
        route, watch = _route(each), _watch_of(each, receiver.address(each.name))
        secret = secret_from_text(await service.watch(route, watch))
        if secret is None:
            raise DemoFailed(f"POST {route}: answered a secret that is none")
        receiver.trust(each.name, secret)
        show.say(f"watch on {each.name}: POST {route}" + (" with a template" if "schema" in watch else ""))
    show.say()


async def _publish(service: DemoService, types: Sequence[ResourceType], account: DemoResults) -> None:
    for kind in _KINDS:
        for each in types:
            event = {
                "resourceType": each.name,
                "scope": _scope(each),
                "event": kind.word,
                "resource": each.sample,
            }
            account.published.append(Published(id=await service.publish(event), resource_type=each.name, kind=kind))


async def _follow(service: DemoService, account: DemoResults) -> None:
    """Read the delivery log until every delivery has ended."""
    while not account.settled():
        await asyncio.sleep(_LOG_POLL)
        account.read_log(await service.deliveries(_LOG_PAGE))


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
        # the children of a service that had to be killed may go on writing for a moment
        for _ in range(_REMOVALS):
            shutil.rmtree(directory, ignore_errors=True)
            if not directory.exists():
                break
            time.sleep(_REMOVAL_POLL)


_TAIL_LINES = 25
_BODY_CHARS = 400


class DemoOutput:
    """Prints for people; with ``as_json`` on standard error, and one line of JSON on standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        self._console = Console(stderr=as_json, highlight=False, markup=False, emoji=False)

    def say(self, text: str = "", style: str = "") -> None:
        """A line."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def received(self, each: Received) -> None:
        """A request as it was received: what, how it was answered, whether it verified, and a line of its body."""
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
        """Why it failed, and the last that the service said."""
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
        """The one line of JSON, where it was asked for."""
        if self._as_json:
            print(json.dumps({"ok": ok, "deliveries": list(deliveries)}, ensure_ascii=False), flush=True)
