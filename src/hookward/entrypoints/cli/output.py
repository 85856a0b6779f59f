"""What commands print, and the options that all of them take."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from hookward.domain.errors import RequestRejected
from hookward.entrypoints.cli.backends import Reach

EXIT_REFUSED = 1
_WIDE = 1000

_REACH = (
    click.option(
        "--config", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file; see config.example.toml."
    ),
    click.option(
        "--url", envvar="HOOKWARD_URL", show_envvar=True, help="Ask the api there, instead of working on the store."
    ),
    click.option(
        "--key",
        envvar="HOOKWARD_KEY",
        show_envvar=True,
        help="The API key to ask the api with; others on this machine can see what is on a command line. "
        "[default: the bootstrap key in data.dir]",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one line of JSON."),
)


def reaching(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where it takes effect (``reach``) and how it answers (``as_json``)."""

    @wraps(command)
    def run(*, config: Path | None, url: str | None, key: str | None, account: str | None = None, **given: Any) -> None:
        command(reach=Reach(config=config, url=url, key=key, account=account), **given)

    for option in reversed(_REACH):
        run = option(run)
    return run


def print_json(value: Any) -> None:
    """One line for programs."""
    click.echo(json.dumps(value))


def print_made(what: str, made: dict[str, Any]) -> None:
    """What was made, with its key, which is never shown again."""
    rows = [(name, _cell(value)) for name, value in made.items() if value is not None and name != "key"]
    width = max(len(name) for name, _ in (*rows, ("key", "")))
    click.echo(f"{what} was made; its key is shown this once:\n")
    for name, value in (("key", made["key"]), *rows):
        click.echo(f"  {name:<{width}}  {value}")


def print_table(columns: Sequence[tuple[str, str]], rows: Iterable[dict[str, Any]], *, empty: str) -> None:
    """Rows for people; ``columns`` are titles with the name of what they show."""
    from rich import box  # noqa: PLC0415  many commands print no table
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row[name])) for _, name in columns))
    if not table.row_count:
        click.echo(empty)
        return
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def fail(refused: RequestRejected) -> NoReturn:
    """Say what was wrong, all of it, and end."""
    click.echo(f"hookward: {refused.detail}", err=True)
    for problem in refused.problems:
        if problem.message != refused.detail:
            click.echo(f"  {(problem.pointer or '').removeprefix('/')}: {problem.message}", err=True)
    sys.exit(EXIT_REFUSED)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
