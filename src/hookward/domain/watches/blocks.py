"""The objects that properties of a watch hold, as requests give them and as responses show them.

They describe: requests are validated by the readers, which take the names of a block from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hookward.domain.oauth.model import ClientAuthMethod, GrantType
from hookward.domain.redaction import redacted_repr
from hookward.domain.watches.limits import (
    MAX_CLIENT_ID,
    MAX_CREDENTIAL,
    MAX_KEYS,
    MAX_OAUTH_SCOPE,
    MAX_PARAMETERS,
    MAX_SECRET,
    MAX_TOKEN,
    MAX_URL,
)

_WRITE_ONLY: dict[str, Any] = {"writeOnly": True}


def enum_of(words: Iterable[str]) -> Meta:
    """Return what makes a string type one of ``words``."""
    return Meta(extra_json_schema={"enum": [str(word) for word in words]})


Ignored = Annotated[Any, Meta(description="Read-only: ignored in requests.", extra_json_schema={"readOnly": True})]
Duration = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$")]
KeyIdText = Annotated[str, Meta(pattern="^key_[0-9a-f]{32}$")]
_Grant = Annotated[str, enum_of(GrantType)]
_ClientAuth = Annotated[str, enum_of(ClientAuthMethod)]
_ClientId = Annotated[str, Meta(min_length=1, max_length=MAX_CLIENT_ID)]
_Url = Annotated[str, Meta(max_length=MAX_URL)]


class Block(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of the objects in a request. Their repr shows no value."""

    __repr__ = redacted_repr


def names_in(block: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the names that a block may hold."""
    return tuple(each.encode_name for each in msgspec.structs.fields(block))


class BasicAuthUpdate(Block, frozen=True, kw_only=True):
    """HTTP Basic authentication (RFC 7617) of a watch that exists. Without a password, the stored one is kept."""

    username: Annotated[str, Meta(max_length=MAX_CREDENTIAL, description="Must not contain a colon.")]
    password: Annotated[
        str | None,
        Meta(max_length=MAX_CREDENTIAL, description="Write-only.", extra_json_schema=_WRITE_ONLY),
    ] = None


class BasicAuthIn(BasicAuthUpdate, frozen=True, kw_only=True):
    """HTTP Basic authentication (RFC 7617). Both values are sent as UTF-8."""

    password: Annotated[str, Meta(max_length=MAX_CREDENTIAL, description="Write-only.", extra_json_schema=_WRITE_ONLY)]


class SignatureIn(Block, frozen=True, kw_only=True):
    """Whether deliveries are signed, and with which crypto keys."""

    enabled: Annotated[
        bool | None,
        Meta(description="True without cryptoKeyIds creates a key and returns its secret once, as secret."),
    ] = None
    crypto_key_ids: Annotated[list[KeyIdText] | None, Meta(max_length=MAX_KEYS)] = None
    secret: Ignored = None


class RetryIn(Block, frozen=True, kw_only=True):
    """When failed attempts are repeated."""

    schedule: Annotated[
        list[Duration], Meta(description="The waits between attempts. An empty list means one attempt, no retries.")
    ]


class OAuth2AuthPatch(Block, frozen=True, kw_only=True):
    """Changes to how access tokens are requested. Secrets that are left out are kept."""

    grant_type: Annotated[_Grant | None, Meta(description="refresh_token by default.")] = None
    client_id: _ClientId | None = None
    client_secret: Annotated[
        str | None,
        Meta(
            description="Write-only. With private_key_jwt a private key: PEM, or the text of a JWK.",
            min_length=1,
            max_length=MAX_SECRET,
            extra_json_schema=_WRITE_ONLY,
        ),
    ] = None
    refresh_token: Annotated[
        str | None,
        Meta(
            description="Write-only. Only with refresh_token.",
            min_length=1,
            max_length=MAX_TOKEN,
            extra_json_schema=_WRITE_ONLY,
        ),
    ] = None
    auth_url: Annotated[
        str | None,
        Meta(
            max_length=MAX_URL,
            description="The authorization endpoint, where a person authorizes the watch; only with refresh_token.",
        ),
    ] = None
    access_token_url: _Url | None = None
    redirect_uri: Annotated[
        str | None,
        Meta(
            max_length=MAX_URL,
            description="Where the browser is redirected after authorization: by default /oauth2/callback of this "
            "service.",
        ),
    ] = None
    scope: Annotated[str | None, Meta(max_length=MAX_OAUTH_SCOPE, description="Space-separated scopes.")] = None
    client_auth_method: Annotated[_ClientAuth | None, Meta(description="client_secret_basic by default.")] = None
    extra_parameters: Annotated[
        Mapping[str, str | None] | None,
        Meta(
            max_length=MAX_PARAMETERS,
            description="Sent with every token request and authorization request. Readable. Null removes one.",
        ),
    ] = None


class OAuth2AuthIn(OAuth2AuthPatch, frozen=True, kw_only=True):
    """How to request access tokens (RFC 6749): every delivery carries one, and the service renews them."""

    client_id: _ClientId
    access_token_url: _Url
    extra_parameters: Annotated[
        Mapping[str, str] | None,
        Meta(
            max_length=MAX_PARAMETERS,
            description="Sent with every token request and authorization request. Readable.",
        ),
    ] = None


class OAuth2AuthOut(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a watch requests access tokens. The client secret and the refresh token are never shown."""

    grant_type: _Grant
    client_id: str
    auth_url: str | None
    access_token_url: str
    redirect_uri: str | None
    scope: str | None
    client_auth_method: _ClientAuth
    extra_parameters: dict[str, str]

    __repr__ = redacted_repr
