"""What handlers work with: the use cases, and the caller."""

from __future__ import annotations

import hmac
from base64 import b64decode

from aiohttp import web

from hookward.application.access.authenticator import ApiKeyCache
from hookward.bootstrap.api_parts import ApiParts
from hookward.domain.access.callers import Caller, Scope, is_key_text, key_digest
from hookward.domain.errors import Forbidden
from hookward.domain.ids import AccountId
from hookward.entrypoints.api.http.responses import NotAuthenticated

DEFAULT_ACCOUNT = AccountId(1)
__all__ = ["AUTHENTICATOR_KEY", "PARTS_KEY", "ApiParts", "Authenticator", "Caller", "Scope"]


class Authenticator:
    """Tell the caller from an ``Authorization`` header.

    The bootstrap key, where one is configured, operates the service and administers ``account``; any other key is
    looked up.
    """

    def __init__(self, bootstrap_key: str | None, known_keys: ApiKeyCache, *, account: AccountId) -> None:
        self._bootstrap = key_digest(bootstrap_key) if bootstrap_key else b""
        self._operator = Caller(account=account, scopes=frozenset({Scope.OPERATOR, Scope.ADMIN}))
        self._known_keys = known_keys

    async def authorize(self, header: str | None, scope: Scope) -> Caller:
        """Return the caller, who has ``scope``.

        Raises NotAuthenticated when the key is missing or unknown, Forbidden when it lacks the scope, StoreUnavailable
        when it cannot be verified.
        """
        caller = await self.caller(header)
        check_scope(caller, scope)
        return caller

    async def caller(self, header: str | None) -> Caller:
        """Return the caller, whatever scopes the key has.

        Raises NotAuthenticated when the key is missing or unknown, StoreUnavailable when it cannot be verified.
        """
        if header is None:
            raise NotAuthenticated("no key; send Authorization: Bearer <key>")
        key = _key_in(header)
        given = key_digest(key)
        if hmac.compare_digest(given, self._bootstrap):
            caller: Caller | None = self._operator
        else:
            caller = await self._known_keys.caller(given) if is_key_text(key) else None
        if caller is None:
            raise NotAuthenticated("this key is not known, or was revoked")
        return caller


def check_scope(caller: Caller, scope: Scope) -> None:
    """Raise Forbidden when the caller's key lacks ``scope``."""
    if not caller.may(scope):
        raise Forbidden(f"this key lacks the scope {scope}")


def _key_in(header: str) -> str:
    """Return the key of ``Bearer key``, of a bare key, or of Basic credentials, where it is the user name."""
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


PARTS_KEY: web.AppKey[ApiParts] = web.AppKey("parts", ApiParts)
AUTHENTICATOR_KEY: web.AppKey[Authenticator] = web.AppKey("authenticator", Authenticator)
