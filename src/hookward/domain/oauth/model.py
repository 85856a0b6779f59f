"""OAuth2 for destinations (RFC 6749): settings, grants, tokens, and the reasons why there is no token."""

from __future__ import annotations

import re
from enum import StrEnum
from hashlib import sha256

import msgspec

from hookward.domain.delivery.outcome import ErrorKind, Failure
from hookward.domain.errors import HookwardError
from hookward.domain.ids import AccountId, CredentialId

AUTHORIZATION_REQUIRED_REASON = "authorization required"
"""The reason of a watch that is paused until it is authorized."""

DEFAULT_LIFETIME = 3600.0
"""Lifetime in seconds of a token whose endpoint gives none."""
MAX_LIFETIME = 30 * 86400.0
"""The longest lifetime in seconds that is accepted from an endpoint."""
MAX_LEEWAY = 60.0
_LEEWAY = 0.1
_US = 1_000_000
_SENDABLE = re.compile(r"[\x21-\x7e]{1,16384}")


class GrantType(StrEnum):
    """The grant type of token requests (RFC 6749 §6 and §4.4)."""

    REFRESH_TOKEN = "refresh_token"  # noqa: S105  the name of a grant
    CLIENT_CREDENTIALS = "client_credentials"


class ClientAuthMethod(StrEnum):
    """How the client authenticates (RFC 6749 §2.3.1, RFC 7523 §2.2); ``none`` sends only the client id."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"


class OAuthDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The properties of a watch's ``oauth2Auth`` that may be read back.

    The client secret is among the watch's secrets, the refresh token in its credential.
    """

    client_id: str
    access_token_url: str
    grant_type: GrantType = GrantType.REFRESH_TOKEN
    client_auth_method: ClientAuthMethod = ClientAuthMethod.BASIC
    auth_url: str | None = None
    redirect_uri: str | None = None
    scope: str | None = None
    extra_parameters: dict[str, str] = {}


class TokenGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a token request depends on, except the refresh token, which changes.

    Watches share a ``credential``, and with it the refresh token and its lock. They share access tokens if the
    ``variant`` is the same as well: a digest of everything else that a token request depends on, including the client
    secret, so that a watch with a wrong client secret gets no token of another watch.
    """

    account: AccountId
    credential: CredentialId
    definition: OAuthDefinition
    client_secret: str | None
    variant: bytes

    def __repr__(self) -> str:
        return f"<TokenGrant {self.credential.hex()}>"


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """A bearer token (RFC 6750).

    ``until_us`` is when its use ends, ``asked_us`` when it was requested, both in microseconds since 1970.
    """

    value: str
    until_us: int
    asked_us: int = 0

    def __repr__(self) -> str:
        return f"<AccessToken until {self.until_us}>"


class TokenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A successful response of a token endpoint (RFC 6749 §5.1); ``lifetime`` is in seconds, ``None`` if not given."""

    access_token: str
    lifetime: float | None = None
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return f"<TokenResponse {self.lifetime}s>"


def variant_of(definition: OAuthDefinition, client_secret: str | None) -> bytes:
    """Return the ``variant`` of a grant: SHA-256 over the parts of a token request except the refresh token."""
    parts = (
        definition.access_token_url, definition.client_id, client_secret, definition.client_auth_method,
        definition.grant_type, definition.scope, sorted(definition.extra_parameters.items()),
    )  # fmt: skip
    return sha256(msgspec.json.encode(parts)).digest()


def usable_token(response: TokenResponse, asked_us: int) -> AccessToken:
    """Return the token of a response, to be used until min(60 s, 10 %) before its lifetime ends.

    A token without a positive lifetime is used only by the callers that wait for it. Raises NoToken for a token that
    cannot be sent in a header.
    """
    if not _SENDABLE.fullmatch(response.access_token):
        raise NoToken("the token endpoint answered an access_token that does not fit into a header")
    lifetime = DEFAULT_LIFETIME if response.lifetime is None else response.lifetime
    lifetime = min(lifetime, MAX_LIFETIME) if lifetime > 0 else 0.0  # also for NaN
    usable = lifetime - min(MAX_LEEWAY, lifetime * _LEEWAY)
    return AccessToken(value=response.access_token, until_us=asked_us + int(usable * _US), asked_us=asked_us)


class NoToken(HookwardError):
    """There is no access token for now. ``failure`` tells the integrator why, without secrets."""

    def __init__(self, message: str, kind: ErrorKind = ErrorKind.OAUTH) -> None:
        super().__init__(message)
        self.failure = Failure(kind=kind, message=message)


class AuthorizationRequired(NoToken):
    """There is no token until the watch is authorized: no refresh token, or ``invalid_grant`` (RFC 6749 §5.2)."""
