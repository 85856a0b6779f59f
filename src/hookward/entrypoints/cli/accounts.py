"""``hookward accounts``: the tenants."""

from __future__ import annotations

import click

from hookward.entrypoints.cli.backends import Backend, with_backend
from hookward.entrypoints.cli.output import print_created, print_json, print_json_list, print_table

_TITLES = ("Id", "Name", "Time zone", "Retention (days)", "Created")
_FIELDS = ("id", "name", "timeZone", "retentionDays", "created")


@click.group("accounts")
def accounts_group() -> None:
    """Create and list accounts, which share nothing.

    Without --url and --key the commands work directly on the configured database and need no API key.

    Example: hookward accounts create "Example Inc." --time-zone Europe/Paris
    """


@accounts_group.command("create")
@click.argument("name")
@click.option(
    "--time-zone", help="IANA name of the zone of dates where neither event nor watch names one. [default: UTC]"
)
@click.option(
    "--retention-days", type=int, help="Days for which finished deliveries are kept. [default: retention.days]"
)
@with_backend
async def _create_account(
    backend: Backend, *, name: str, time_zone: str | None, retention_days: int | None, as_json: bool
) -> None:
    """Create an account with a first admin key, which is shown once."""
    options = {"timeZone": time_zone, "retentionDays": retention_days}
    created = await backend.create_account(
        {"name": name} | {name: value for name, value in options.items() if value is not None}
    )
    if as_json:
        print_json(created)
    else:
        print_created("the account", created)


@accounts_group.command("ls")
@with_backend
async def _list_accounts(backend: Backend, *, as_json: bool) -> None:
    """List the accounts, oldest first."""
    accounts = await backend.list_accounts()
    if as_json:
        print_json_list(accounts)
    else:
        print_table(_TITLES, [[each[name] for name in _FIELDS] for each in accounts], empty="no accounts")
