"""Credentials: what watches of an account ask for OAuth2 tokens with, as it is sealed in the store."""

from __future__ import annotations

import msgspec

from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.sealing import sealed_place


class CredentialState(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed part of a credential: its refresh token as it was first ``given``, and the one to use now (``token``).

    Both are ``None`` where there is none: for client credentials, or before somebody has authorized. ``kin`` is what
    else watches must have in common to share it.
    """

    given: str | None = None
    token: str | None = None
    kin: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "<CredentialState>"


class NewCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as a watch wants it: one that is found by any of ``digests``, else it is made as it is here.

    ``instead_of`` is the one whose refresh token it takes over, at its generation: it must still be that.
    """

    id: CredentialId
    digests: tuple[bytes, ...]
    state: bytes
    instead_of: tuple[CredentialId, int] | None = None

    def __repr__(self) -> str:
        return f"<NewCredential {self.id.hex()}>"


class HeldCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as a watch has it; ``state`` is sealed."""

    id: CredentialId
    state: bytes
    generation: int

    def __repr__(self) -> str:
        return f"<HeldCredential {self.id.hex()}>"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CredentialState).decode


def credential_subject(account: AccountId, credential: CredentialId) -> str:
    """What a credential's sealed state is bound to: moved to another row it does not open."""
    return sealed_place(account, None, "credential", credential, "state")


def digested(account: AccountId, state: CredentialState) -> tuple[bytes, str]:
    """What a credential's digest is the fingerprint of, and what that is about."""
    return _encode([*state.kin, state.given]), f"account:{account}/credential"


def write_state(state: CredentialState) -> bytes:
    """The state as JSON, to be sealed."""
    return _encode(state)


def read_state(data: bytes) -> CredentialState:
    """The state from its JSON."""
    return _decode(data)
