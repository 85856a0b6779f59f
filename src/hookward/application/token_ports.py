"""Ports of those who need tokens, and of those who ask for them."""

from __future__ import annotations

from typing import Protocol

from hookward.domain.oauth import AccessToken, Grant, TokenAnswer


class TokenSource(Protocol):
    """Where an attempt gets its access token. ``seconds`` is how long it can wait.

    A request to a token endpoint goes on when the attempt no longer waits for it: what it rotates must not be lost.
    """

    async def get(self, grant: Grant, *, seconds: float) -> AccessToken:
        """A token that can be used; raises NoToken, AuthorizationRequired where only somebody's consent helps."""
        ...

    async def renew(self, grant: Grant, refused: AccessToken, *, seconds: float) -> AccessToken:
        """Another one than ``refused``, which the destination answered 401; raises as :meth:`get`."""
        ...


class TokenEndpoint(Protocol):
    """Asks an authorization server for tokens, through the egress guard.

    Raises AuthorizationRequired for ``invalid_grant``, NoToken for everything else that is not a token.
    """

    async def refresh(self, grant: Grant, refresh_token: str | None) -> TokenAnswer:
        """Ask by the grant of the definition; ``refresh_token`` is ``None`` for client credentials."""
        ...

    async def exchange(self, grant: Grant, *, code: str, verifier: str, redirect_uri: str) -> TokenAnswer:
        """Turn an authorization code into tokens (RFC 6749 §4.1.3, RFC 7636)."""
        ...
