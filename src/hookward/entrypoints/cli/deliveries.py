"""``hookward deliveries``: the delivery log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click

from hookward.entrypoints.cli.client import ApiClient, JsonObject
from hookward.entrypoints.cli.options import with_api
from hookward.entrypoints.cli.output import print_json, print_record, print_table, printable

_TITLES = ("Id", "Created", "Status", "Event", "Resource", "Attempts", "Last", "Address")
_FILTERS = {
    "--watch": ("watchId", "Only deliveries of this watch (wat_…)."),
    "--event-id": ("eventId", "Only deliveries of this event (evt_…)."),
    "--resource-type": ("resourceType", "Only deliveries of this resource type."),
    "--resource-id": ("resourceId", "Only deliveries of this resource."),
    "--event": ("event", "The kind of change: created, updated, deleted or merged."),
    "--status": ("status", "pending, retrying, delivered, failed or cancelled."),
    "--status-code": ("statusCode", "The status code of the last response."),
    "--error": ("errorType", "The kind of error of the last attempt: timeout, dns, tls…"),
    "--since": ("since", "Created at or after this time (RFC 3339)."),
    "--until": ("until", "Created before this time (RFC 3339)."),
    "--q": ("q", "The beginning of an id or of a watch's host, or a text of the last day."),
    "--cursor": ("cursor", "Continue where an earlier list ended."),
}

_id_argument = click.argument("delivery_id")


@click.group("deliveries")
def deliveries_group() -> None:
    """List, show and replay deliveries.

    Example: hookward deliveries ls --status failed --limit 5
    """


def _filter_options(command: Callable[..., None]) -> Callable[..., None]:
    for option, (name, text) in reversed(_FILTERS.items()):
        command = click.option(option, name.lower(), help=text)(command)
    return command


@deliveries_group.command("ls")
@_filter_options
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200), help="The most to list.")
@with_api
async def _list_deliveries(api: ApiClient, *, limit: int, as_json: bool, **filters: str | None) -> None:
    """List deliveries, newest first."""
    params = {name: value for name, _ in _FILTERS.values() if (value := filters[name.lower()]) is not None}
    page = await api.request("GET", "/v1/deliveries", params={**params, "limit": str(limit)})
    if as_json:
        print_json(page)
        return
    print_table(_TITLES, map(_row, page["data"]), empty="no deliveries")
    if page["nextCursor"]:
        click.echo(f"more: --cursor={page['nextCursor']}")


@deliveries_group.command("show")
@_id_argument
@with_api
async def _show_delivery(api: ApiClient, *, delivery_id: str, as_json: bool) -> None:
    """Show a delivery with all its attempts."""
    delivery = await api.request("GET", _path(delivery_id))
    if as_json:
        print_json(delivery)
        return
    print_record(_facts(delivery))
    for attempt in delivery["attempts"]:
        click.secho(f"\nattempt {attempt['number']}", bold=True)
        for line in _attempt_lines(attempt):
            click.echo(line)


@deliveries_group.command("replay")
@_id_argument
@click.option("--new-id", is_flag=True, help="As a new delivery with an id that the receiver does not know yet.")
@with_api
async def _replay_delivery(api: ApiClient, *, delivery_id: str, new_id: bool, as_json: bool) -> None:
    """Send a delivery again, or at once if it still waits, with the watch as it is now."""
    replayed = await api.request("POST", f"{_path(delivery_id)}/replay", body={"newId": new_id})
    if as_json:
        print_json(replayed)
    else:
        click.echo(f"replaying {replayed['id']}")


def _path(delivery_id: str) -> str:
    return f"/v1/deliveries/{quote(delivery_id, safe='')}"


def _row(delivery: JsonObject) -> list[Any]:
    event = delivery["event"]
    return [
        delivery["id"],
        delivery["created"],
        delivery["status"],
        f"{event['resourceType']}.{event['event']}",
        event["resourceId"],
        delivery["attemptCount"],
        delivery["lastError"] or delivery["lastStatusCode"],
        delivery["watch"]["address"],
    ]


def _facts(delivery: JsonObject) -> JsonObject:
    event, watch = delivery["event"], delivery["watch"]
    return {
        "delivery": delivery["id"],
        "status": delivery["status"],
        "reason": delivery["statusReason"],
        "event": f"{event['id']}  {event['resourceType']}.{event['event']}  {event['resourceId']}",
        "watch": f"{watch['id']}  {watch['name'] or ''}  {watch['address'] or ''}",
        "replay of": delivery.get("replayOf"),
        "created": delivery["created"],
        "finished": delivery["finished"],
        "next attempt": delivery["nextAttempt"],
    }


def _attempt_lines(attempt: JsonObject) -> list[str]:
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
    return [printable(line, keep="\n\t") for line in lines if line]
