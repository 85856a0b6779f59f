"""``hookward deliveries``: the delivery log."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hookward.entrypoints.cli.client import Api, asking

_WIDTH = 1000
_COLOURS = {"delivered": "green", "failed": "red", "cancelled": "dim", "retrying": "yellow", "pending": "cyan"}
_FILTERS = {
    "--watch": ("watchId", "Of this watch (wat_…)."),
    "--event-id": ("eventId", "Of this event (evt_…)."),
    "--resource-type": ("resourceType", "Of this resource type."),
    "--resource-id": ("resourceId", "Of this resource."),
    "--event": ("event", "created, updated, deleted or merged."),
    "--status": ("status", "pending, retrying, delivered, failed or cancelled."),
    "--status-code": ("statusCode", "Whose last answer had this status."),
    "--error": ("errorType", "Whose last attempt failed so: timeout, dns, tls…"),
    "--since": ("since", "Created at or after this moment (RFC 3339)."),
    "--until": ("until", "Created before this moment (RFC 3339)."),
    "--q": ("q", "The beginning of an id or of a watch's host, or a text of the last day."),
    "--cursor": ("cursor", "Go on where an earlier list ended."),
}


@click.group()
def deliveries() -> None:
    """List, show and replay deliveries."""


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    for option, (name, text) in reversed(_FILTERS.items()):
        command = click.option(option, name.lower(), help=text)(command)
    return command


@deliveries.command("ls")
@_filtered
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200), help="How many at most.")
@asking
def list_(*, api: Api, limit: int, as_json: bool, **given: str | None) -> None:
    """List deliveries, newest first."""
    query = {name: value for name, _ in _FILTERS.values() if (value := given[name.lower()]) is not None}
    page = api.ask("GET", "/v1/deliveries", params={**query, "limit": str(limit)})
    if as_json:
        print(json.dumps(page))
        return
    table = Table("id", "created", "status", "event", "resource", "attempts", "last", "address", box=None)
    for each in page["data"]:
        table.add_row(*map(_shown, _row(each)))
    console = _console()
    console.print(table if page["data"] else "no deliveries")
    if page["nextCursor"]:
        console.print(Text(f"more: --cursor={page['nextCursor']}"))


@deliveries.command()
@click.argument("delivery_id")
@asking
def show(*, api: Api, delivery_id: str, as_json: bool) -> None:
    """Show a delivery with all its attempts."""
    found = api.ask("GET", _path(delivery_id))
    if as_json:
        print(json.dumps(found))
        return
    console = _console()
    facts = Table(box=None, show_header=False)
    for name, value in _facts(found):
        facts.add_row(Text(name, style="bold"), _shown(value))
    console.print(facts)
    for attempt in found["attempts"]:
        console.print(Text(f"\nattempt {attempt['number']}", style="bold"))
        console.print(Text(_attempt(attempt)))


@deliveries.command()
@click.argument("delivery_id")
@click.option("--new-id", is_flag=True, help="As a delivery of its own, which the receiver does not know yet.")
@asking
def replay(*, api: Api, delivery_id: str, new_id: bool, as_json: bool) -> None:
    """Send a delivery again, or at once where it waits, with the watch as it is now."""
    answered = api.ask("POST", f"{_path(delivery_id)}/replay", json={"newId": new_id})
    print(json.dumps(answered) if as_json else f"replaying {answered['id']}")


def _path(delivery_id: str) -> str:
    return f"/v1/deliveries/{quote(delivery_id, safe='')}"


def _console() -> Console:
    """As wide as the terminal; wide enough for whole lines where there is none."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH)


def _row(each: dict[str, Any]) -> list[Any]:
    last = each["lastError"] or each["lastStatusCode"]
    return [
        each["id"], each["created"], each["status"], f"{each['event']['resourceType']}.{each['event']['event']}",
        each["event"]["resourceId"], each["attemptCount"], last, each["watch"]["address"],
    ]  # fmt: skip


def _facts(found: dict[str, Any]) -> list[tuple[str, Any]]:
    event, watch = found["event"], found["watch"]
    return [
        ("delivery", found["id"]),
        ("status", found["status"]),
        ("reason", found["statusReason"]),
        ("event", f"{event['id']}  {event['resourceType']}.{event['event']}  {event['resourceId']}"),
        ("watch", f"{watch['id']}  {watch['name'] or ''}  {watch['address'] or ''}"),
        ("replay of", found.get("replayOf")),
        ("created", found["created"]),
        ("finished", found["finished"]),
        ("next attempt", found["nextAttempt"]),
    ]


def _attempt(attempt: dict[str, Any]) -> str:
    request, response, error = attempt["request"], attempt["response"], attempt["error"]
    lines = [
        f"{attempt['sent']}  {attempt['durationMs']:.1f} ms  {attempt['remoteAddress'] or ''}",
        f"{request['method']} {request['address']}",
        *(f"  {name}: {value}" for name, value in request["headers"].items()),
        "(body not shown)" if request.get("bodyOmitted") else request["body"],
    ]
    if response:
        cut = "  (cut)" if response["truncated"] else ""
        lines += [f"→ {response['statusCode']}{cut}", *(f"  {n}: {v}" for n, v in response["headers"].items())]
        lines.append(response["body"])
    if error:
        lines.append(f"→ {error['type']}: {error['message']}")
    return "\n".join(_printable(line) for line in lines if line)


def _shown(value: Any) -> Text:
    """A value in a table: nothing of it is markup, and nothing moves the cursor."""
    text = _printable("" if value is None else str(value))
    return Text(text, style=_COLOURS.get(text, ""))


def _printable(text: str | None) -> str:
    """What comes from outside must not speak to the terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text or "")
