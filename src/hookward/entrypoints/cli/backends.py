"""Where commands on accounts and API keys work: at the api, or directly on the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from hookward.config import Settings
from hookward.domain.errors import ConfigError, NotFound
from hookward.domain.ids import IdPrefix, from_text
from hookward.entrypoints.cli.client import ApiClient, ConnectionOptions, JsonObject, open_api_client
from hookward.entrypoints.cli.options import connected


class Backend(Protocol):
    """Manages accounts and API keys. Arguments and results are JSON objects as in requests and responses of the api.

    Every method raises RequestRejected with the problems of its arguments.
    """

    async def create_key(self, properties: JsonObject) -> JsonObject:
        """Create an API key and return it with its ``key``, which is not shown again."""

    async def list_keys(self, owner: str | None) -> list[JsonObject]:
        """Return the keys that are not revoked; with ``owner``, those of this owner."""

    async def revoke_key(self, key_id: str) -> None:
        """Revoke a key; raises NotFound if there is none with this id."""

    async def create_account(self, properties: JsonObject) -> JsonObject:
        """Create an account and return it with the ``key`` of its first admin, which is not shown again."""

    async def list_accounts(self) -> list[JsonObject]:
        """Return all accounts, oldest first."""


class ApiBackend:
    """Asks the api: does what the API key may do."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def create_key(self, properties: JsonObject) -> JsonObject:
        return await self._api.request("POST", "/v1/api-keys", body=properties)

    async def list_keys(self, owner: str | None) -> list[JsonObject]:
        return await self._api.request_all("/v1/api-keys", {"owner": owner})

    async def revoke_key(self, key_id: str) -> None:
        if from_text(IdPrefix.API_KEY, key_id) is None:
            raise NotFound("there is no such API key")
        await self._api.request("DELETE", f"/v1/api-keys/{key_id}")

    async def create_account(self, properties: JsonObject) -> JsonObject:
        return await self._api.request("POST", "/v1/accounts", body=properties)

    async def list_accounts(self) -> list[JsonObject]:
        return await self._api.request_all("/v1/accounts", {})


@asynccontextmanager
async def open_backend(connection: ConnectionOptions, settings: Settings) -> AsyncIterator[Backend]:
    """Open the api if a URL or a key is given, else the configured database; raises ConfigError if that cannot be."""
    if connection.url is None and connection.key is None:
        from hookward.entrypoints.cli.database import open_database  # noqa: PLC0415  it imports the whole service

        async with open_database(settings, connection.account or "default") as backend:
            yield backend
        return
    if connection.account is not None:
        raise ConfigError("--account: over HTTP the account is that of the key; leave one of them out")
    async with open_api_client(connection, settings) as api:
        yield ApiBackend(api)


with_backend = connected(open_backend, url_help="Ask the api at this address, instead of working on the database.")
"""Opens the Backend of a command."""
