"""``hookward secrets``: which master keys encrypt the stored secrets, and encrypting all of them with a new one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from hookward.config import load_settings
from hookward.entrypoints.cli.options import config_option, json_option
from hookward.entrypoints.cli.output import print_json, print_json_list, print_table
from hookward.observability import configure_logs

if TYPE_CHECKING:
    from hookward.application.sealing.rotation import KeyUse, MasterKeyRotation, Report

EXIT_INCOMPLETE = 1
_TITLES = ("Key", "Values", "")
_Result = TypeVar("_Result")


@click.group("secrets")
def secrets_group() -> None:
    """Change the master key that encrypts stored secrets, while the service runs.

    The commands work directly on the configured database, with the configured master keys.

    Example: hookward secrets rotate --config hookward.toml
    """


@secrets_group.command("status")
@config_option
@json_option
def _show_status(*, config: Path | None, as_json: bool) -> None:
    """Show how many secrets each master key encrypts, and which key may be dropped.

    Exits with 1 if something is encrypted with a key that is not configured.
    """
    keys = _with_rotation(config, lambda rotation: rotation.status())
    if as_json:
        print_json_list(msgspec.to_builtins(keys))
    else:
        _print_keys(keys)
    if any(key.values and not key.configured for key in keys):
        sys.exit(EXIT_INCOMPLETE)


@secrets_group.command("rotate")
@config_option
@json_option
def _rotate_master_key(*, config: Path | None, as_json: bool) -> None:
    """Encrypt every secret with the first master key; if interrupted, run it again.

    Every process must have the new key before, and the old one until this is done. Exits with 1 if something is left.
    """
    with _progress(shown=not as_json and sys.stderr.isatty()) as progress:
        report = _with_rotation(config, lambda rotation: rotation.rotate(progress))
    if as_json:
        print_json(msgspec.to_builtins(report) | {"complete": report.complete})
    else:
        _print_report(report)
    if not report.complete:
        sys.exit(EXIT_INCOMPLETE)


def _with_rotation(config: Path | None, work: Callable[[MasterKeyRotation], Awaitable[_Result]]) -> _Result:
    from hookward.bootstrap.factories import open_master_key_rotation  # noqa: PLC0415  it imports the whole service

    settings = load_settings(config)
    configure_logs("error")

    async def body() -> _Result:
        async with open_master_key_rotation(settings) as rotation:
            return await work(rotation)

    return asyncio.run(body())


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    if not shown:
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("encrypting", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_report(report: Report) -> None:
    click.echo(f"{report.resealed} secrets were re-encrypted\n")
    _print_keys(report.keys)
    for name in report.unreadable:
        click.echo(f"hookward: {name}: cannot be decrypted; set its secrets again", err=True)
    if not report.complete:
        click.echo("hookward: not everything is encrypted with the first key; run it again", err=True)


def _print_keys(keys: Sequence[KeyUse]) -> None:
    print_table(_TITLES, [(key.id, key.values, _describe(key)) for key in keys], empty="no master keys")


def _describe(key: KeyUse) -> str:
    if key.seals:
        return "seals"
    if not key.configured:
        return "not configured, and needed" if key.values else "not configured, and not needed after a rotation"
    if key.may_be_dropped:
        return "opens; may be dropped"
    return "opens; needed" if key.values else "opens; may be dropped after a rotation"
