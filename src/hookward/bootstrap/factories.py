"""Parts that several processes share: master keys, senders, accounts, access tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from hookward import __version__
from hookward.adapters.catalog import load_catalog
from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.adapters.crypto.secret_files import read_secret, read_secrets
from hookward.adapters.http_client.connector import SenderBounds
from hookward.adapters.http_client.sender import HttpSender
from hookward.adapters.oauth.endpoint import HttpTokenEndpoint
from hookward.adapters.postgres.accounts import PostgresAccounts
from hookward.adapters.postgres.credentials import PostgresCredentials
from hookward.adapters.postgres.pool import ConnectionPool, open_pool
from hookward.adapters.postgres.sealed import PostgresSealed
from hookward.adapters.valkey.token_cache import ValkeyTokens, open_token_client
from hookward.application.access.accounts import Accounts
from hookward.application.oauth.tokens import Tokens
from hookward.application.ports import Clock, Log, Random, Sealer
from hookward.application.sealing.key_check import verify_master_keys
from hookward.application.sealing.rotation import MasterKeyRotation
from hookward.bootstrap.stores import MASTER_KEY_FILE, find_stores, require_schema
from hookward.config import Settings
from hookward.config_values import parse_master_key
from hookward.domain.egress import EgressPolicy
from hookward.domain.errors import ConfigError, StoreUnavailable
from hookward.domain.resource_types.model import ResourceType

_DATABASE_WAIT_SECONDS = 10.0
_RETRY_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeys:
    """The master keys, first the one that new secrets are sealed with, and the ``setting`` that they come from."""

    keys: tuple[bytes, ...] = field(repr=False)
    setting: str


def load_master_keys(settings: Settings) -> MasterKeys:
    """Return the configured keys, or those in the file that ``serve`` made in data.dir; raises ConfigError."""
    security = settings.security
    if security.master_key is not None:
        return MasterKeys(keys=(security.master_key, *security.old_master_keys), setting="security.master_key")
    setting, file = "security.master_key_file", security.master_key_file
    if file is None:
        setting, file = "security.master_key", settings.data.dir / MASTER_KEY_FILE
        read_secret(file, setting)  # raises an error that says how to get one
    try:
        keys = [parse_master_key(each) for each in read_secrets(file, setting)]
    except ValueError as error:
        raise ConfigError(f"{setting}: a line of {file} is not right; must be {error}") from None
    return MasterKeys(keys=(*keys, *security.old_master_keys), setting=setting)


async def check_master_keys(database: ConnectionPool, settings: Settings, sealer: AesGcmSealer) -> None:
    """Raise ConfigError if the keys do not open the secrets in the database, or if it does not have the schema.

    Waits up to 10 s for a database that cannot be reached, then raises StoreUnavailable: the process may be restarted.
    """
    setting = load_master_keys(settings).setting
    deadline = asyncio.get_running_loop().time() + _DATABASE_WAIT_SECONDS
    while True:
        try:
            await require_schema(database)
            return await verify_master_keys(sealer, PostgresSealed(database), setting=setting)
        except StoreUnavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)


@asynccontextmanager
async def open_master_key_rotation(settings: Settings) -> AsyncIterator[MasterKeyRotation]:
    """Open the use case that re-encrypts all secrets with the first master key, directly on the database."""
    keys = load_master_keys(settings)
    async with open_pool(find_stores(settings).database_url, name="hookward secrets", size=2) as database:
        await require_schema(database)
        yield MasterKeyRotation(AesGcmSealer(*keys.keys), PostgresSealed(database), setting=keys.setting)


_TOKEN_ANSWER = 64 * 1024
_TOKEN_LOOKUPS = 8
USER_AGENT = f"Hookward/{__version__}"


def built_in_types() -> dict[str, ResourceType]:
    """Return the built-in resource types by name."""
    return {each.name: each for each in load_catalog()}


def build_sealer(settings: Settings) -> AesGcmSealer:
    """Return the sealer that encrypts stored secrets, with the configured master keys."""
    return AesGcmSealer(*load_master_keys(settings).keys)


def open_sender(settings: Settings, bounds: SenderBounds | None = None) -> HttpSender:
    """Return a sender of requests that respects the egress settings; call it in the running event loop."""
    egress = settings.egress
    policy = EgressPolicy(allow=egress.allow, deny=egress.deny, ports=egress.ports)
    return HttpSender(policy, bounds=bounds, proxy=egress.proxy)


def open_token_sender(settings: Settings) -> HttpSender:
    """Return a sender for token requests. It respects the same egress settings and keeps no connections.

    A request on a kept connection may be sent twice, and a refresh token that is sent twice looks stolen. Without kept
    connections no account's request follows another's on one connection either.
    """
    bounds = SenderBounds(
        log_limit=_TOKEN_ANSWER, answer_limit=_TOKEN_ANSWER, kept_connections=0, dns_threads=_TOKEN_LOOKUPS
    )
    return open_sender(settings, bounds)


def build_accounts(database: ConnectionPool, settings: Settings, *, clock: Clock, random: Random) -> Accounts:
    """Return the use cases of accounts."""
    retention = settings.retention
    return Accounts(
        PostgresAccounts(database), clock=clock, random=random, days=retention.days, max_days=retention.max_days
    )


@asynccontextmanager
async def open_tokens(
    settings: Settings, database: ConnectionPool, sealer: Sealer, *, clock: Clock, random: Random, log: Log
) -> AsyncIterator[Tokens]:
    """Open the access tokens of one process. On exit, requests that are under way are finished and stored."""
    timeout = settings.oauth.timeout
    async with AsyncExitStack() as stack:
        sender = await stack.enter_async_context(open_token_sender(settings))
        client = open_token_client(find_stores(settings).queue_url)
        stack.push_async_callback(client.aclose, close_connection_pool=True)
        tokens = Tokens(
            PostgresCredentials(database),
            ValkeyTokens(client, sealer, clock=clock, log=log),
            HttpTokenEndpoint(sender, timeout=timeout, clock=clock, random=random, log=log),
            sealer,
            timeout=timeout,
            clock=clock,
            random=random,
            log=log,
        )
        stack.push_async_callback(tokens.close, seconds=min(timeout, settings.worker.grace))
        yield tokens
