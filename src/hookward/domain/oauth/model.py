"""OAuth2 towards destinations (RFC 6749): what a watch asks for, tokens, and why there is none; as values."""

from __future__ import annotations

import re
from enum import StrEnum
from hashlib import sha256

import msgspec

from hookward.domain.delivery.outcome import ErrorKind, Failure
from hookward.domain.errors import HookwardError
from hookward.domain.ids import AccountId, CredentialId

AUTHORIZATION_REQUIRED = "authorization required"
"""The reason for which a watch is paused until somebody authorizes it."""

DEFAULT_LIFETIME = 3600.0
"""Seconds that a token lives whose endpoint does not say."""
MAX_LIFETIME = 30 * 86400.0
"""Seconds for which the word of an endpoint is believed."""
MAX_LEEWAY = 60.0
_LEEWAY = 0.1
_US = 1_000_000
_SENDABLE = re.compile(r"[\x21-\x7e]{1,16384}")


class GrantType(StrEnum):
    """How a token is asked for (RFC 6749 §6 and §4.4)."""

    REFRESH_TOKEN = "refresh_token"  # noqa: S105  the name of a grant
    CLIENT_CREDENTIALS = "client_credentials"


class ClientAuthMethod(StrEnum):
    """How the client proves who it is (RFC 6749 §2.3.1, RFC 7523 §2.2); with ``none`` it only says so."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"


class OAuthDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of a watch's ``oauth2Auth`` that may be read back.

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
    """What it takes to ask for a token, but the refresh token, which changes.

    Watches share a ``credential``, and with it the refresh token and who may ask for a token just now. Access tokens
    they share where the ``variant`` is the same too: a digest of all else that a token request depends on (the client
    secret among it), so that nobody gets a token for a secret that they do not know.
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

    ``until_us`` is the moment, microseconds since 1970, from which it is no longer to be used, ``asked_us`` that at
    which it was asked for.
    """

    value: str
    until_us: int
    asked_us: int = 0

    def __repr__(self) -> str:
        return f"<AccessToken until {self.until_us}>"


class TokenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a token endpoint granted (RFC 6749 §5.1); ``lifetime`` is seconds, ``None`` where it did not say."""

    access_token: str
    lifetime: float | None = None
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return f"<TokenResponse {self.lifetime}s>"


def variant_of(definition: OAuthDefinition, client_secret: str | None) -> bytes:
    """The ``variant`` of a grant: SHA-256 over all that a token request is made of, but the refresh token."""
    parts = (
        definition.access_token_url, definition.client_id, client_secret, definition.client_auth_method,
        definition.grant_type, definition.scope, sorted(definition.extra_parameters.items()),
    )  # fmt: skip
    return sha256(msgspec.json.encode(parts)).digest()


def usable_token(answer: TokenResponse, asked_us: int) -> AccessToken:
    """The token of an answer to what was ``asked_us``, to be used until min(60 s, 10 %) before its lifetime ends.

    One that has none left, by what its endpoint says, is good for those who wait for it and nobody else. Raises NoToken
    for what is no token to send in a header.
    """
    if not _SENDABLE.fullmatch(answer.access_token):
        raise NoToken("the token endpoint answered an access_token that does not fit into a header")
    lifetime = DEFAULT_LIFETIME if answer.lifetime is None else answer.lifetime
    lifetime = min(lifetime, MAX_LIFETIME) if lifetime > 0 else 0.0  # not a number, too
    usable = lifetime - min(MAX_LEEWAY, lifetime * _LEEWAY)
    return AccessToken(value=answer.access_token, until_us=asked_us + int(usable * _US), asked_us=asked_us)


class NoToken(HookwardError):
    """There is no access token for now; ``failure`` says why, to the integrator and without a secret."""

    def __init__(self, message: str, kind: ErrorKind = ErrorKind.OAUTH) -> None:
        super().__init__(message)
        self.failure = Failure(kind=kind, message=message)


class AuthorizationRequired(NoToken):
    """There will be none until somebody authorizes again: no refresh token, or ``invalid_grant`` (RFC 6749 §5.2)."""
