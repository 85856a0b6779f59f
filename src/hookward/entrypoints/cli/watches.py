"""``hookward watches``: list, show, pause, enable, disable, test and delete watches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import IO

import click

from hookward.domain.errors import NotFound, RequestRejected
from hookward.domain.ids import IdPrefix, from_text
from hookward.domain.json import decode_exact
from hookward.entrypoints.cli.client import ApiClient, JsonObject
from hookward.entrypoints.cli.options import with_api
from hookward.entrypoints.cli.output import (
    EXIT_REFUSED,
    print_json,
    print_json_list,
    print_record,
    print_results,
    print_table,
    printable,
)

_STATUSES = ("enabled", "paused", "disabled")
_EVENTS = ("created", "updated", "deleted", "merged")
_TITLES = ("Id", "Name", "Type", "Scope", "Status", "Address")

_id_argument = click.argument("id_", metavar="ID")
_ids_argument = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@click.group("watches")
def watches_group() -> None:
    """List, show, pause, enable, disable, test and delete watches.

    Example: hookward watches ls --status paused
    """


@watches_group.command("ls")
@click.option("--type", "resource_type", help="Only watches of this resource type.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only watches with this status.")
@click.option("--name", help="Only watches with exactly this name.")
@click.option("--search", help="Only watches with this text in their name or address.")
@click.option("--owner", help="Only watches of this integrator.")
@with_api
async def _list_watches(
    api: ApiClient, *, as_json: bool, resource_type: str | None, search: str | None, **filters: str | None
) -> None:
    """List watches, oldest first."""
    watches = await api.request_all("/v1/watches", {"resourceType": resource_type, "q": search, **filters})
    if as_json:
        print_json_list(watches)
    else:
        print_table(_TITLES, map(_row, watches), empty="no watches")


@watches_group.command("show")
@_id_argument
@with_api
async def _show_watch(api: ApiClient, *, as_json: bool, id_: str) -> None:
    """Show a watch with all its properties; secrets are never shown."""
    watch = await api.request("GET", _path(id_))
    if as_json:
        print_json(watch)
    else:
        print_record(watch)


@watches_group.command("rm")
@_ids_argument
@with_api
async def _delete_watches(api: ApiClient, *, as_json: bool, ids: tuple[str, ...]) -> None:
    """Delete watches and cancel their waiting deliveries. Exits with 1 if one of them does not exist."""
    errors = await _for_each(ids, lambda id_: api.request("DELETE", _path(id_)))
    print_results(errors, "was deleted", as_json=as_json)


def _status_command(name: str, status: str, about: str) -> None:
    """Add a command that sets the status of watches."""

    @watches_group.command(name, help=f"{about} Exits with 1 if one of them does not exist.")
    @_ids_argument
    @with_api
    async def _set_status(api: ApiClient, *, as_json: bool, ids: tuple[str, ...]) -> None:
        errors = await _for_each(ids, lambda id_: api.request("PATCH", _path(id_), body={"status": status}))
        print_results(errors, f"is {status}", as_json=as_json)


_status_command("pause", "paused", "Pause watches: their deliveries wait until the watches are enabled again.")
_status_command("enable", "enabled", "Enable watches that were paused or disabled.")
_status_command(
    "disable", "disabled", "Disable watches: waiting deliveries are cancelled, new events create no deliveries."
)


@watches_group.command("test")
@_id_argument
@click.option("--event", type=click.Choice(_EVENTS), default="updated", show_default=True, help="The kind of change.")
@click.option("--resource", type=click.File("rb"), help="A JSON file with the resource, or -. [default: the sample]")
@with_api
async def _test_watch(api: ApiClient, *, as_json: bool, id_: str, event: str, resource: IO[bytes] | None) -> None:
    """Send one event to a watch now. Exits with 0 only if the endpoint returns 2xx."""
    body: JsonObject = {"event": event}
    if resource is not None:
        body["resource"] = decode_exact(resource.read())
    attempt = await api.request("POST", _path(id_) + "/test", body=body)
    response = attempt["response"]
    if as_json:
        print_json(attempt)
    else:
        _print_attempt(attempt)
    if response is None or not 200 <= response["statusCode"] < 300:
        raise SystemExit(EXIT_REFUSED)


def _print_attempt(attempt: JsonObject) -> None:
    request, response, error = attempt["request"], attempt["response"], attempt["error"]
    click.echo(f"{request['method']} {printable(request['address'])}")
    outcome = f"{error['type']}: {printable(error['message'])}" if response is None else str(response["statusCode"])
    click.echo(f"{outcome}  after {attempt['durationMs']:.0f} ms")
    if response is not None and response["body"]:
        click.echo(printable(response["body"], keep="\n\t"))


def _path(id_: str) -> str:
    if from_text(IdPrefix.WATCH, id_) is None:
        raise NotFound("there is no such watch; ids begin with wat_")
    return f"/v1/watches/{id_}"


async def _for_each(ids: tuple[str, ...], send: Callable[[str], Awaitable[object]]) -> dict[str, str | None]:
    """Send a request for each watch and return why it was refused, by id; ``None`` where it was not."""
    errors: dict[str, str | None] = {}
    for id_ in dict.fromkeys(ids):
        try:
            await send(id_)
            errors[id_] = None
        except RequestRejected as error:
            errors[id_] = error.detail
    return errors


def _row(watch: JsonObject) -> tuple[str | None, ...]:
    scope = " ".join(f"{name}={value}" for name, value in watch["scope"].items()) or "any"
    return watch["id"], watch["name"] or None, watch["resourceType"], scope, watch["status"], watch["address"]
