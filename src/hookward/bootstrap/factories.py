"""The ring of master keys, and the check that it is the right one.

What several roles are made of.

Where attempts get their access tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from hookward import __version__
from hookward.adapters.catalog import load_catalog
from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.adapters.crypto.secret_files import read_secret, read_secrets
from hookward.adapters.http.connector import SenderBounds
from hookward.adapters.http.sender import HttpSender
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

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeys:
    """The master keys, the one that seals first, and the ``setting`` that it comes from."""

    keys: tuple[bytes, ...] = field(repr=False)
    setting: str


def load_master_keys(settings: Settings) -> MasterKeys:
    """The configured keys, or those in the file that ``serve`` made in the data directory; raises ConfigError."""
    security = settings.security
    if security.master_key is not None:
        return MasterKeys(keys=(security.master_key, *security.old_master_keys), setting="security.master_key")
    setting, file = "security.master_key_file", security.master_key_file
    if file is None:
        setting, file = "security.master_key", settings.data.dir / MASTER_KEY_FILE
        read_secret(file, setting)  # says how to get one, where there is none
    try:
        keys = [parse_master_key(each) for each in read_secrets(file, setting)]
    except ValueError as error:
        raise ConfigError(f"{setting}: a line of {file} is not right; must be {error}") from None
    return MasterKeys(keys=(*keys, *security.old_master_keys), setting=setting)


async def check_master_keys(database: ConnectionPool, settings: Settings, sealer: AesGcmSealer) -> None:
    """Raise ConfigError unless the keys open what is sealed in the database, or when it has no schema.

    Waits a moment for a database that is away, then raises StoreUnavailable: whoever started us may start us again.
    """
    setting = load_master_keys(settings).setting
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        try:
            await require_schema(database)
            return await verify_master_keys(sealer, PostgresSealed(database), setting=setting)
        except StoreUnavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def open_master_key_rotation(settings: Settings) -> AsyncIterator[MasterKeyRotation]:
    """What changes the key that secrets are sealed with, directly on the store."""
    keys = load_master_keys(settings)
    async with open_pool(find_stores(settings).database_url, name="hookward secrets", size=2) as database:
        await require_schema(database)
        yield MasterKeyRotation(AesGcmSealer(*keys.keys), PostgresSealed(database), setting=keys.setting)


_TOKEN_ANSWER = 64 * 1024
_TOKEN_LOOKUPS = 8
USER_AGENT = f"Hookward/{__version__}"


def built_in_types() -> dict[str, ResourceType]:
    """The catalog by name."""
    return {each.name: each for each in load_catalog()}


def build_sealer(settings: Settings) -> AesGcmSealer:
    """What seals secrets at rest and opens them."""
    return AesGcmSealer(*load_master_keys(settings).keys)


def open_sender(settings: Settings, bounds: SenderBounds | None = None) -> HttpSender:
    """The way out, behind the egress guard; opened in the running loop."""
    egress = settings.egress
    policy = EgressPolicy(allow=egress.allow, deny=egress.deny, ports=egress.ports)
    return HttpSender(policy, bounds=bounds, proxy=egress.proxy)


def open_token_sender(settings: Settings) -> HttpSender:
    """The way out to token endpoints, through the same guard and proxy, which keeps no connections.

    What is used again may be resent on, and a refresh token that is sent twice looks stolen. Nor can one account's
    request follow another's, whatever its party.
    """
    bounds = SenderBounds(
        log_limit=_TOKEN_ANSWER, answer_limit=_TOKEN_ANSWER, kept_connections=0, dns_threads=_TOKEN_LOOKUPS
    )
    return open_sender(settings, bounds)


def build_accounts(database: ConnectionPool, settings: Settings, *, clock: Clock, random: Random) -> Accounts:
    """The use cases of accounts."""
    retention = settings.retention
    return Accounts(
        PostgresAccounts(database), clock=clock, random=random, days=retention.days, max_days=retention.max_days
    )


@asynccontextmanager
async def open_tokens(
    settings: Settings, database: ConnectionPool, sealer: Sealer, *, clock: Clock, random: Random, log: Log
) -> AsyncIterator[Tokens]:
    """Tokens of one process; on the way out what was asked for comes to its end and is written."""
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
