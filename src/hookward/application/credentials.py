"""Credentials: what watches of an account ask for OAuth2 tokens with, as it is sealed in the store."""

from __future__ import annotations

import msgspec

from hookward.domain.ids import AccountId, CredentialId


class CredentialState(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed part of a credential: its refresh token as it was first ``given``, and the one to use now (``token``).

    Both are ``None`` where there is none: for client credentials, or before somebody has authorized.
    """

    given: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return "<CredentialState>"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CredentialState).decode


def credential_subject(account: AccountId, credential: CredentialId) -> str:
    """What a credential's sealed state is bound to: moved to another row it does not open."""
    return f"account:{account}/credential:{credential.hex()}/state"


def write_state(state: CredentialState) -> bytes:
    """The state as JSON, to be sealed."""
    return _encode(state)


def read_state(data: bytes) -> CredentialState:
    """The state from its JSON."""
    return _decode(data)
