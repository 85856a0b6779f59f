"""What the handlers of the api work with, in one group for each room of the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from hookward.application.access.accounts import Accounts
from hookward.application.access.api_keys import ApiKeys
from hookward.application.access.authenticator import ApiKeyCache
from hookward.application.crypto_keys.jwks import PublishedKeys
from hookward.application.crypto_keys.service import CryptoKeys
from hookward.application.delivery.test_send import WatchTester
from hookward.application.events.intake import EventIntake
from hookward.application.history.erasures import Erasures
from hookward.application.history.model import DeliveryLog, EventLog
from hookward.application.history.replays import Replays
from hookward.application.ports import Clock, Log, Random
from hookward.application.resource_types.cache import ResourceTypeCache
from hookward.application.resource_types.routes import AccountRouteCache
from hookward.application.resource_types.service import ResourceTypes
from hookward.application.watches.authorizations import WatchAuthorizations
from hookward.application.watches.changes import WatchChanges
from hookward.application.watches.service import Watches
from hookward.domain.resource_types.model import CompiledType


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessParts:
    """Accounts and API keys. ``known_keys`` authenticates requests; ``bootstrap_key`` is the configured admin key."""

    accounts: Accounts
    api_keys: ApiKeys
    known_keys: ApiKeyCache
    bootstrap_key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceTypeParts:
    """Resource types: those of the catalog, and those of accounts with their paths."""

    built_in: Mapping[str, CompiledType]
    cache: ResourceTypeCache
    routes: AccountRouteCache
    service: ResourceTypes


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchParts:
    """Watches, their authorization, and test sends."""

    service: Watches
    changes: WatchChanges
    authorizations: WatchAuthorizations
    tester: WatchTester


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoKeyParts:
    """Crypto keys, and the public ones as a key set."""

    service: CryptoKeys
    published: PublishedKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryParts:
    """The log of deliveries and events, and what changes it."""

    deliveries: DeliveryLog
    events: EventLog
    replays: Replays
    erasures: Erasures


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """Everything that handlers work with.

    ``checks`` tell by name whether a dependency can be reached. Mirrored paths and watch routes are served below the
    root and below each of ``path_prefixes``.
    """

    access: AccessParts
    events: EventIntake
    resource_types: ResourceTypeParts
    watches: WatchParts
    crypto_keys: CryptoKeyParts
    history: HistoryParts
    checks: Mapping[str, Callable[[], Awaitable[bool]]]
    path_prefixes: tuple[str, ...]
    clock: Clock
    random: Random
    log: Log
