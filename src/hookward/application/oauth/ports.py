"""Ports of those who need tokens, and of those who ask for them.

Ports of where credentials and tokens are kept: PostgreSQL remembers, Valkey shares (ADR 13).
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.oauth.model import AccessToken, TokenAnswer, TokenGrant


class TokenSource(Protocol):
    """Where an attempt gets its access token. ``seconds`` is how long it can wait.

    A request to a token endpoint goes on when the attempt no longer waits for it: what it rotates must not be lost.
    """

    async def get(self, grant: TokenGrant, *, seconds: float) -> AccessToken:
        """A token that can be used; raises NoToken, AuthorizationRequired where only somebody's consent helps."""
        ...

    async def renew(self, grant: TokenGrant, refused: AccessToken, *, seconds: float) -> AccessToken:
        """Another one than ``refused``, which the destination answered 401; raises as ``get``."""
        ...


class TokenEndpoint(Protocol):
    """Asks an authorization server for tokens, through the egress guard.

    Raises AuthorizationRequired for ``invalid_grant``, NoToken for everything else that is not a token.
    """

    async def refresh(self, grant: TokenGrant, refresh_token: str | None) -> TokenAnswer:
        """Ask by the grant of the definition; ``refresh_token`` is ``None`` for client credentials."""
        ...

    async def exchange(self, grant: TokenGrant, *, code: str, verifier: str, redirect_uri: str) -> TokenAnswer:
        """Turn an authorization code into tokens (RFC 6749 §4.1.3, RFC 7636)."""
        ...


class CredentialLock(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's right to ask for tokens with a credential; ``holder`` are 16 bytes that nobody else has."""

    account: AccountId
    credential: CredentialId
    holder: bytes


class CredentialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as stored: ``state`` is sealed (``CredentialState``).

    ``generation`` counts its refresh tokens; ``refused`` says why no token is asked for until somebody authorizes.
    ``held`` tells who took it whether they hold it.
    """

    state: bytes
    generation: int
    held: bool
    refused: str | None = None


class NewRefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token that takes the place of the one that the row has in its generation ``base``.

    ``generation`` is what the row's becomes with it. A rotation of another base than the row's generation is over.
    """

    base: int
    generation: int
    token: str

    def __repr__(self) -> str:
        return f"<Rotation {self.base} to {self.generation}>"


class CredentialStore(Protocol):
    """Where credentials are, and who asks for a token just now. All of it raises StoreUnavailable."""

    async def take(self, hold: CredentialLock, *, seconds: float) -> CredentialRecord | None:
        """Lock a credential for so long from now, or go on holding it; answers it as it is now.

        ``held`` is false when somebody else holds it; ``None`` when there is no such credential.
        """
        ...

    async def release(self, hold: CredentialLock) -> None:
        """Let others ask."""
        ...

    async def write(self, hold: CredentialLock, *, expected: int, generation: int, state: bytes) -> bool:
        """Put a new state in the place of that of generation ``expected``; false if that or the holder changed.

        A mark that it was refused goes with it; the hold stays.
        """
        ...

    async def refuse(self, hold: CredentialLock, *, generation: int, reason: str) -> bool:
        """Mark the credential as refused in this generation and let go of it; false if that or the holder changed."""
        ...


class TokenCache(Protocol):
    """What workers share and can do without: nothing here raises, and what cannot be had is not there."""

    async def token(self, grant: TokenGrant) -> AccessToken | None:
        """The access token of a credential and variant that was put here last."""
        ...

    async def put_token(self, grant: TokenGrant, token: AccessToken) -> None:
        """Let others have a token until it is no longer to be used."""
        ...

    async def rotation(self, account: AccountId, credential: CredentialId) -> NewRefreshToken | None:
        """A refresh token that could not be written yet."""
        ...

    async def put_rotation(self, account: AccountId, credential: CredentialId, rotation: NewRefreshToken) -> None:
        """Keep a refresh token for who takes the credential before it is written."""
        ...

    async def drop_rotation(self, account: AccountId, credential: CredentialId) -> None:
        """It was written."""
        ...
