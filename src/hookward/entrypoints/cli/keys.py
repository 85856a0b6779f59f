"""``hookward keys``: API keys."""

from __future__ import annotations

import click

from hookward.domain.access.callers import Scope
from hookward.domain.errors import NotFound
from hookward.entrypoints.cli.backends import Backend, with_backend
from hookward.entrypoints.cli.client import JsonObject
from hookward.entrypoints.cli.output import print_created, print_json, print_json_list, print_results, print_table

_TITLES = ("Id", "Name", "Scopes", "Owner", "Created", "Last used")
_FIELDS = ("id", "name", "scopes", "owner", "created", "lastUsed")

_account_option = click.option(
    "--account",
    help="The name or id of the account, if the command works on the database. "
    "[default: default; at the api the account of the key]",
)


@click.group("keys")
def keys_group() -> None:
    """Create, list and revoke API keys.

    Without --url and --key the commands work directly on the configured database and need no API key.

    Example: hookward keys create --scopes publish --name "our shop"
    """


@keys_group.command("create")
@click.option("--name", default="made with hookward keys create", show_default=True, help="What the key is for.")
@click.option(
    "--scopes",
    required=True,
    multiple=True,
    help=f"What the key may do, comma-separated: {', '.join(Scope)}. admin includes all scopes of the account; "
    "operator manages accounts.",
)
@click.option("--owner", help="The integrator who uses the key; the key then sees only what has this owner.")
@_account_option
@with_backend
async def _create_key(
    backend: Backend, *, name: str, scopes: tuple[str, ...], owner: str | None, as_json: bool
) -> None:
    """Create a key. It is shown once."""
    properties: JsonObject = {"name": name, "scopes": _split(scopes)}
    if owner is not None:
        properties["owner"] = owner
    created = await backend.create_key(properties)
    if as_json:
        print_json(created)
    else:
        print_created("the API key", created)


@keys_group.command("ls")
@click.option("--owner", help="Only the keys of this integrator.")
@_account_option
@with_backend
async def _list_keys(backend: Backend, *, owner: str | None, as_json: bool) -> None:
    """List the keys that are not revoked."""
    keys = await backend.list_keys(owner)
    if as_json:
        print_json_list(keys)
    else:
        print_table(_TITLES, [[each[name] for name in _FIELDS] for each in keys], empty="no API keys")


@keys_group.command("revoke")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_account_option
@with_backend
async def _revoke_keys(backend: Backend, *, ids: tuple[str, ...], as_json: bool) -> None:
    """Revoke keys for good; within a second they are refused everywhere. Exits with 1 if one of them does not exist."""
    errors: dict[str, str | None] = {}
    for id_ in dict.fromkeys(ids):
        try:
            await backend.revoke_key(id_)
            errors[id_] = None
        except NotFound as error:
            errors[id_] = error.detail
    print_results(errors, "was revoked", as_json=as_json)


def _split(values: tuple[str, ...]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",")]
