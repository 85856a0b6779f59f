"""The ``hookward`` command group, and the commands that run the service itself."""

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
from hookward.entrypoints.cli.accounts import accounts_group
from hookward.entrypoints.cli.deliveries import deliveries_group
from hookward.entrypoints.cli.keys import keys_group
from hookward.entrypoints.cli.options import config_option
from hookward.entrypoints.cli.secrets import secrets_group
from hookward.entrypoints.cli.watches import watches_group
from hookward.observability import configure_logs, get_log

EXIT_BROKEN = 1
EXIT_CONFIG = 2
EXIT_STORE = 3

_parent_option = click.option("--parent", type=int, hidden=True, help="End when this process ends.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hookward")
def cli() -> None:
    """Hookward: webhook delivery that loses nothing.

    Example: hookward demo --once
    """


@cli.command("serve")
@config_option
@_parent_option
def _serve(config: Path | None, parent: int | None) -> None:
    """Run api, workers and embedded stores, supervised, in one command."""
    _end_with(parent)
    from hookward.entrypoints.serve import run_serve  # noqa: PLC0415  each command imports what it needs

    settings = _settings(config)
    _run(lambda stop: run_serve(settings, stop, config=config))


@cli.command("api")
@config_option
@_parent_option
def _api(config: Path | None, parent: int | None) -> None:
    """Run the HTTP api."""
    _end_with(parent)
    from hookward.entrypoints.api.run import run_api  # noqa: PLC0415

    settings = _settings(config)
    _run(lambda stop: run_api(settings, stop))


@cli.command("worker")
@config_option
@_parent_option
@click.option("--incarnation", hidden=True, help="Names this start of the worker.")
def _worker(config: Path | None, parent: int | None, incarnation: str | None) -> None:
    """Run one worker."""
    _end_with(parent)
    from hookward.entrypoints.worker import run  # noqa: PLC0415

    settings = _settings(config)
    _run(lambda stop: run(settings, stop, incarnation=incarnation))


@cli.command("migrate")
@config_option
def _migrate(config: Path | None) -> None:
    """Migrate the database to the schema of this version."""
    from hookward.adapters.postgres.migrate import migrate as run  # noqa: PLC0415
    from hookward.bootstrap.stores import find_stores  # noqa: PLC0415

    settings = _settings(config)

    async def upgrade(_stop: asyncio.Event) -> None:
        before, after = await run(find_stores(settings).database_url)
        click.echo(f"schema {after}" + ("" if before == after else f" (was {before or 'empty'})"))

    _run(upgrade)


@cli.command("demo")
@click.option(
    "--once",
    is_flag=True,
    help="Exit when all events are delivered; with 0 only if each arrived and its signature was verified.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON at the end.")
def _demo(*, once: bool, as_json: bool) -> None:
    """Run the whole service on this machine, publish sample events and show their deliveries."""
    from hookward.entrypoints.demo.run import run_demo  # noqa: PLC0415

    configure_logs("warning")
    outcome: list[bool] = []

    async def show(stop: asyncio.Event) -> None:
        outcome.append(await run_demo(stop, once=once, as_json=as_json))

    _run(show)
    sys.exit(0 if outcome == [True] else 1)


@cli.command("openapi")
@click.option("--json", "as_json", is_flag=True, help="On one line, byte for byte what /openapi.json returns.")
def _openapi(*, as_json: bool) -> None:
    """Print the OpenAPI 3.1 document; needs no running service."""
    from hookward.bootstrap.factories import built_in_types  # noqa: PLC0415
    from hookward.entrypoints.api.openapi.document import encode_openapi  # noqa: PLC0415
    from hookward.entrypoints.api.openapi.service import describe  # noqa: PLC0415

    document = describe(built_in_types().values())
    click.echo(encode_openapi(document, indent=0 if as_json else 2).decode())


cli.add_command(accounts_group)
cli.add_command(keys_group)
cli.add_command(watches_group)
cli.add_command(deliveries_group)
cli.add_command(secrets_group)


def main() -> None:
    """Run the ``hookward`` command; print one line and exit with 2 or 3 if it cannot start.

    An unexpected error is logged through the usual processors, which mask secrets: Python's own traceback would print
    everything that the error quotes.
    """
    configure_logs("warning")
    try:
        cli(standalone_mode=True)
    except ConfigError as error:
        click.echo(f"hookward: {error}", err=True)
        sys.exit(EXIT_CONFIG)
    except StoreUnavailable as error:
        click.echo(f"hookward: {error}", err=True)
        sys.exit(EXIT_STORE)
    except Exception as error:  # noqa: BLE001  the outermost frame
        get_log().error("hookward.broke", error=type(error).__name__, exc_info=True)
        sys.exit(EXIT_BROKEN)


def _settings(config: Path | None) -> Settings:
    settings = load_settings(config)
    configure_logs(settings.log.level)
    return settings


def _end_with(parent: int | None) -> None:
    if parent is not None:
        die_with(parent)


def _run(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run until done. SIGTERM and SIGINT set the event that asks to stop; a second signal exits at once."""

    async def body() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def request_stop() -> None:
            if stop.is_set():
                sys.exit(1)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, request_stop)
        await work(stop)

    _tune_garbage_collector()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(body())


def _tune_garbage_collector() -> None:
    """Collect cycles less often: requests leave none behind, and looking for them costs a fifth of the time."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415  not on every platform
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
