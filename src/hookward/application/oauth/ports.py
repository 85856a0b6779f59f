"""The ports of OAuth2: the source of tokens, token endpoints, the store of credentials, and the shared cache.

PostgreSQL remembers refresh tokens, Valkey shares access tokens between processes (ADR 13).
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.oauth.model import AccessToken, TokenGrant, TokenResponse


class TokenSource(Protocol):
    """Where an attempt gets its access token. ``seconds`` is how long the attempt can wait.

    A request to a token endpoint goes on when the attempt stops waiting: a rotated refresh token must not be lost.
    """

    async def get(self, grant: TokenGrant, *, seconds: float) -> AccessToken:
        """Return a token that is valid now. Raises NoToken, or AuthorizationRequired if a user must consent again."""
        ...

    async def renew(self, grant: TokenGrant, refused: AccessToken, *, seconds: float) -> AccessToken:
        """Return another token than ``refused``, for which the destination returned 401. Raises as ``get`` does."""
        ...


class TokenEndpoint(Protocol):
    """Requests tokens from an authorization server, through the egress guard.

    Raises AuthorizationRequired for ``invalid_grant``, and NoToken for every other response without a token.
    """

    async def refresh(self, grant: TokenGrant, refresh_token: str | None) -> TokenResponse:
        """Request a token with the grant type of the definition; client credentials have no ``refresh_token``."""
        ...

    async def exchange(self, grant: TokenGrant, *, code: str, verifier: str, redirect_uri: str) -> TokenResponse:
        """Exchange an authorization code for tokens (RFC 6749 §4.1.3, RFC 7636)."""
        ...


class CredentialLock(msgspec.Struct, frozen=True, kw_only=True):
    """The exclusive right to request tokens with a credential; ``holder`` is 16 bytes that are unique to its owner."""

    account: AccountId
    credential: CredentialId
    holder: bytes


class CredentialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as stored: ``state`` is sealed (``CredentialState``), ``generation`` counts its refresh tokens.

    ``acquired`` says whether the caller of ``acquire`` holds the lock. ``refused`` is why no token is requested until
    the credential is authorized again.
    """

    state: bytes
    generation: int
    acquired: bool
    refused: str | None = None


class NewRefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token that replaces the one that the row has in its generation ``base``.

    ``generation`` is the row's generation afterwards. A row of another generation than ``base`` is not replaced.
    """

    base: int
    generation: int
    token: str

    def __repr__(self) -> str:
        return f"<NewRefreshToken {self.base} to {self.generation}>"


class CredentialStore(Protocol):
    """Where credentials and their locks are stored. Every method raises StoreUnavailable."""

    async def acquire(self, lock: CredentialLock, *, seconds: float) -> CredentialRecord | None:
        """Lock a credential for ``seconds`` from now, or extend the lock, and return the credential as it is now.

        ``acquired`` is false when another holder has it. ``None`` when there is no such credential.
        """
        ...

    async def release(self, lock: CredentialLock) -> None:
        """Release the lock, if this holder has it."""
        ...

    async def write(self, lock: CredentialLock, *, expected: int, generation: int, state: bytes) -> bool:
        """Replace the state of generation ``expected``; returns false if the generation or the holder has changed.

        A mark as refused is removed. The lock stays.
        """
        ...

    async def refuse(self, lock: CredentialLock, *, generation: int, reason: str) -> bool:
        """Mark the credential of this generation as refused and release it; returns false as ``write`` does."""
        ...


class TokenCache(Protocol):
    """What processes share and can do without: no method raises, and what cannot be read counts as absent."""

    async def token(self, grant: TokenGrant) -> AccessToken | None:
        """Return the access token of a credential and variant that was put here last, or ``None``."""
        ...

    async def put_token(self, grant: TokenGrant, token: AccessToken) -> None:
        """Share a token with other processes until it expires."""
        ...

    async def refresh_token(self, account: AccountId, credential: CredentialId) -> NewRefreshToken | None:
        """Return a refresh token that could not be saved yet, or ``None``."""
        ...

    async def put_refresh_token(self, account: AccountId, credential: CredentialId, new: NewRefreshToken) -> None:
        """Share a refresh token that could not be saved, for the next holder of the credential's lock."""
        ...

    async def drop_refresh_token(self, account: AccountId, credential: CredentialId) -> None:
        """Remove the shared refresh token, once it is saved."""
        ...
