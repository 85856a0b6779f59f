"""Parts of the api of which a test gives some: the others are missing, and using one of them fails."""

from __future__ import annotations

from typing import Any, cast

from hookward.application.events.intake import EventIntake
from hookward.bootstrap.api_parts import (
    AccessParts,
    ApiParts,
    CryptoKeyParts,
    HistoryParts,
    ResourceTypeParts,
    WatchParts,
)

_MISSING = cast("Any", None)


def access_parts(*, known_keys: Any = None, bootstrap_key: str | None = None) -> AccessParts:
    """Return what authenticates requests, without accounts and API keys to manage."""
    return AccessParts(accounts=_MISSING, api_keys=_MISSING, known_keys=known_keys, bootstrap_key=bootstrap_key)


def resource_type_parts(built_in: Any, *, cache: Any = None, routes: Any = None) -> ResourceTypeParts:
    """Return resource types to publish and watch, without a use case that manages them."""
    return ResourceTypeParts(built_in=built_in, cache=cache, routes=routes, service=_MISSING)


def api_parts(
    *,
    access: AccessParts | None = None,
    events: EventIntake | None = None,
    resource_types: ResourceTypeParts | None = None,
    watches: WatchParts | None = None,
    crypto_keys: CryptoKeyParts | None = None,
    history: HistoryParts | None = None,
    path_prefixes: tuple[str, ...] = (),
    clock: Any = None,
    random: Any = None,
    log: Any = None,
) -> ApiParts:
    """Return these parts."""
    return ApiParts(
        access=access_parts() if access is None else access,
        events=_MISSING if events is None else events,
        resource_types=_MISSING if resource_types is None else resource_types,
        watches=_MISSING if watches is None else watches,
        crypto_keys=_MISSING if crypto_keys is None else crypto_keys,
        history=_MISSING if history is None else history,
        checks={},
        path_prefixes=path_prefixes,
        clock=clock,
        random=random,
        log=log,
    )
