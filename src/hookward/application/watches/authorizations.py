"""Authorize a watch in a browser: the authorization code grant with PKCE (RFC 6749 §4.1, RFC 7636)."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from hookward.application.aio.limits import ConcurrencyLimit
from hookward.application.oauth.credentials import CredentialState, NewCredential
from hookward.application.oauth.ports import TokenEndpoint
from hookward.application.ports import Random, Sealer
from hookward.application.records import WatchRecord
from hookward.application.watches.credentials import Credentials
from hookward.application.watches.service import WatchStore
from hookward.domain.errors import Conflict, Invalid, NotFound, TokenNotGranted
from hookward.domain.ids import AccountId, CredentialId, WatchId
from hookward.domain.oauth.authorization_code import (
    MOST_FLOWS,
    SECONDS,
    SECRET_BYTES,
    Return,
    authorization_url,
    random_text,
    state_digest,
)
from hookward.domain.oauth.model import (
    AUTHORIZATION_REQUIRED_REASON,
    AuthorizationRequired,
    NoToken,
    OAuthDefinition,
    TokenGrant,
    variant_of,
)
from hookward.domain.problems import problem_at
from hookward.domain.sealing import sealed_place

RETRY_SECONDS = 5


class NewFlow(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization flow that begins: the digest of its state, and sealed what is needed to finish it."""

    state: bytes
    account: AccountId
    watch: WatchId
    sealed: bytes


class StoredFlow(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization flow that a browser returns from."""

    account: AccountId
    watch: WatchId
    sealed: bytes


class FlowStore(Protocol):
    """Where authorization flows are stored."""

    async def begin(self, flow: NewFlow, *, seconds: float, most: int) -> datetime | None: ...

    async def take(self, state: bytes, *, watch: WatchId | None) -> StoredFlow | None: ...

    async def authorized(
        self, account: AccountId, watch: WatchId, before: CredentialId, credential: NewCredential, *, reason: str
    ) -> bool: ...


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The URL to open in a browser, and until when it is valid."""

    url: str
    expires: datetime

    def __repr__(self) -> str:
        return f"<Begun until {self.expires}>"


class _Flow(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed part of a flow: the PKCE verifier, and the client, server and redirect URI that the code is for."""

    verifier: str
    redirect_uri: str
    client_id: str
    auth_url: str | None
    access_token_url: str

    def __repr__(self) -> str:
        return "<_Flow>"

    def is_for(self, oauth: OAuthDefinition | None) -> bool:
        """Whether a watch still has the same client and the same server."""
        return oauth is not None and (self.client_id, self.auth_url, self.access_token_url) == (
            oauth.client_id, oauth.auth_url, oauth.access_token_url,
        )  # fmt: skip


class WatchAuthorizations:
    """Begins and finishes authorization flows. ``callback`` is the redirect URI of watches that name no other."""

    def __init__(
        self, flows: FlowStore, definitions: WatchStore, endpoint: TokenEndpoint, credentials: Credentials,
        sealer: Sealer, *, callback: str, random: Random,
    ) -> None:  # fmt: skip
        self._flows = flows
        self._definitions = definitions
        self._endpoint = endpoint
        self._credentials = credentials
        self._sealer = sealer
        self._callback = callback
        self._random = random
        self._exchanges = ConcurrencyLimit("authorizations", retry_after=RETRY_SECONDS)

    async def begin(self, row: WatchRecord) -> Begun:
        """Begin a flow: return the URL for the browser. Raises Conflict if the watch has no authUrl."""
        oauth = row.read_definition().oauth
        if oauth is None or oauth.auth_url is None:
            raise Conflict(_NO_AUTH_URL)
        redirect_uri = oauth.redirect_uri or self._callback
        state, verifier = (random_text(self._random.bytes(SECRET_BYTES)) for _ in range(2))
        flow = _Flow(
            verifier=verifier, redirect_uri=redirect_uri, client_id=oauth.client_id, auth_url=oauth.auth_url,
            access_token_url=oauth.access_token_url,
        )  # fmt: skip
        sealed = self._sealer.seal(_encode(flow), _flow_subject(row.account, row.id))
        new = NewFlow(state=state_digest(state), account=row.account, watch=row.id, sealed=sealed)
        until = await self._flows.begin(new, seconds=SECONDS, most=MOST_FLOWS)
        if until is None:
            raise NotFound("there is no such watch")
        url = authorization_url(oauth, redirect_uri=redirect_uri, state=state, verifier=verifier)
        return Begun(url=url, expires=until)

    async def refuse(self, state: str) -> bool:
        """End a flow that was refused. Return whether there was one with this state."""
        return await self._flows.take(state_digest(state), watch=None) is not None

    async def finish(self, back: Return, *, watch: WatchId | None = None) -> WatchRecord:
        """Exchange the code for tokens and enable the watch. Return the watch; with ``watch`` it must be that one.

        Raises Invalid for an unknown state or a refused code, Conflict if the watch has changed since, TokenNotGranted
        if the authorization server returns no refresh token, and TooManyPending. A state can be used once, whatever the
        result.
        """
        stored = await self._flows.take(state_digest(back.state), watch=watch)
        if stored is None:
            raise Invalid(_NO_STATE, (problem_at(_NO_STATE, "state"),))
        subject = _flow_subject(stored.account, stored.watch)
        flow = _decode(self._sealer.unseal(stored.sealed, subject))
        row = await self._definitions.watch(stored.account, stored.watch, owner=None)
        if row is None or row.credential is None or not flow.is_for(row.read_definition().oauth):
            raise Conflict(_CHANGED)
        with self._exchanges.take(row.account):
            token = await self._exchange(row, row.credential, flow, back.code)
        oauth = row.read_definition().oauth
        assert oauth is not None
        credential = self._credentials.make(row.account, row.owner, oauth, CredentialState(token=token))
        if not await self._flows.authorized(
            row.account, row.id, row.credential, credential, reason=AUTHORIZATION_REQUIRED_REASON
        ):
            raise Conflict(_CHANGED)
        after = await self._definitions.watch(row.account, row.id, owner=None)
        if after is None:
            raise Conflict(_CHANGED)
        return after

    async def _exchange(self, row: WatchRecord, credential: CredentialId, flow: _Flow, code: str) -> str:
        """Return the refresh token for a code."""
        oauth = row.read_definition().oauth
        assert oauth is not None
        secrets = row.read_secrets(self._sealer)
        grant = TokenGrant(
            account=row.account, credential=credential, definition=oauth, client_secret=secrets.client_secret,
            variant=variant_of(oauth, secrets.client_secret),
        )  # fmt: skip
        try:
            response = await self._endpoint.exchange(
                grant, code=code, verifier=flow.verifier, redirect_uri=flow.redirect_uri
            )
        except AuthorizationRequired as error:
            message = f"{error.failure.message} Start again."
            raise Invalid(message, (problem_at(message, "code"),)) from None
        except NoToken as error:
            raise TokenNotGranted(f"{error.failure.message} Start again.") from None
        if response.refresh_token is None:
            raise TokenNotGranted(_NOT_LASTING)
        return response.refresh_token


def _flow_subject(account: AccountId, watch: WatchId) -> str:
    return sealed_place(account, None, "watch", watch, "authorization")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Flow).decode
_NO_AUTH_URL = (
    "the watch has no oauth2Auth.authUrl where a person could authorize it: give it one, or PATCH a new refreshToken"
)
_NO_STATE = (
    "this authorization is unknown: it was used, is older than 10 minutes, or belongs to another watch; start again"
)
_CHANGED = "the watch was deleted, or its oauth2Auth changed, since the authorization began; start again"
_NOT_LASTING = (
    "the authorization server gave an access token but no refresh token, so nothing was stored. Ask for one: most "
    "servers want offline_access in scope, some access_type=offline and prompt=consent in authUrl. Then start again"
)
