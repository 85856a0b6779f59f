"""The ring of master keys, and the check that it is the right one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hookward.adapters.postgres.pool import Database, open_database
from hookward.adapters.postgres.sealed import PostgresSealed
from hookward.adapters.sealing import AesGcmSealer
from hookward.adapters.secret_files import read_secret, read_secrets
from hookward.application.key_check import admit
from hookward.application.reseal import Resealer
from hookward.bootstrap.stores import MASTER_KEY_FILE, find_stores, require_schema
from hookward.config import Settings
from hookward.config_values import master_key
from hookward.domain.errors import ConfigError, StoreUnavailable

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeys:
    """The master keys, the one that seals first, and the ``setting`` that it comes from."""

    keys: tuple[bytes, ...] = field(repr=False)
    setting: str


def master_keys(settings: Settings) -> MasterKeys:
    """The configured keys, or those in the file that ``serve`` made in the data directory; raises ConfigError."""
    security = settings.security
    if security.master_key is not None:
        return MasterKeys(keys=(security.master_key, *security.old_master_keys), setting="security.master_key")
    setting, file = "security.master_key_file", security.master_key_file
    if file is None:
        setting, file = "security.master_key", settings.data.dir / MASTER_KEY_FILE
        read_secret(file, setting)  # says how to get one, where there is none
    try:
        keys = [master_key(each) for each in read_secrets(file, setting)]
    except ValueError as error:
        raise ConfigError(f"{setting}: a line of {file} is not right; must be {error}") from None
    return MasterKeys(keys=(*keys, *security.old_master_keys), setting=setting)


async def check_master_keys(database: Database, settings: Settings, sealer: AesGcmSealer) -> None:
    """Raise ConfigError unless the keys open what is sealed in the database, or when it has no schema.

    Waits a moment for a database that is away, then raises StoreUnavailable: whoever started us may start us again.
    """
    setting = master_keys(settings).setting
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        try:
            await require_schema(database)
            return await admit(sealer, PostgresSealed(database), setting=setting)
        except StoreUnavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def open_resealer(settings: Settings) -> AsyncIterator[Resealer]:
    """What changes the key that secrets are sealed with, directly on the store."""
    keys = master_keys(settings)
    async with open_database(find_stores(settings).database_url, name="hookward secrets", size=2) as database:
        await require_schema(database)
        yield Resealer(AesGcmSealer(*keys.keys), PostgresSealed(database), setting=keys.setting)
