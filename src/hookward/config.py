"""Settings: frozen values from a TOML file and the environment. No other module reads the environment.

Values come from ``--config FILE``, then from ``HOOKWARD_<SECTION>__<KEY>``. An unknown or wrong setting raises
ConfigError with one line that names it. Durations end in ``ms s m h d`` and become seconds; lists are comma-separated
in the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from hookward import config_values as read
from hookward.config_values import EMBEDDED
from hookward.domain.crypto_keys.rules import DEFAULT_OVERLAP, MAX_OVERLAP
from hookward.domain.delivery.retry import DEFAULT_SCHEDULE
from hookward.domain.egress import EgressProxy
from hookward.domain.errors import ConfigError
from hookward.domain.watches.model import WatchBounds

ENVIRONMENT_PREFIX = "HOOKWARD_"
OF_COMMANDS = ("HOOKWARD_URL", "HOOKWARD_KEY")
"""Options of the command line: the address of the api, and the key. They are no settings of the service."""

_MAX_TIMEOUT = 30.0
_LEASE_MARGIN = 6.0
_DATA_DIR = Path(".hookward")


def _setting(default: Any, parse: Callable[[object], Any]) -> Any:
    return field(default=default, metadata={"parse": parse})


def _secret(default: Any, parse: Callable[[object], Any]) -> Any:
    return field(default=default, repr=False, metadata={"parse": parse})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the api listens, and its limits for connections; times are in seconds."""

    host: str = _setting("127.0.0.1", read.parse_string)
    port: int = _setting(8420, read.integer_between(1, 65535))
    path_prefixes: tuple[str, ...] = _setting((), read.parse_path_prefixes)
    connections: int = _setting(10_000, read.integer_between(1, 1_000_000))
    request_timeout: float = _setting(60.0, read.duration_between(0.05, 3600))
    idle_timeout: float = _setting(660.0, read.duration_between(0.05, 86400))
    public_url: str | None = _setting(None, read.parse_public_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """The directory of embedded stores and generated secrets."""

    dir: Path = _setting(_DATA_DIR, read.parse_path)  # noqa: RUF009  _setting only makes a field


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """PostgreSQL, which stores everything."""

    url: str = _secret(EMBEDDED, read.url_with_scheme("postgresql", "postgres"))
    pool_size: int = _setting(8, read.integer_between(2, 200))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """Valkey or Redis, for wake-ups."""

    url: str = _secret(EMBEDDED, read.url_with_scheme("redis", "rediss", "unix"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuritySettings:
    """Secrets of the service itself."""

    bootstrap_key: str | None = _secret(None, read.parse_bootstrap_key)
    master_key: bytes | None = _secret(None, read.parse_master_key)
    master_key_file: Path | None = _setting(None, read.parse_path)  # noqa: RUF009  _setting only makes a field
    old_master_keys: tuple[bytes, ...] = _secret((), read.parse_master_keys)
    key_overlap: float = _setting(DEFAULT_OVERLAP, read.duration_between(0, MAX_OVERLAP))


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings:
    """Which addresses deliveries and token requests may reach, and through which proxy."""

    allow: tuple[read.Network, ...] = _setting((), read.parse_networks)
    deny: tuple[read.Network, ...] = _setting((), read.parse_networks)
    ports: tuple[range, ...] = _setting((), read.parse_ports)
    proxy: EgressProxy | None = _secret(None, read.parse_proxy_setting)  # noqa: RUF009  as above


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Worker processes and their limits; times are in seconds."""

    processes: int = _setting(1, read.integer_between(1, 64))
    lease: float = _setting(45.0, read.duration_between(3, 600))
    grace: float = _setting(20.0, read.duration_between(0, 600))
    in_flight: int = _setting(1024, read.integer_between(1, 10000))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """Defaults and bounds of every watch; times are in seconds."""

    schedule: tuple[float, ...] = _setting(DEFAULT_SCHEDULE, read.parse_durations)
    timeout: float = _setting(15.0, read.duration_between(0.05, _MAX_TIMEOUT))
    concurrency: int = _setting(16, read.integer_between(1, 1000))
    max_timeout: float = _setting(_MAX_TIMEOUT, read.duration_between(0.05, _MAX_TIMEOUT))
    max_concurrency: int = _setting(100, read.integer_between(1, 1000))
    max_retries: int = _setting(30, read.integer_between(0, 100))
    max_wait: float = _setting(7 * 86400.0, read.duration_between(0, 30 * 86400))


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSettings:
    """Requests for access tokens; times are in seconds."""

    timeout: float = _setting(10.0, read.duration_between(0.05, _MAX_TIMEOUT))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """For how many days finished deliveries are kept, and the most days that an account may choose."""

    days: int = _setting(10, read.integer_between(1, 3650))
    max_days: int = _setting(90, read.integer_between(1, 3650))


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Limits of one account."""

    backlog: int = _setting(1_000_000, read.integer_between(1, 1_000_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", read.choice_of("debug", "info", "warning", "error")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings."""

    server: ServerSettings = field(default_factory=ServerSettings)
    data: DataSettings = field(default_factory=DataSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    egress: EgressSettings = field(default_factory=EgressSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    oauth: OAuthSettings = field(default_factory=OAuthSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    log: LogSettings = field(default_factory=LogSettings)


def public_url(settings: Settings) -> str:
    """Return the address of the service for browsers and partners."""
    server = settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    return server.public_url or f"http://{host}:{server.port}"


def configured_watch_bounds(settings: Settings) -> WatchBounds:
    """Return the bounds of a watch's options: the configured ones, but at least the defaults.

    The timeout is at most what the lease leaves room for.
    """
    delivery = settings.delivery
    return WatchBounds(
        timeout=min(max(delivery.max_timeout, delivery.timeout), settings.worker.lease - _LEASE_MARGIN),
        concurrency=max(delivery.max_concurrency, delivery.concurrency),
        retries=max(delivery.max_retries, len(delivery.schedule)),
        wait=max(delivery.max_wait, *delivery.schedule, 0.0),
    )


_SECTIONS: dict[str, type[Any]] = {
    "server": ServerSettings,
    "data": DataSettings,
    "database": DatabaseSettings,
    "queue": QueueSettings,
    "security": SecuritySettings,
    "egress": EgressSettings,
    "worker": WorkerSettings,
    "delivery": DeliverySettings,
    "oauth": OAuthSettings,
    "retention": RetentionSettings,
    "limits": LimitSettings,
    "log": LogSettings,
}


def load_settings(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises ConfigError with one line that names the setting and the expected value."""
    values: dict[str, dict[str, object]] = {}
    if file is not None:
        _read_file(file, values)
    _read_environment(os.environ if environ is None else environ, values)  # noqa: TID251  this is the only reader
    sections = {}
    for name, given in values.items():
        kind = _SECTIONS.get(name)
        if kind is None:
            raise ConfigError(f"{name}: unknown section; known are {', '.join(_SECTIONS)}")
        sections[name] = kind(**{key: _parse(name, kind, key, value) for key, value in given.items()})
    settings = Settings(**sections)
    _check(settings)
    return settings


def environment_without_settings() -> dict[str, str]:
    """Return the environment without Hookward's settings, for a child process configured by a file only."""
    return {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}  # noqa: TID251


def _check(settings: Settings) -> None:
    needed = settings.delivery.timeout + _LEASE_MARGIN
    if settings.worker.lease < needed:
        raise ConfigError(
            f"worker.lease: {settings.worker.lease:g}s is too short for delivery.timeout "
            f"{settings.delivery.timeout:g}s; needs at least {needed:g}s"
        )
    if settings.retention.days > settings.retention.max_days:
        raise ConfigError(
            f"retention.days: {settings.retention.days} is over retention.max_days, {settings.retention.max_days}"
        )
    security = settings.security
    if security.master_key is not None and security.master_key_file is not None:
        raise ConfigError("security.master_key_file: set together with security.master_key; leave one of them out")
    if settings.database.url != EMBEDDED and security.master_key is None and security.master_key_file is None:
        raise ConfigError(
            "security.master_key: must be set when database.url is; 32 random bytes in base64 "
            "(or security.master_key_file)"
        )


def _read_file(file: Path, values: dict[str, dict[str, object]]) -> None:
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {file}: not TOML: {error}") from None
    for name, section in document.items():
        if not isinstance(section, dict):
            raise ConfigError(f"{name}: must be a section, written [{name}]")
        values.setdefault(name, {}).update(section)


def _read_environment(environ: Mapping[str, str], values: dict[str, dict[str, object]]) -> None:
    for name, value in environ.items():
        section, separator, key = name.removeprefix(ENVIRONMENT_PREFIX).partition("__")
        if not name.startswith(ENVIRONMENT_PREFIX) or name in OF_COMMANDS:
            continue
        if not separator:
            raise ConfigError(f"{name}: unknown setting; settings are named {ENVIRONMENT_PREFIX}<SECTION>__<KEY>")
        values.setdefault(section.lower(), {})[key.lower()] = value


def _parse(section: str, kind: type[Any], key: str, value: object) -> Any:
    known = {each.name: each for each in fields(kind)}
    if key not in known:
        raise ConfigError(f"{section}.{key}: unknown setting; known are {', '.join(known)}")
    try:
        return known[key].metadata["parse"](value)
    except ValueError as error:
        secret = section == "security" or key in {"url", "proxy"}  # or it may hold one
        shown = "the value given" if secret else repr(value)
        raise ConfigError(f"{section}.{key}: {shown} is not right; must be {error}") from None
