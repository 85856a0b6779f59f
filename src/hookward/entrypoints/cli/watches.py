"""``hookward watches``: look at watches, hold them, try them, remove them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import IO, Any

import click

from hookward.domain.errors import NotFound, RequestRejected
from hookward.domain.ids import IdPrefix, from_text
from hookward.domain.json import decode_exact, encode_exact
from hookward.entrypoints.cli.client import EXIT_REFUSED, Api, asking

_WIDE = 1000
_STATUSES = ("enabled", "paused", "disabled")
_EVENTS = ("created", "updated", "deleted", "merged")
_ids = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@click.group()
def watches() -> None:
    """Look at watches, pause, enable, disable, test and remove them."""


@watches.command()
@click.option("--type", "resource_type", help="Only those of this resource type.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only those that are so.")
@click.option("--name", help="Only those of exactly this name.")
@click.option("--search", help="Only those with this in their name or address.")
@click.option("--owner", help="Only those of this integrator.")
@asking
def ls(*, api: Api, as_json: bool, resource_type: str | None, search: str | None, **filters: str | None) -> None:
    """List watches, oldest first."""
    found = api.all("/v1/watches", {"resourceType": resource_type, "q": search, **filters})
    if as_json:
        click.echo(json.dumps({"data": found}))
    else:
        _table(found)


@watches.command()
@click.argument("id_", metavar="ID")
@asking
def show(*, api: Api, as_json: bool, id_: str) -> None:
    """Show a watch with all its properties; secrets are never shown."""
    watch = api.ask("GET", _path(id_))
    if as_json:
        click.echo(json.dumps(watch))
        return
    width = max(map(len, watch))
    for name, value in watch.items():
        text = value if isinstance(value, str) else "-" if value is None else json.dumps(value, ensure_ascii=False)
        click.echo(f"{name:<{width}}  {_visible(text)}")


@watches.command()
@_ids
@asking
def rm(*, api: Api, as_json: bool, ids: tuple[str, ...]) -> None:
    """Delete watches; what waits for them is cancelled. Exits with 1 when one of them is not there."""
    _each(ids, lambda id_: api.ask("DELETE", _path(id_)), "was deleted", as_json=as_json)


def _status(status: str, done: str, about: str) -> click.Command:
    @_ids
    @asking
    def command(*, api: Api, as_json: bool, ids: tuple[str, ...]) -> None:
        _each(ids, lambda id_: api.ask("PATCH", _path(id_), json={"status": status}), done, as_json=as_json)

    return click.command(help=f"{about} Exits with 1 when one of them is not there.")(command)


watches.add_command(
    _status("paused", "is paused", "Pause watches: their deliveries wait until they are enabled again."), "pause"
)
watches.add_command(_status("enabled", "is enabled", "Enable watches that were paused or disabled."), "enable")
watches.add_command(
    _status("disabled", "is disabled", "Disable watches: what waits is cancelled, new events are not for them."),
    "disable",
)


@watches.command()
@click.argument("id_", metavar="ID")
@click.option("--event", type=click.Choice(_EVENTS), default="updated", show_default=True, help="What has happened.")
@click.option("--resource", type=click.File("rb"), help="The resource as a JSON file, or - ; else the type's sample.")
@asking
def test(*, api: Api, as_json: bool, id_: str, event: str, resource: IO[bytes] | None) -> None:
    """Send a watch one event now. Exits with 0 only when the endpoint answers 2xx."""
    given: dict[str, Any] = {"event": event}
    if resource is not None:
        given["resource"] = decode_exact(resource.read())
    headers = {"Content-Type": "application/json"}
    attempt = api.ask("POST", _path(id_) + "/test", data=encode_exact(given), headers=headers)
    response, error = attempt["response"], attempt["error"]
    if as_json:
        click.echo(json.dumps(attempt))
    else:
        request = attempt["request"]
        click.echo(f"{request['method']} {_visible(request['address'])}")
        outcome = f"{error['type']}: {_visible(error['message'])}" if response is None else str(response["statusCode"])
        click.echo(f"{outcome}  after {attempt['durationMs']:.0f} ms")
        if response is not None and response["body"]:
            click.echo(_visible(response["body"]))
    if response is None or not 200 <= response["statusCode"] < 300:
        raise SystemExit(EXIT_REFUSED)


def _path(id_: str) -> str:
    if from_text(IdPrefix.WATCH, id_) is None:
        raise NotFound("there is no such watch; ids begin with wat_")
    return f"/v1/watches/{id_}"


def _each(ids: tuple[str, ...], work: Callable[[str], Any], done: str, *, as_json: bool) -> None:
    """Do something to each watch, say of each what became of it, and fail if one of them failed."""
    errors: dict[str, str | None] = {}
    for id_ in dict.fromkeys(ids):
        try:
            work(id_)
            errors[id_] = None
        except RequestRejected as refused:
            errors[id_] = refused.detail
    if as_json:
        click.echo(json.dumps({"data": [{"id": id_, "error": error} for id_, error in errors.items()]}))
    for id_, error in errors.items():
        if error is not None:
            click.echo(f"hookward: {_visible(id_)}: {error}", err=True)
        elif not as_json:
            click.echo(f"{id_} {done}")
    if any(errors.values()):
        raise SystemExit(EXIT_REFUSED)


def _table(found: list[dict[str, Any]]) -> None:
    from rich import box  # noqa: PLC0415  many commands print no table
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if not found:
        click.echo("no watches")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("Id", "Name", "Type", "Scope", "Status", "Address"):
        table.add_column(title, overflow="fold")
    for each in found:
        scope = " ".join(f"{name}={value}" for name, value in each["scope"].items()) or "any"
        cells = (each["id"], each["name"] or "-", each["resourceType"], scope, each["status"], each["address"])
        table.add_row(*(Text(_visible(cell)) for cell in cells))
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def _visible(text: str) -> str:
    """What a terminal may be told: an endpoint or an integrator must not move its cursor."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
