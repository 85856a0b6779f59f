"""What commands print: tables, records and results for people, one line of JSON for programs.

Tables are as wide as the terminal; where output is not a terminal, lines are not wrapped. Characters that are not
printable are escaped: values come from integrators and endpoints, and must not control the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import click

from hookward.domain.errors import RequestRejected

EXIT_REFUSED = 1
_WIDTH_WITHOUT_TERMINAL = 1000
_STYLES = {"delivered": "green", "failed": "red", "cancelled": "dim", "retrying": "yellow", "pending": "cyan"}


def print_json(value: Any) -> None:
    """Print ``value`` as one line of JSON."""
    click.echo(json.dumps(value))


def print_json_list(items: Sequence[Any]) -> None:
    """Print a complete list as the api returns its last page: ``{"data": […], "nextCursor": null}``."""
    print_json({"data": list(items), "nextCursor": None})


def print_table(titles: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Print rows of cells under ``titles``, or ``empty`` if there are none. A cell that is ``None`` is a dash."""
    from rich import box  # noqa: PLC0415  many commands print no table
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        cells = [_cell(value) for value in row]
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
    if not table.row_count:
        click.echo(empty)
        return
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)
    with console.capture() as printed:
        console.print(table)
    click.echo(printed.get(), nl=False)


def print_record(values: Mapping[str, Any]) -> None:
    """Print one line for each name and value, with the values in one column. A value that is ``None`` is a dash."""
    width = max(map(len, values))
    for name, value in values.items():
        click.echo(f"{name:<{width}}  {_cell(value)}")


def print_created(what: str, created: Mapping[str, Any]) -> None:
    """Print a new object that has an API key, the key first: it is not shown again."""
    click.echo(f"{what} was made; its key is shown this once:\n")
    print_record({"key": created["key"]} | {name: value for name, value in created.items() if value is not None})


def print_results(errors: Mapping[str, str | None], done: str, *, as_json: bool) -> None:
    """Print for each id that it is ``done`` or, on standard error, its error; exit with status 1 if there is one."""
    if as_json:
        print_json({"data": [{"id": id_, "error": error} for id_, error in errors.items()]})
    for id_, error in errors.items():
        if error is not None:
            click.echo(f"hookward: {printable(id_)}: {error}", err=True)
        elif not as_json:
            click.echo(f"{id_} {done}")
    if any(errors.values()):
        raise SystemExit(EXIT_REFUSED)


def fail(error: RequestRejected) -> NoReturn:
    """Print what was wrong, with every problem, on standard error; exit with status 1."""
    click.echo(f"hookward: {error.detail}", err=True)
    for problem in error.problems:
        if problem.message != error.detail:
            place = (problem.pointer or problem.parameter or "").removeprefix("/")
            click.echo(f"  {place}: {problem.message}", err=True)
    raise SystemExit(EXIT_REFUSED)


def printable(text: str, *, keep: str = "") -> str:
    """Return ``text`` with every character escaped that is not printable, except those in ``keep``."""
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode() for each in text
    )


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case str():
            return printable(value)
        case list() if all(isinstance(each, str) for each in value):
            return printable(", ".join(value))
        case _:
            return printable(json.dumps(value, ensure_ascii=False))
