"""Where commands on accounts and keys take effect: at the api, or directly on the store.

Where a command takes effect, and what can be done there.

Going to where a command takes effect. What that takes is loaded only then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiohttp
import msgspec

from hookward.application.access.accounts import AccountRecord
from hookward.application.access.api_keys import ApiKeyRecord
from hookward.bootstrap.cli import Administration, open_administration
from hookward.config import Settings, load_settings
from hookward.domain.errors import ConfigError, NotFound, Problem, RequestRejected, StoreUnavailable
from hookward.domain.ids import AccountRef, ApiKeyId, IdPrefix, from_text
from hookward.entrypoints.api.resources.accounts import (
    account_answer,
    api_key_answer,
    new_account_answer,
    new_api_key_answer,
)
from hookward.entrypoints.cli.client import key_to_ask_with
from hookward.observability import configure_logs

_PAGE = 200
_TIMEOUT = aiohttp.ClientTimeout(total=30)


@asynccontextmanager
async def open_desk(reach: Reach, settings: Settings) -> AsyncIterator[Desk]:
    """The api, where a URL or a key is given, else the store; raises ConfigError when neither can be reached so."""
    if reach.url is None and reach.key is None:
        async with open_administration(settings) as administration:
            yield _StoreDesk(administration, reach.account or "default")
        return
    if reach.account is not None:
        raise ConfigError("--account: over HTTP the account is that of the key; leave one of them out")
    url = reach.url or f"http://{settings.server.host}:{settings.server.port}"
    if not url.startswith(("http://", "https://")):
        raise ConfigError("--url: must start with http:// or https://")
    key = key_to_ask_with(reach.key, settings)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}, timeout=_TIMEOUT) as client:
        yield _HttpDesk(client, url.rstrip("/"))


class _StoreDesk:
    """Directly on the store: whoever has its address needs no key, and may do everything."""

    def __init__(self, administration: Administration, account: str) -> None:
        self._accounts = administration.accounts
        self._keys = administration.api_keys
        self._account = account

    async def create_key(self, given: Answer) -> Answer:
        account = await self._find_account()
        return _plain(new_api_key_answer(*await self._keys.create(account.id, given, may_operate=True)))

    async def keys(self, owner: str | None) -> list[Answer]:
        account = await self._find_account()
        rows: list[ApiKeyRecord] = []
        while more := await self._keys.listed(
            account.id, owner=owner, after=rows[-1].id if rows else None, limit=_PAGE
        ):
            rows += more
        return [_plain(api_key_answer(row)) for row in rows]

    async def revoke_key(self, id_: str) -> None:
        account = await self._find_account()
        key = from_text(IdPrefix.API_KEY, id_)
        await self._keys.revoke(account.id, None if key is None else ApiKeyId(key))

    async def create_account(self, given: Answer) -> Answer:
        row, first, key = await self._accounts.create(given)
        return _plain(new_account_answer(row, first, key, days=self._accounts.retention_days(row)))

    async def accounts(self) -> list[Answer]:
        rows: list[AccountRecord] = []
        while more := await self._accounts.listed(after=rows[-1].ref if rows else None, limit=_PAGE):
            rows += more
        return [_plain(account_answer(row, days=self._accounts.retention_days(row))) for row in rows]

    async def _find_account(self) -> AccountRecord:
        ref = from_text(IdPrefix.ACCOUNT, self._account)
        return await (self._accounts.named(self._account) if ref is None else self._accounts.get(AccountRef(ref)))


class _HttpDesk:
    """At the api: whatever the key may do."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self._client = client
        self._url = url

    async def create_key(self, given: Answer) -> Answer:
        return await self._ask("POST", "/v1/api-keys", json=given)

    async def keys(self, owner: str | None) -> list[Answer]:
        return await self._all("/v1/api-keys", {} if owner is None else {"owner": owner})

    async def revoke_key(self, id_: str) -> None:
        if from_text(IdPrefix.API_KEY, id_) is None:
            raise NotFound("there is no such API key")
        await self._ask("DELETE", f"/v1/api-keys/{id_}")

    async def create_account(self, given: Answer) -> Answer:
        return await self._ask("POST", "/v1/accounts", json=given)

    async def accounts(self) -> list[Answer]:
        return await self._all("/v1/accounts", {})

    async def _all(self, path: str, filters: dict[str, str]) -> list[Answer]:
        found: list[Answer] = []
        parameters = {**filters, "limit": str(_PAGE)}
        while True:
            page = await self._ask("GET", path, params=parameters)
            found += page["data"]
            if page["nextCursor"] is None:
                return found
            parameters["cursor"] = page["nextCursor"]

    async def _ask(self, method: str, path: str, **more: Any) -> Answer:
        try:
            async with self._client.request(method, self._url + path, allow_redirects=False, **more) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StoreUnavailable(f"{self._url} cannot be reached: {type(error).__name__}") from None
        try:
            decoded = msgspec.json.decode(body) if body else {}
        except msgspec.DecodeError:
            decoded = None
        if not isinstance(decoded, dict) or not (200 <= status < 300 or "detail" in decoded):
            raise RequestRejected(f"{self._url} answered {status}; is this the address of a hookward api?")
        if status >= 300:
            problems = tuple(
                Problem(message=str(each.get("message")), pointer=each.get("pointer"))
                for each in decoded.get("errors", ())
            )
            raise (NotFound if status == HTTPStatus.NOT_FOUND else RequestRejected)(str(decoded["detail"]), problems)
        return decoded


def _plain(answer: msgspec.Struct) -> Answer:
    shown: Answer = msgspec.to_builtins(answer)
    return shown


Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What was said of where to go: with a URL or a key to the api, else to the store of this configuration."""

    config: Path | None
    url: str | None
    key: str | None = field(repr=False)
    account: str | None = None


class Desk(Protocol):
    """What can be done there; answers are those of the api."""

    async def create_key(self, given: Answer) -> Answer: ...

    async def keys(self, owner: str | None) -> list[Answer]: ...

    async def revoke_key(self, id_: str) -> None: ...

    async def create_account(self, given: Answer) -> Answer: ...

    async def accounts(self) -> list[Answer]: ...


_Done = TypeVar("_Done")


def at_desk(reach: Reach, work: Callable[[Desk], Awaitable[_Done]]) -> _Done:
    """Do ``work`` there; raises RequestRejected, ConfigError or StoreUnavailable."""
    settings = load_settings(reach.config)
    configure_logs("error")

    async def done() -> _Done:
        async with open_desk(reach, settings) as desk:
            return await work(desk)

    return asyncio.run(done())
