"""The options that commands share, and the decorator that opens what a command works on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

import click

from hookward.config import Settings, load_settings
from hookward.domain.errors import RequestRejected
from hookward.entrypoints.cli.client import ConnectionOptions, open_api_client
from hookward.entrypoints.cli.output import fail
from hookward.observability import configure_logs

_Command: TypeAlias = Callable[..., None]
_CommandBody: TypeAlias = Callable[..., Awaitable[None]]

config_option = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file; see config.example.toml."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
_key_option = click.option(
    "--key",
    envvar="HOOKWARD_KEY",
    show_envvar=True,
    help="The API key to send; other users of this machine can see what is on a command line. "
    "[default: the bootstrap key in data.dir]",
)


def connected(
    open_target: Callable[[ConnectionOptions, Settings], AbstractAsyncContextManager[object]], *, url_help: str
) -> Callable[[_CommandBody], _Command]:
    """Return a decorator that gives a command the connection options and ``--json``, and runs it.

    The command is a coroutine function. It gets what ``open_target`` opens for these options as its first argument,
    and its own options and ``as_json`` by name. An option ``--account`` of its own is one of the connection options.
    A RequestRejected ends the command with exit status 1 and a message.
    """

    def decorate(command: _CommandBody) -> _Command:
        @wraps(command)
        def run(config: Path | None, url: str | None, key: str | None, account: str | None = None, **own: Any) -> None:
            settings = load_settings(config)
            configure_logs("error")
            connection = ConnectionOptions(config=config, url=url, key=key, account=account)

            async def body() -> None:
                async with open_target(connection, settings) as target:
                    await command(target, **own)

            try:
                asyncio.run(body())
            except RequestRejected as error:
                fail(error)

        url_option = click.option("--url", envvar="HOOKWARD_URL", show_envvar=True, help=url_help)
        decorated: _Command = run
        for option in (json_option, _key_option, url_option, config_option):
            decorated = option(decorated)
        return decorated

    return decorate


with_api = connected(open_api_client, url_help="The address of the api. [default: the configured server.host and port]")
"""Opens the api client of a command."""
