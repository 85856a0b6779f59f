"""What several roles are made of."""

from __future__ import annotations

from hookward import __version__
from hookward.adapters.catalog import load_catalog
from hookward.adapters.http_connector import SenderBounds
from hookward.adapters.http_sender import HttpSender
from hookward.adapters.postgres.accounts import PostgresAccounts
from hookward.adapters.postgres.pool import Database
from hookward.adapters.sealing import AesGcmSealer
from hookward.application.accounts import Accounts
from hookward.application.ports import Chance, Clock
from hookward.bootstrap.master_keys import master_keys
from hookward.config import Settings
from hookward.domain.egress import EgressPolicy
from hookward.domain.resource_type import ResourceType

_TOKEN_ANSWER = 64 * 1024
_TOKEN_LOOKUPS = 8
USER_AGENT = f"Hookward/{__version__}"


def built_in_types() -> dict[str, ResourceType]:
    """The catalog by name."""
    return {each.name: each for each in load_catalog()}


def sealer_of(settings: Settings) -> AesGcmSealer:
    """What seals secrets at rest and opens them."""
    return AesGcmSealer(*master_keys(settings).keys)


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


def accounts_of(database: Database, settings: Settings, *, clock: Clock, chance: Chance) -> Accounts:
    """The use cases of accounts."""
    retention = settings.retention
    return Accounts(
        PostgresAccounts(database), clock=clock, chance=chance, days=retention.days, max_days=retention.max_days
    )
