"""Asking a running api from the command line, and saying what it answers.

The key to ask the api with.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from hookward.config import Settings, load_settings
from hookward.domain.errors import ConfigError, Problem, RequestRejected, StoreUnavailable

EXIT_REFUSED = 1
_TIMEOUT_SECONDS = 60.0
_PAGE = 200

_OPTIONS = (
    click.option(
        "--config", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file; see config.example.toml."
    ),
    click.option(
        "--url", envvar="HOOKWARD_URL", show_envvar=True, help="The api. [default: the configured server.host and port]"
    ),
    click.option(
        "--key",
        envvar="HOOKWARD_KEY",
        show_envvar=True,
        help="The API key; others on this machine can see what is on a command line. "
        "[default: the bootstrap key in data.dir]",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one line of JSON."),
)


class Api:
    """An api and a key to it."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        self._key = key

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The decoded answer of one request; raises RequestRejected with the api's problems, and StoreUnavailable."""
        status, body = asyncio.run(self._ask(method, path, more))
        try:
            decoded = json.loads(body) if body else {}
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict) or not (status < 300 or "detail" in decoded):
            raise RequestRejected(f"{self.url} answered {status}; is this the address of a hookward api?")
        if status >= 300:
            problems = (
                Problem(message=str(each.get("message")), pointer=each.get("pointer"), parameter=each.get("parameter"))
                for each in decoded.get("errors", ())
            )
            raise RequestRejected(str(decoded["detail"]), tuple(problems))
        return decoded

    def all(self, path: str, filters: dict[str, str | None]) -> list[dict[str, Any]]:
        """A whole list, page by page."""
        found: list[dict[str, Any]] = []
        parameters = {name: value for name, value in filters.items() if value is not None} | {"limit": str(_PAGE)}
        while True:
            page = self.ask("GET", path, params=parameters)
            found += page["data"]
            if page["nextCursor"] is None:
                return found
            parameters["cursor"] = page["nextCursor"]

    async def _ask(self, method: str, path: str, more: dict[str, Any]) -> tuple[int, bytes]:
        import aiohttp  # noqa: PLC0415  help and mistakes need none

        headers = {"Authorization": f"Bearer {self._key}"}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as client,
                client.request(method, self.url + path, allow_redirects=False, **more) as answer,
            ):
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise StoreUnavailable(f"{self.url} cannot be reached: {type(error).__name__}") from None


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which ``api`` to ask, and ``as_json``; what the api refuses ends it."""

    @wraps(command)
    def run(*, config: Path | None, url: str | None, key: str | None, **given: Any) -> None:
        api = _api(config, url, key)
        try:
            command(api=api, **given)
        except RequestRejected as refused:
            fail(refused)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def _api(config: Path | None, url: str | None, key: str | None) -> Api:
    settings = load_settings(config)
    url = url or f"http://{settings.server.host}:{settings.server.port}"
    if not url.startswith(("http://", "https://")):
        raise ConfigError("--url: must start with http:// or https://")
    return Api(url, key_to_ask_with(key, settings))


def fail(refused: RequestRejected) -> NoReturn:
    """Say what was wrong, all of it, and end."""
    click.echo(f"hookward: {refused.detail}", err=True)
    for each in refused.problems:
        if each.message != refused.detail:
            click.echo(f"  {(each.pointer or each.parameter or '').removeprefix('/')}: {each.message}", err=True)
    raise SystemExit(EXIT_REFUSED)


def key_to_ask_with(key: str | None, settings: Settings) -> str:
    """The key that was given, else the bootstrap key at hand; raises ConfigError that says how to give one."""
    from hookward.bootstrap.stores import find_bootstrap_key  # noqa: PLC0415  it loads all that a service is made of

    try:
        key = key or find_bootstrap_key(settings)
    except ConfigError as error:
        raise ConfigError(f"--key: needed to ask the api; HOOKWARD_KEY sets it too ({error})") from None
    if key is None or not (key.isascii() and key.isprintable()):
        raise ConfigError("--key: must be an API key; HOOKWARD_KEY sets it too")
    return key
