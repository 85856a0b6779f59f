"""Choose the OAuth2 credential of a watch when it is created or changed."""

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
from hookward.domain.oauth.model import AUTHORIZATION_REQUIRED_REASON, GrantType, OAuthDefinition
from hookward.domain.watches.model import WatchStatus
from hookward.domain.watches.rules import WatchRequest


class CredentialChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The credential that a watch is to have: the one that it ``keeps``, a ``new`` one, or none.

    ``has_token``: the credential has a refresh token.
    """

    keeps: CredentialId | None = None
    new: NewCredential | None = None
    has_token: bool = False


class Credentials:
    """Creates credentials, and chooses which one a watch has after a change."""

    def __init__(self, sealer: Sealer, *, clock: Clock, random: Random) -> None:
        self._sealer = sealer
        self._clock = clock
        self._random = random

    def open(self, account: AccountId, held: StoredCredential | None) -> CredentialState:
        """Return the decrypted state of a credential; an empty one where there is none."""
        if held is None:
            return CredentialState()
        return read_state(self._sealer.unseal(held.state, credential_subject(account, held.id)))

    def resolve(
        self, account: AccountId, owner: str | None, request: WatchRequest, before: OAuthDefinition | None,
        held: StoredCredential | None,
    ) -> CredentialChoice:  # fmt: skip
        """Return the credential for a watch that had the settings ``before`` and the credential ``held``."""
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
        """Return a new credential for the watches of one owner.

        Watches share a credential if they were created with the same refresh token. Without a refresh token in the
        request, it is not shared. It is never shared between owners: another owner may know the original refresh token
        and must not get the tokens that replaced it.
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
    """Return the status of a watch with its reason: a watch that is not authorized yet is paused."""
    waits = oauth is not None and oauth.grant_type is GrantType.REFRESH_TOKEN and not choice.has_token
    if waits and status is not WatchStatus.DISABLED:
        return WatchStatus.PAUSED, AUTHORIZATION_REQUIRED_REASON
    return status, None


def _client(oauth: OAuthDefinition) -> tuple[str, ...]:
    """Return what watches must have in common to share a refresh token."""
    return oauth.access_token_url, oauth.client_id, str(oauth.grant_type)
