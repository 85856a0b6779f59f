"""Scopes, callers, and the format of API keys."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from hookward.domain.ids import AccountId

KEY_BYTES = 32
_KEY = re.compile(r"hw_[A-Za-z0-9_-]{43}")


class Scope(StrEnum):
    """What an API key allows its caller to do."""

    PUBLISH = "publish"
    WATCHES = "watches"
    DELIVERIES = "deliveries"
    ADMIN = "admin"
    OPERATOR = "operator"


OWNED_SCOPES = (Scope.PUBLISH, Scope.WATCHES, Scope.DELIVERIES)
"""The scopes that a key with an owner may have: the others reach beyond the data of one owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated sender of a request. One with an ``owner`` sees only the data of that owner."""

    account: AccountId
    scopes: frozenset[Scope]
    owner: str | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the caller has a scope. ``admin`` includes all scopes of the account, but not ``operator``."""
        return scope in self.scopes or (Scope.ADMIN in self.scopes and scope is not Scope.OPERATOR)


def key_text(random: bytes) -> str:
    """Return the text of a key of 32 random bytes: ``hw_…``, safe in URLs, headers and shells."""
    return "hw_" + urlsafe_b64encode(random).rstrip(b"=").decode()


def is_key_text(text: str) -> bool:
    """Return whether ``text`` has the format of an API key."""
    return _KEY.fullmatch(text) is not None


def key_digest(text: str) -> bytes:
    """Return the SHA-256 of a key, which is stored in its place. Unsalted is enough for 256 random bits."""
    return sha256(text.encode(errors="replace")).digest()
