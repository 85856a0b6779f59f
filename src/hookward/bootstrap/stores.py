"""Finds the database, the queue and the bootstrap key, embedded or configured."""

from __future__ import annotations

from dataclasses import dataclass, field

from hookward.adapters.crypto.secret_files import read_secret
from hookward.adapters.embedded.data_dir import read_runtime
from hookward.adapters.postgres.pool import ConnectionPool
from hookward.adapters.postgres.upkeep import PostgresUpkeep
from hookward.config import Settings
from hookward.config_values import EMBEDDED
from hookward.domain.errors import ConfigError

MASTER_KEY_FILE = "master_key"
BOOTSTRAP_KEY_FILE = "bootstrap_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The addresses of the stores, embedded or not; they may hold passwords."""

    database_url: str = field(repr=False)
    queue_url: str = field(repr=False)


def find_stores(settings: Settings) -> Stores:
    """Return the configured stores, or those of a running ``serve``; raises ConfigError if none runs."""
    urls = {"database": settings.database.url, "queue": settings.queue.url}
    if EMBEDDED in urls.values():
        runtime = read_runtime(settings.data.dir)
        found = {
            "database": runtime.database_url if runtime else None,
            "queue": runtime.queue_url if runtime else None,
        }
        for name, url in urls.items():
            if url == EMBEDDED:
                embedded = found[name]
                if embedded is None:
                    raise ConfigError(
                        f"{name}.url: {EMBEDDED}, and no hookward serve runs on {settings.data.dir}; "
                        "start one, or set a URL"
                    )
                urls[name] = embedded
    return Stores(database_url=urls["database"], queue_url=urls["queue"])


async def require_schema(database: ConnectionPool) -> None:
    """Raise ConfigError if the database does not have the schema of this version."""
    if not await PostgresUpkeep(database).has_schema():
        raise ConfigError("database.url: the database has no schema of this version; run hookward migrate first")


def find_bootstrap_key(settings: Settings) -> str | None:
    """Return the configured bootstrap key, or the one that ``serve`` made; ``None`` if the database is not embedded."""
    if settings.security.bootstrap_key is not None:
        return settings.security.bootstrap_key
    if settings.database.url != EMBEDDED:
        return None
    return read_secret(settings.data.dir / BOOTSTRAP_KEY_FILE, "security.bootstrap_key")
