"""``hookward secrets``: what the master keys seal, and how everything is sealed anew."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from hookward.application.sealing.rotation import KeyUse, MasterKeyRotation, Report
from hookward.config import load_settings
from hookward.entrypoints.cli.output import print_json, print_table
from hookward.observability import configure_logs

EXIT_INCOMPLETE = 1
_COLUMNS = (("Key", "id"), ("Values", "values"), ("", "what"))
_Done = TypeVar("_Done")

_config = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file; see config.example.toml."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")


@click.group()
def secrets() -> None:
    """Change the master key that seals secrets at rest, while the service runs.

    Directly on the store of the configuration, with the keys of the configuration.
    """


@secrets.command()
@_config
@_json
def status(*, config: Path | None, as_json: bool) -> None:
    """Say how many secrets each master key seals, and which key may be dropped.

    Exits with 1 when something is sealed with a key that is not configured.
    """
    keys = _with_resealer(config, lambda resealer: resealer.status())
    if as_json:
        print_json({"keys": msgspec.to_builtins(keys)})
    else:
        _print_keys(keys)
    if any(key.values and not key.configured for key in keys):
        sys.exit(EXIT_INCOMPLETE)


@secrets.command()
@_config
@_json
def rotate(*, config: Path | None, as_json: bool) -> None:
    """Seal every secret anew with the first master key; interrupted, run it again.

    Every process must have the new key before, and the old one until this is done. Exits with 1 when something is
    left.
    """
    with _progress(shown=not as_json and sys.stderr.isatty()) as progress:
        report = _with_resealer(config, lambda resealer: resealer.rotate(progress))
    if as_json:
        print_json(msgspec.to_builtins(report) | {"complete": report.complete})
    else:
        _print_report(report)
    if not report.complete:
        sys.exit(EXIT_INCOMPLETE)


def _with_resealer(config: Path | None, work: Callable[[MasterKeyRotation], Awaitable[_Done]]) -> _Done:
    from hookward.bootstrap.factories import open_master_key_rotation  # noqa: PLC0415  it loads what a service is made of

    settings = load_settings(config)
    configure_logs("error")

    async def done() -> _Done:
        async with open_master_key_rotation(settings) as resealer:
            return await work(resealer)

    return asyncio.run(done())


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    if not shown:
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sealing anew", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_report(report: Report) -> None:
    click.echo(f"{report.resealed} secrets were sealed anew\n")
    _print_keys(report.keys)
    for name in report.unreadable:
        click.echo(f"hookward: {name}: does not open; give its secrets anew", err=True)
    if not report.complete:
        click.echo("hookward: not everything is sealed with the first key; run it again", err=True)


def _print_keys(keys: Sequence[KeyUse]) -> None:
    rows = [{"id": key.id, "values": key.values, "what": _standing(key)} for key in keys]
    print_table(_COLUMNS, rows, empty="no master keys")


def _standing(key: KeyUse) -> str:
    if key.seals:
        return "seals"
    if not key.configured:
        return "not configured, and needed" if key.values else "not configured, and not needed after a rotation"
    if key.may_be_dropped:
        return "opens; may be dropped"
    return "opens; needed" if key.values else "opens; may be dropped after a rotation"
