"""Who may do what: scopes, callers, and what an API key looks like."""

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
    """What a key may do."""

    PUBLISH = "publish"
    WATCHES = "watches"
    DELIVERIES = "deliveries"
    ADMIN = "admin"
    OPERATOR = "operator"


OWNED_SCOPES = (Scope.PUBLISH, Scope.WATCHES, Scope.DELIVERIES)
"""What a key with an owner may do: the others reach beyond what is one owner's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking. With an ``owner`` it is one integrator, who sees only what is theirs."""

    account: AccountId
    scopes: frozenset[Scope]
    owner: str | None = None

    def may(self, scope: Scope) -> bool:
        """``admin`` is all of the account's; ``operator`` is apart from it."""
        return scope in self.scopes or (Scope.ADMIN in self.scopes and scope is not Scope.OPERATOR)


def key_text(random: bytes) -> str:
    """``hw_…``: a key of 32 random bytes, safe in URLs, headers and shells."""
    return "hw_" + urlsafe_b64encode(random).rstrip(b"=").decode()


def is_key_text(text: str) -> bool:
    """Whether ``text`` could be a key that we made."""
    return _KEY.fullmatch(text) is not None


def key_digest(text: str) -> bytes:
    """What is stored of a key. A plain hash is enough: nobody guesses 256 random bits."""
    return sha256(text.encode(errors="replace")).digest()
