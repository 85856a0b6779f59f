"""The HTTP client of the command line, and the API key that it sends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hookward.config import Settings
from hookward.domain.errors import ConfigError, NotFound, Problem, RequestRejected, StoreUnavailable
from hookward.domain.json import encode_exact

if TYPE_CHECKING:
    import aiohttp

_TIMEOUT_SECONDS = 60.0
_PAGE_SIZE = 200

JsonObject: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """The connection options of one command, as given; ``None`` where an option is not given."""

    config: Path | None
    url: str | None
    key: str | None = field(repr=False)
    account: str | None = None


class ApiClient:
    """Sends requests with one API key to the api at ``url``."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: JsonObject | None = None
    ) -> JsonObject:
        """Send a request, with ``body`` as JSON, and return the decoded response; ``{}`` if it is empty.

        Raises NotFound for a 404 and RequestRejected for any other refusal, with the problems that the api names, and
        StoreUnavailable if the api cannot be reached.
        """
        status, raw = await self._send(method, path, params, None if body is None else encode_exact(body))
        try:
            decoded = json.loads(raw) if raw else {}
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict) or not (200 <= status < 300 or "detail" in decoded):
            raise RequestRejected(
                f"{self._url} returned status {status} and no JSON of Hookward; is this the address of a Hookward api?"
            )
        if status >= 300:
            refusal = NotFound if status == HTTPStatus.NOT_FOUND else RequestRejected
            raise refusal(str(decoded["detail"]), tuple(map(_read_problem, decoded.get("errors", ()))))
        return decoded

    async def request_all(self, path: str, filters: Mapping[str, str | None]) -> list[JsonObject]:
        """Return all items of a list, requested page by page. Filters that are ``None`` are left out."""
        items: list[JsonObject] = []
        params = {name: value for name, value in filters.items() if value is not None} | {"limit": str(_PAGE_SIZE)}
        while True:
            page = await self.request("GET", path, params=params)
            items += page["data"]
            if page["nextCursor"] is None:
                return items
            params["cursor"] = page["nextCursor"]

    async def _send(
        self, method: str, path: str, params: Mapping[str, str] | None, data: bytes | None
    ) -> tuple[int, bytes]:
        import aiohttp  # noqa: PLC0415  --help and mistakes do not need it

        headers = {} if data is None else {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                method, self._url + path, params=params, data=data, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise StoreUnavailable(f"{self._url} cannot be reached: {type(error).__name__}") from None


@asynccontextmanager
async def open_api_client(connection: ConnectionOptions, settings: Settings) -> AsyncIterator[ApiClient]:
    """Open a client of the api that the options name; raises ConfigError if the URL or the key cannot be used."""
    import aiohttp  # noqa: PLC0415

    url = connection.url or f"http://{settings.server.host}:{settings.server.port}"
    if not url.startswith(("http://", "https://")):
        raise ConfigError("--url: must start with http:// or https://")
    headers = {"Authorization": f"Bearer {_find_key(connection.key, settings)}"}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield ApiClient(session, url.rstrip("/"))


def _find_key(key: str | None, settings: Settings) -> str:
    """Return the key of the options, or else the bootstrap key; ConfigError says how to give one."""
    from hookward.bootstrap.stores import find_bootstrap_key  # noqa: PLC0415  it imports the database driver

    try:
        key = key or find_bootstrap_key(settings)
    except ConfigError as error:
        raise ConfigError(f"--key: needed to ask the api; HOOKWARD_KEY sets it too ({error})") from None
    if key is None or not (key.isascii() and key.isprintable()):
        raise ConfigError("--key: must be an API key; HOOKWARD_KEY sets it too")
    return key


def _read_problem(error: JsonObject) -> Problem:
    return Problem(message=str(error.get("message")), pointer=error.get("pointer"), parameter=error.get("parameter"))
