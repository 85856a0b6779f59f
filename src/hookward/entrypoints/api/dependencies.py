"""What handlers work with: the use cases and who is asking."""

from __future__ import annotations

import hmac
from base64 import b64decode
from dataclasses import dataclass, fields

from aiohttp import web

from hookward.application.access.authenticator import ApiKeyCache
from hookward.bootstrap.api import ApiParts
from hookward.domain.access.callers import Caller, Scope, is_key_text, key_digest
from hookward.domain.errors import Forbidden
from hookward.domain.ids import AccountId
from hookward.entrypoints.api.http.responses import Unauthorized

DEFAULT_ACCOUNT = AccountId(1)
__all__ = ["SERVICE", "Caller", "Keys", "Scope", "Service"]


class Keys:
    """Who stands behind an ``Authorization`` header: the bootstrap key, or one of the keyring's."""

    def __init__(self, bootstrap_key: str | None, keyring: ApiKeyCache, *, account: AccountId) -> None:
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
class Service(ApiParts):
    """Everything a handler may use: what was built for the api, and who is asking."""

    keys: Keys

    @classmethod
    def of(cls, parts: ApiParts) -> Service:
        """The service of these parts."""
        keys = Keys(parts.bootstrap_key, parts.keyring, account=DEFAULT_ACCOUNT)
        return cls(keys=keys, **{each.name: getattr(parts, each.name) for each in fields(parts)})


SERVICE: web.AppKey[Service] = web.AppKey("service", Service)
