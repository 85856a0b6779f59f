"""What watches ask for tokens with, as their owners give and change it."""

from __future__ import annotations

import msgspec

from hookward.application.ids import make_id
from hookward.application.oauth.credentials import (
    CredentialState,
    NewCredential,
    StoredCredential,
    credential_subject,
    digested,
    read_state,
    write_state,
)
from hookward.application.ports import Clock, Random, Sealer
from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.oauth.model import AUTHORIZATION_REQUIRED, GrantType, OAuthDefinition
from hookward.domain.watches.model import WatchStatus
from hookward.domain.watches.rules import WatchRequest


class CredentialChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The credential of a watch from now on: one that it ``keeps``, or ``new``; or none at all."""

    keeps: CredentialId | None = None
    new: NewCredential | None = None
    has_token: bool = False


class Credentials:
    """Makes credentials, and tells what becomes of one when its watch changes."""

    def __init__(self, sealer: Sealer, *, clock: Clock, random: Random) -> None:
        self._sealer = sealer
        self._clock = clock
        self._random = random

    def open(self, account: AccountId, held: StoredCredential | None) -> CredentialState:
        """What is sealed of a credential; nothing where there is none."""
        if held is None:
            return CredentialState()
        return read_state(self._sealer.unseal(held.state, credential_subject(account, held.id)))

    def resolve(
        self, account: AccountId, owner: str | None, request: WatchRequest, before: OAuthDefinition | None,
        held: StoredCredential | None,
    ) -> CredentialChoice:  # fmt: skip
        """The credential for an owner's watch as it is asked for, which was the one of ``before`` and ``held``."""
        oauth = request.definition.oauth
        if oauth is None:
            return CredentialChoice()
        if request.refresh_token is not None:
            state = CredentialState(original_token=request.refresh_token, token=request.refresh_token)
            return CredentialChoice(new=self.make(account, owner, oauth, state), has_token=True)
        if before is None or held is None or before.grant_type is not oauth.grant_type:
            return CredentialChoice(new=self.make(account, owner, oauth, CredentialState()))
        state = self.open(account, held)
        if _client(before) == _client(oauth):
            return CredentialChoice(keeps=held.id, has_token=state.token is not None)
        moved = self.make(account, owner, oauth, state, instead_of=held)
        return CredentialChoice(new=moved, has_token=state.token is not None)

    def make(
        self, account: AccountId, owner: str | None, oauth: OAuthDefinition, state: CredentialState, *,
        instead_of: StoredCredential | None = None,
    ) -> NewCredential:  # fmt: skip
        """A credential, for the watches of one owner; one whose refresh token nobody has given is shared with nobody.

        Another owner may know the refresh token that was given once, and must not come by those that replaced it.
        """
        id_ = CredentialId(make_id(self._clock, self._random))
        sharing_key = _client(oauth) if owner is None else (*_client(oauth), f"owner {owner}")
        if state.original_token is None and oauth.grant_type is GrantType.REFRESH_TOKEN:
            sharing_key = (*sharing_key, self._random.bytes(16).hex())
        state = msgspec.structs.replace(state, sharing_key=sharing_key)
        return NewCredential(
            id=id_,
            digests=self._sealer.fingerprints(*digested(account, state)),
            state=self._sealer.seal(write_state(state), credential_subject(account, id_)),
            instead_of=None if instead_of is None else (instead_of.id, instead_of.generation),
        )


def initial_status(
    status: WatchStatus, oauth: OAuthDefinition | None, choice: CredentialChoice
) -> tuple[WatchStatus, str | None]:
    """The status of a watch, with its reason: one that waits for somebody to authorize is paused."""
    waits = oauth is not None and oauth.grant_type is GrantType.REFRESH_TOKEN and not choice.has_token
    if waits and status is not WatchStatus.DISABLED:
        return WatchStatus.PAUSED, AUTHORIZATION_REQUIRED
    return status, None


def _client(oauth: OAuthDefinition) -> tuple[str, ...]:
    """What watches must have in common to share a refresh token."""
    return oauth.access_token_url, oauth.client_id, str(oauth.grant_type)
