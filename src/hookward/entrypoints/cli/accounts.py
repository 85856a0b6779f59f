"""``hookward accounts``: the tenants."""

from __future__ import annotations

from typing import Any

import click

from hookward.domain.errors import RequestRejected
from hookward.entrypoints.cli.backends import Reach, at_desk
from hookward.entrypoints.cli.output import fail, print_json, print_made, print_table, reaching

_COLUMNS = (
    ("Id", "id"), ("Name", "name"), ("Time zone", "timeZone"), ("Retention (days)", "retentionDays"),
    ("Created", "created"),
)  # fmt: skip


@click.group()
def accounts() -> None:
    """Make and list accounts, which share nothing.

    Without --url and --key directly on the store of the configuration, for which no key is needed.
    """


@accounts.command()
@click.argument("name")
@click.option("--time-zone", help="IANA name for dates where neither event nor watch names one. [default: UTC]")
@click.option("--retention-days", type=int, help="For how long it keeps what is done. [default: retention.days]")
@reaching
def create(*, name: str, time_zone: str | None, retention_days: int | None, reach: Reach, as_json: bool) -> None:
    """Make an account with a first admin key, which is shown once."""
    options = {"timeZone": time_zone, "retentionDays": retention_days}
    given: dict[str, Any] = {"name": name} | {name: value for name, value in options.items() if value is not None}
    try:
        made = at_desk(reach, lambda desk: desk.create_account(given))
    except RequestRejected as refused:
        fail(refused)
    if as_json:
        print_json(made)
    else:
        print_made("the account", made)


@accounts.command()
@reaching
def ls(*, reach: Reach, as_json: bool) -> None:
    """List the accounts."""
    try:
        found = at_desk(reach, lambda desk: desk.accounts())
    except RequestRejected as refused:
        fail(refused)
    if as_json:
        print_json({"data": found})
    else:
        print_table(_COLUMNS, found, empty="no accounts")
