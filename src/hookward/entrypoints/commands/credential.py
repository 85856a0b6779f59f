"""The key to ask the api with."""

from __future__ import annotations

from hookward.config import Settings
from hookward.domain.errors import ConfigError


def key_to_ask_with(key: str | None, settings: Settings) -> str:
    """The key that was given, else the bootstrap key at hand; raises ConfigError that says how to give one."""
    from hookward.bootstrap.stores import bootstrap_key  # noqa: PLC0415  it loads all that a service is made of

    try:
        key = key or bootstrap_key(settings)
    except ConfigError as error:
        raise ConfigError(f"--key: needed to ask the api; HOOKWARD_KEY sets it too ({error})") from None
    if key is None or not (key.isascii() and key.isprintable()):
        raise ConfigError("--key: must be an API key; HOOKWARD_KEY sets it too")
    return key
