"""Credentials: what the watches of an account request OAuth2 tokens with, sealed in the store."""

from __future__ import annotations

import msgspec

from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.sealing import sealed_place


class CredentialState(
    msgspec.Struct, frozen=True, kw_only=True, rename={"original_token": "given", "sharing_key": "kin"}
):
    """The sealed part of a credential.

    ``original_token`` is the refresh token that its owner gave, ``token`` the one to use now. Both are ``None`` for
    client credentials and before the watch is authorized. Watches share a credential if their ``sharing_key`` and
    ``original_token`` are equal.
    """

    original_token: str | None = None
    token: str | None = None
    sharing_key: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "<CredentialState>"


class NewCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that a watch is to use: the stored one with any of ``digests``, else a new one as given here.

    ``instead_of`` is the credential, at its generation, whose refresh token it takes over; it must not have changed.
    """

    id: CredentialId
    digests: tuple[bytes, ...]
    state: bytes
    instead_of: tuple[CredentialId, int] | None = None

    def __repr__(self) -> str:
        return f"<NewCredential {self.id.hex()}>"


class StoredCredential(msgspec.Struct, frozen=True, kw_only=True):
    """The credential of a stored watch; ``state`` is sealed, ``generation`` counts its refresh tokens."""

    id: CredentialId
    state: bytes
    generation: int

    def __repr__(self) -> str:
        return f"<StoredCredential {self.id.hex()}>"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CredentialState).decode


def credential_subject(account: AccountId, credential: CredentialId) -> str:
    """Return the associated data of a credential's sealed state: it cannot be decrypted as that of another row."""
    return sealed_place(account, None, "credential", credential, "state")


def digested(account: AccountId, state: CredentialState) -> tuple[bytes, str]:
    """Return the secret whose fingerprint is a credential's digest, and the associated data of the fingerprint."""
    return _encode([*state.sharing_key, state.original_token]), f"account:{account}/credential"


def write_state(state: CredentialState) -> bytes:
    """Return the state as JSON, to be sealed."""
    return _encode(state)


def read_state(data: bytes) -> CredentialState:
    """Return the state that this JSON describes."""
    return _decode(data)
