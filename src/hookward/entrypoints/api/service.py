"""What handlers work with: the use cases and who is asking."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from aiohttp import web

from hookward.application.log import DeliveryLog
from hookward.application.ports import Chance, Clock, Log
from hookward.application.publish import Publisher
from hookward.application.watches import Watches
from hookward.domain.event_rules import KnownType
from hookward.domain.ids import AccountId
from hookward.entrypoints.api.answers import Forbidden, Unauthorized


class Scope(StrEnum):
    """What a key may do."""

    PUBLISH = "publish"
    WATCHES = "watches"
    DELIVERIES = "deliveries"
    ADMIN = "admin"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking. With an ``owner`` it is one integrator, who sees only what is theirs."""

    account: AccountId
    scopes: frozenset[Scope]
    owner: str | None = None

    def may(self, scope: Scope) -> bool:
        """``admin`` is all of the account's; ``operator`` is apart from it."""
        return scope in self.scopes or (Scope.ADMIN in self.scopes and scope is not Scope.OPERATOR)


class Keys:
    """API keys: for now the bootstrap key alone, compared in constant time."""

    def __init__(self, bootstrap_key: str | None, *, account: AccountId) -> None:
        self._digest = sha256(bootstrap_key.encode()).digest() if bootstrap_key else b""
        self._caller = Caller(account=account, scopes=frozenset({Scope.OPERATOR, Scope.ADMIN}))

    def authorize(self, header: str | None, scope: Scope) -> Caller:
        """The caller behind an ``Authorization`` header; raises Unauthorized or Forbidden."""
        if header is None:
            raise Unauthorized("no key; send Authorization: Bearer <key>")
        given = sha256(_key_in(header).encode(errors="replace")).digest()
        if not hmac.compare_digest(given, self._digest):
            raise Unauthorized("this key is not known")
        if not self._caller.may(scope):
            raise Forbidden(f"this key lacks the scope {scope}")
        return self._caller


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
    log: DeliveryLog
    types: Mapping[str, KnownType]
    clock: Clock
    chance: Chance
    logger: Log
    checks: Mapping[str, Callable[[], Awaitable[bool]]]
    path_prefixes: tuple[str, ...] = ()


SERVICE: web.AppKey[Service] = web.AppKey("service", Service)
