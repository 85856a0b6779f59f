"""The command line."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from hookward import __version__
from hookward.adapters.processes import die_with
from hookward.config import Settings, load_settings
from hookward.domain.errors import ConfigError, StoreUnavailable
from hookward.entrypoints.cli.accounts import accounts
from hookward.entrypoints.cli.deliveries import deliveries
from hookward.entrypoints.cli.keys import keys
from hookward.entrypoints.cli.secrets import secrets
from hookward.entrypoints.cli.watches import watches
from hookward.observability import configure_logs, get_log

EXIT_BROKEN = 1
EXIT_CONFIG = 2
EXIT_STORE = 3

_config = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file; see config.example.toml."
)
_parent = click.option("--parent", type=int, hidden=True, help="End with this process.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hookward")
def cli() -> None:
    """Hookward: webhook delivery that loses nothing."""


@cli.command()
@_config
@_parent
def serve(config: Path | None, parent: int | None) -> None:
    """Run api, workers and embedded stores, supervised, in one command."""
    _bind_to(parent)
    from hookward.entrypoints.serve import run_serve as run  # noqa: PLC0415  each command loads what it needs

    settings = _settings(config)
    _run(lambda stop: run(settings, stop, config=config))


@cli.command()
@_config
@_parent
def api(config: Path | None, parent: int | None) -> None:
    """Run the HTTP api."""
    _bind_to(parent)
    from hookward.entrypoints.api.run import run_api  # noqa: PLC0415

    settings = _settings(config)
    _run(lambda stop: run_api(settings, stop))


@cli.command()
@_config
@_parent
@click.option("--incarnation", hidden=True, help="The name of this life.")
def worker(config: Path | None, parent: int | None, incarnation: str | None) -> None:
    """Run one worker."""
    _bind_to(parent)
    from hookward.entrypoints.worker import run  # noqa: PLC0415

    settings = _settings(config)
    _run(lambda stop: run(settings, stop, incarnation=incarnation))


@cli.command()
@_config
def migrate(config: Path | None) -> None:
    """Bring the database to this version's schema."""
    from hookward.adapters.postgres.migrate import migrate as run  # noqa: PLC0415
    from hookward.bootstrap.stores import find_stores  # noqa: PLC0415

    settings = _settings(config)

    async def upgrade(_stop: asyncio.Event) -> None:
        before, after = await run(find_stores(settings).database_url)
        print(f"schema {after}" + ("" if before == after else f" (was {before or 'empty'})"))

    _run(upgrade)


@cli.command()
@click.option("--once", is_flag=True, help="Exit when all is delivered: 0 only if everything arrived and verified.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def demo(*, once: bool, as_json: bool) -> None:
    """Show the whole service at work, on this machine alone."""
    from hookward.entrypoints.demo.run import run_demo  # noqa: PLC0415

    configure_logs("warning")
    outcome: list[bool] = []

    async def show(stop: asyncio.Event) -> None:
        outcome.append(await run_demo(stop, once=once, as_json=as_json))

    _run(show)
    sys.exit(0 if outcome == [True] else 1)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="On one line, byte for byte what /openapi.json answers.")
def openapi(*, as_json: bool) -> None:
    """Print the OpenAPI 3.1 document; needs no running service."""
    from hookward.bootstrap.factories import built_in_types  # noqa: PLC0415
    from hookward.entrypoints.api.openapi.document import encode  # noqa: PLC0415
    from hookward.entrypoints.api.openapi.service import describe  # noqa: PLC0415

    document = describe(built_in_types().values())
    print(encode(document, indent=0 if as_json else 2).decode())


cli.add_command(accounts)
cli.add_command(keys)
cli.add_command(watches)
cli.add_command(deliveries)
cli.add_command(secrets)


def main() -> None:
    """The entry of the ``hookward`` command: what cannot start says why in one line.

    What breaks is logged as everything else is, without what an error quotes: Python would print all of it.
    """
    configure_logs("warning")
    try:
        cli(standalone_mode=True)
    except ConfigError as error:
        print(f"hookward: {error}", file=sys.stderr)
        sys.exit(EXIT_CONFIG)
    except StoreUnavailable as error:
        print(f"hookward: {error}", file=sys.stderr)
        sys.exit(EXIT_STORE)
    except Exception as error:  # noqa: BLE001  the last one who can see it
        get_log().error("hookward.broke", error=type(error).__name__, exc_info=True)
        sys.exit(EXIT_BROKEN)


def _settings(config: Path | None) -> Settings:
    settings = load_settings(config)
    configure_logs(settings.log.level)
    return settings


def _bind_to(parent: int | None) -> None:
    if parent is not None:
        die_with(parent)


def _run(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run until done; SIGTERM and SIGINT set the event that asks to stop, a second one ends at once."""

    async def body() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask() -> None:
            if stop.is_set():
                sys.exit(1)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ask)
        await work(stop)

    _collect_seldom()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(body())


def _collect_seldom() -> None:
    """Look for cycles less often: what a request leaves behind is freed by counting, and looking costs a fifth."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415  where it exists
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
