"""What handlers work with: the use cases and who is asking."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from hookward.application.accounts import Accounts
from hookward.application.api_keys import ApiKeys
from hookward.application.backlog import Backlogs
from hookward.application.crypto_keys import CryptoKeys
from hookward.application.erase import Erasures
from hookward.application.keyring import Keyring
from hookward.application.log import DeliveryLog, EventLog
from hookward.application.ports import Chance, Clock, Log
from hookward.application.publish import Publisher
from hookward.application.replay import Replays
from hookward.application.resource_types import ResourceTypes
from hookward.application.route_book import RouteBook
from hookward.application.trial import Trials
from hookward.application.type_book import TypeBook
from hookward.application.watch_changes import WatchChanges
from hookward.application.watches import Watches
from hookward.domain.access import Caller, Scope, is_key_text, key_digest
from hookward.domain.errors import Forbidden
from hookward.domain.event_rules import KnownType
from hookward.domain.ids import AccountId
from hookward.entrypoints.api.answers import Unauthorized

__all__ = ["SERVICE", "Caller", "Keys", "Scope", "Service"]


class Keys:
    """Who stands behind an ``Authorization`` header: the bootstrap key, or one of the keyring's."""

    def __init__(self, bootstrap_key: str | None, keyring: Keyring, *, account: AccountId) -> None:
        self._bootstrap = key_digest(bootstrap_key) if bootstrap_key else b""
        self._operator = Caller(account=account, scopes=frozenset({Scope.OPERATOR, Scope.ADMIN}))
        self._keyring = keyring

    async def authorize(self, header: str | None, scope: Scope) -> Caller:
        """The caller; raises Unauthorized, Forbidden, or StoreUnavailable where it cannot be told."""
        caller = await self.caller(header)
        check_scope(caller, scope)
        return caller

    async def caller(self, header: str | None) -> Caller:
        """Who it is, whatever they may do; raises Unauthorized, or StoreUnavailable where it cannot be told."""
        if header is None:
            raise Unauthorized("no key; send Authorization: Bearer <key>")
        key = _key_in(header)
        given = key_digest(key)
        if hmac.compare_digest(given, self._bootstrap):
            caller: Caller | None = self._operator
        else:
            caller = await self._keyring.caller(given) if is_key_text(key) else None
        if caller is None:
            raise Unauthorized("this key is not known, or was revoked")
        return caller


def check_scope(caller: Caller, scope: Scope) -> None:
    """Raises Forbidden where the caller may not."""
    if not caller.may(scope):
        raise Forbidden(f"this key lacks the scope {scope}")


def _key_in(header: str) -> str:
    """``Bearer key``, the bare key, or the key as Basic user name."""
    scheme, separator, rest = header.strip().partition(" ")
    if not separator:
        return scheme
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return b64decode(rest.strip(), validate=True).decode().partition(":")[0]
        except ValueError:
            return ""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything a handler may use."""

    keys: Keys
    publisher: Publisher
    watches: Watches
    changes: WatchChanges
    trials: Trials
    crypto_keys: CryptoKeys
    log: DeliveryLog
    backlogs: Backlogs
    events: EventLog
    replays: Replays
    erasures: Erasures
    types: Mapping[str, KnownType]
    type_book: TypeBook
    route_book: RouteBook
    resource_types: ResourceTypes
    clock: Clock
    chance: Chance
    logger: Log
    checks: Mapping[str, Callable[[], Awaitable[bool]]]
    accounts: Accounts
    api_keys: ApiKeys
    path_prefixes: tuple[str, ...] = ()


SERVICE: web.AppKey[Service] = web.AppKey("service", Service)
