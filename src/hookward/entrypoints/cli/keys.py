"""``hookward keys``: API keys."""

from __future__ import annotations

from typing import Any

import click

from hookward.domain.access.callers import Scope
from hookward.domain.errors import NotFound, RequestRejected
from hookward.entrypoints.cli.backends import Desk, Reach, at_desk
from hookward.entrypoints.cli.output import EXIT_REFUSED, fail, print_json, print_made, print_table, reaching

_account = click.option(
    "--account", help="The name or id of the account, on the store. [default: default; at a --url that of the key]"
)
_COLUMNS = (
    ("Id", "id"), ("Name", "name"), ("Scopes", "scopes"), ("Owner", "owner"), ("Created", "created"),
    ("Last used", "lastUsed"),
)  # fmt: skip


@click.group()
def keys() -> None:
    """Make, list and revoke API keys.

    Without --url and --key directly on the store of the configuration, for which no key is needed.
    """


@keys.command()
@click.option("--name", default="made with hookward keys create", show_default=True, help="What it is for.")
@click.option(
    "--scopes",
    required=True,
    multiple=True,
    help=f"What it may do, comma-separated: {', '.join(Scope)}. admin is all of the account's, operator is accounts.",
)
@click.option("--owner", help="The integrator who holds it, and then sees only what is theirs.")
@_account
@reaching
def create(*, name: str, scopes: tuple[str, ...], owner: str | None, reach: Reach, as_json: bool) -> None:
    """Make a key. It is shown once."""
    given: dict[str, Any] = {"name": name, "scopes": _split(scopes)}
    if owner is not None:
        given["owner"] = owner
    try:
        made = at_desk(reach, lambda desk: desk.create_key(given))
    except RequestRejected as refused:
        fail(refused)
    if as_json:
        print_json(made)
    else:
        print_made("the API key", made)


@keys.command()
@click.option("--owner", help="Only those of this integrator.")
@_account
@reaching
def ls(*, owner: str | None, reach: Reach, as_json: bool) -> None:
    """List the keys that were not revoked."""
    try:
        found = at_desk(reach, lambda desk: desk.keys(owner))
    except RequestRejected as refused:
        fail(refused)
    if as_json:
        print_json({"data": found})
    else:
        print_table(_COLUMNS, found, empty="no API keys")


@keys.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_account
@reaching
def revoke(*, ids: tuple[str, ...], reach: Reach, as_json: bool) -> None:
    """End keys for good: within a second they open nothing. Exits with 1 when one of them is not there."""

    async def end_all(desk: Desk) -> dict[str, str | None]:
        return {id_: await _end(desk, id_) for id_ in dict.fromkeys(ids)}

    try:
        ended = at_desk(reach, end_all)
    except RequestRejected as refused:
        fail(refused)
    if as_json:
        print_json({"data": [{"id": id_, "revoked": error is None} for id_, error in ended.items()]})
    for id_, error in ended.items():
        if error is not None:
            click.echo(f"hookward: {id_}: {error}", err=True)
        elif not as_json:
            click.echo(f"{id_} was revoked")
    if any(ended.values()):
        raise SystemExit(EXIT_REFUSED)


async def _end(desk: Desk, id_: str) -> str | None:
    """Why a key could not be revoked."""
    try:
        await desk.revoke_key(id_)
    except NotFound as error:
        return error.detail
    return None


def _split(values: tuple[str, ...]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",")]
