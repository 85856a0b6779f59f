"""Validate ``oauth2Auth``: the client and the token endpoint of RFC 6749, and which parameters a watch may add."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from hookward.domain.oauth.model import ClientAuthMethod, GrantType, OAuthDefinition
from hookward.domain.problems import is_string, quoted
from hookward.domain.templates.addresses import address_complaints
from hookward.domain.watches.blocks import OAuth2AuthIn, names_in
from hookward.domain.watches.limits import (
    MAX_CLIENT_ID,
    MAX_OAUTH_SCOPE,
    MAX_PARAMETER_NAME,
    MAX_PARAMETER_VALUE,
    MAX_PARAMETERS,
    MAX_SECRET,
    MAX_TOKEN,
    MAX_URL,
)
from hookward.domain.watches.reader import Reader

KeyCheck = Callable[[str], str | None]
"""Return what is wrong with the private key of a client as "must be …", or None. The message quotes nothing of it."""

PROPERTIES = names_in(OAuth2AuthIn)

OF_TOKEN_REQUESTS = frozenset({
    "grant_type", "client_id", "client_secret", "refresh_token", "scope", "redirect_uri", "code", "code_verifier",
    "client_assertion", "client_assertion_type",
})  # fmt: skip
OF_AUTHORIZATIONS = frozenset({
    "response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "code_challenge",
    "code_challenge_method", "request", "request_uri",
})  # fmt: skip
"""Parameters that the service sets. A parameter given twice in one request is an error (RFC 6749 §3.1)."""

_Word = TypeVar("_Word", GrantType, ClientAuthMethod)
_VISIBLE = re.compile(r"[\x20-\x7e]+")  # VSCHAR of RFC 6749, appendix A
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_PARAMETER = re.compile(r"[A-Za-z0-9._-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class OAuthRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A valid ``oauth2Auth``: the part that may be read back, and the secrets."""

    definition: OAuthDefinition
    client_secret: str | None
    refresh_token: str | None

    def __repr__(self) -> str:
        return "<OAuthRequest>"


def no_keys(_text: str) -> str | None:
    """Reject every private key: the ``KeyCheck`` where there is no implementation."""
    return "must be a private key, which cannot be checked here; use another clientAuthMethod"


def read_oauth(reader: Reader, check_key: KeyCheck, *, has_token: bool) -> OAuthRequest | None:
    """Return the block if it is given and valid. ``has_token``: the watch already has a refresh token."""
    block = reader.block("oauth2Auth", OAuth2AuthIn)
    if block is None:
        return None
    before = len(reader.problems)
    grant = _word(reader, "grantType", tuple(GrantType))
    method = _word(reader, "clientAuthMethod", tuple(ClientAuthMethod))
    definition = OAuthDefinition(
        client_id=_visible(reader, "clientId", MAX_CLIENT_ID, needed="give the id of the client") or "",
        access_token_url=_url(reader, "accessTokenUrl", needed="give the URL of the token endpoint") or "",
        grant_type=grant or GrantType.REFRESH_TOKEN,
        client_auth_method=method or ClientAuthMethod.BASIC,
        auth_url=_auth_url(reader),
        redirect_uri=_url(reader, "redirectUri"),
        scope=_scope(reader),
        extra_parameters=_parameters(reader, block.get("extraParameters")),
    )
    secret = None if method is None else _secret(reader, block, method, check_key)
    token = _visible(reader, "refreshToken", MAX_TOKEN)
    if grant is not None:
        _check_grant(reader, block, grant, has_token=has_token)
    if len(reader.problems) > before:
        return None
    return OAuthRequest(definition=definition, client_secret=secret, refresh_token=token)


def _check_grant(reader: Reader, block: Mapping[str, Any], grant: GrantType, *, has_token: bool) -> None:
    """Add a problem for each property that its grant type excludes or needs."""
    if grant is GrantType.CLIENT_CREDENTIALS:
        for name in ("refreshToken", "authUrl", "redirectUri"):
            if block.get(name) is not None:
                reader.problem(f"{name} goes with grantType refresh_token only; leave it out", "oauth2Auth", name)
    elif block.get("refreshToken") is None and block.get("authUrl") is None and not has_token:
        reader.problem(
            "grantType refresh_token needs a refreshToken, or an authUrl at which a person can authorize it",
            "oauth2Auth",
            "refreshToken",
        )


def _secret(reader: Reader, block: Mapping[str, Any], method: ClientAuthMethod, check_key: KeyCheck) -> str | None:
    """Return the client secret, or the private key of the client."""
    path = ("oauth2Auth", "clientSecret")
    secret = block.get("clientSecret")
    if method is ClientAuthMethod.NONE:
        if secret is not None:
            reader.problem("clientSecret is not sent with clientAuthMethod none; leave it out", *path)
        return None
    if method is not ClientAuthMethod.PRIVATE_KEY_JWT:
        return _visible(reader, "clientSecret", MAX_SECRET, needed="give it, or clientAuthMethod none")
    if secret is None:
        reader.problem("clientSecret is missing; give the client's private key, as PEM or JWK", *path)
    elif not is_string(secret, MAX_SECRET):
        message = f"clientSecret must be a private key, as PEM or as the text of a JWK, of at most {MAX_SECRET}"
        reader.problem(f"{message} characters", *path)
    elif (complaint := check_key(secret)) is not None:
        reader.problem(f"clientSecret {complaint}", *path)
    return secret if isinstance(secret, str) else None


def _word(reader: Reader, name: str, allowed: tuple[_Word, ...]) -> _Word | None:
    """Return one of the ``allowed`` words, the first by default; ``None`` for any other."""
    value = reader.given["oauth2Auth"].get(name)
    if value is None:
        return allowed[0]
    if value not in allowed:
        reader.problem(f"{name} must be one of {', '.join(allowed)}", "oauth2Auth", name)
        return None
    return allowed[allowed.index(value)]


def _visible(reader: Reader, name: str, limit: int, *, needed: str | None = None) -> str | None:
    """Return a string of the characters that RFC 6749 allows in ids, secrets and tokens.

    With ``needed``, the second half of the message, it is required.
    """
    value = reader.given["oauth2Auth"].get(name)
    if value is None:
        if needed is not None:
            reader.problem(f"{name} is missing; {needed}", "oauth2Auth", name)
        return None
    if not is_string(value, limit) or _VISIBLE.fullmatch(value) is None:
        message = f"{name} must be 1 to {limit} visible ASCII characters (RFC 6749, appendix A)"
        reader.problem(message, "oauth2Auth", name)
        return None
    return value


def _url(reader: Reader, name: str, *, needed: str | None = None) -> str | None:
    value = reader.given["oauth2Auth"].get(name)
    if value is None:
        if needed is not None:
            reader.problem(f"{name} is missing; {needed}", "oauth2Auth", name)
        return None
    if not is_string(value, MAX_URL):
        reader.problem(f"{name} must be a URL of at most {MAX_URL} characters", "oauth2Auth", name)
        return None
    if "${" in value:
        reader.problem(f"{name} is used as it is written; ${{…}} is for address alone", "oauth2Auth", name)
        return None
    for complaint in address_complaints(value, name, instead="clientAuthMethod says how the client authenticates"):
        reader.problem(complaint, "oauth2Auth", name)
    return value


def _auth_url(reader: Reader) -> str | None:
    value = _url(reader, "authUrl")
    query = (value or "").partition("?")[2]
    for name in dict(parse_qsl(query, keep_blank_values=True)):
        if name in OF_AUTHORIZATIONS:
            message = f"authUrl must not hold the parameter {name}, which is set for every authorization; leave it out"
            reader.problem(message, "oauth2Auth", "authUrl")
    return value


def _scope(reader: Reader) -> str | None:
    value = reader.given["oauth2Auth"].get("scope")
    if value is None:
        return None
    if not is_string(value, MAX_OAUTH_SCOPE) or _SCOPE.fullmatch(value) is None:
        message = (
            f"scope must be words of visible ASCII without quotes and backslashes, at most {MAX_OAUTH_SCOPE} characters"
        )
        reader.problem(f"{message}, each separated by one blank (RFC 6749 §3.3)", "oauth2Auth", "scope")
        return None
    return value


def _parameters(reader: Reader, given: Any) -> dict[str, str]:
    """Return the parameters to add to token requests and authorization requests."""
    if given is None:
        return {}
    path = ("oauth2Auth", "extraParameters")
    if not isinstance(given, dict) or len(given) > MAX_PARAMETERS:
        reader.problem(f"extraParameters must be an object of at most {MAX_PARAMETERS} texts", *path)
        return {}
    for name, value in given.items():
        if len(name) > MAX_PARAMETER_NAME or _PARAMETER.fullmatch(name) is None:
            message = f"the name of a parameter is 1 to {MAX_PARAMETER_NAME} letters, digits and ._- (RFC 6749, "
            reader.problem(message + "appendix A)", *path, name)
        elif name in OF_TOKEN_REQUESTS | OF_AUTHORIZATIONS:
            reader.problem(f"{quoted(name)} is set by the service; leave it out", *path, name)
        if not is_string(value, MAX_PARAMETER_VALUE, least=0) or _CONTROL.search(value):
            message = f"must be a text of at most {MAX_PARAMETER_VALUE} characters without control characters"
            reader.problem(message, *path, name)
    return {name: value for name, value in given.items() if isinstance(value, str)}
