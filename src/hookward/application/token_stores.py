"""Ports of where credentials and tokens are kept: PostgreSQL remembers, Valkey shares (ADR 13)."""

from __future__ import annotations

from typing import Protocol

import msgspec

from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.oauth import AccessToken, Grant


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's right to ask for tokens with a credential; ``holder`` are 16 bytes that nobody else has."""

    account: AccountId
    credential: CredentialId
    holder: bytes


class CredentialRow(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as stored: ``state`` is sealed (:class:`~hookward.application.credentials.CredentialState`).

    ``generation`` counts its refresh tokens; ``refused`` says why no token is asked for until somebody authorizes.
    ``held`` tells who took it whether they hold it.
    """

    state: bytes
    generation: int
    held: bool
    refused: str | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
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

    async def take(self, hold: Hold, *, seconds: float) -> CredentialRow | None:
        """Hold a credential for so long from now, or go on holding it; answers it as it is now.

        ``held`` is false when somebody else holds it; ``None`` when there is no such credential.
        """
        ...

    async def release(self, hold: Hold) -> None:
        """Let others ask."""
        ...

    async def write(self, hold: Hold, *, expected: int, generation: int, state: bytes) -> bool:
        """Put a new state in the place of that of generation ``expected``; false if that or the holder changed.

        A mark that it was refused goes with it; the hold stays.
        """
        ...

    async def refuse(self, hold: Hold, *, generation: int, reason: str) -> bool:
        """Mark the credential as refused in this generation and let go of it; false if that or the holder changed."""
        ...


class TokenShelf(Protocol):
    """What workers share and can do without: nothing here raises, and what cannot be had is not there."""

    async def token(self, grant: Grant) -> AccessToken | None:
        """The access token of a credential and variant that was put here last."""
        ...

    async def put_token(self, grant: Grant, token: AccessToken) -> None:
        """Let others have a token until it is no longer to be used."""
        ...

    async def rotation(self, account: AccountId, credential: CredentialId) -> Rotation | None:
        """A refresh token that could not be written yet."""
        ...

    async def put_rotation(self, account: AccountId, credential: CredentialId, rotation: Rotation) -> None:
        """Keep a refresh token for who takes the credential before it is written."""
        ...

    async def drop_rotation(self, account: AccountId, credential: CredentialId) -> None:
        """It was written."""
        ...
